"""The assistant's words are the call log's, at the times at which they were recognised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from her_os.contracts.speech_to_text import Word
from her_os.contracts.transcripts import CallTurn, Segment
from her_os.transcripts.exact_words import with_exact_words


def heard(speaker: str, start_ms: int, text: str, word_ms: int = 300) -> Segment:
    words = tuple(
        Word(word, start_ms + number * word_ms, start_ms + (number + 1) * word_ms, 0.5)
        for number, word in enumerate(text.split())
    )
    return Segment(speaker=speaker, start_ms=start_ms, end_ms=start_ms + len(words) * word_ms, text=text, words=words)


def turn(at_ms: int, asked: str, reply: str) -> CallTurn:
    return CallTurn(at_ms=at_ms, caller_text=asked, reply_text=reply)


def said(segments: list[Segment]) -> list[tuple[str, int, str]]:
    ordered = sorted(segments, key=lambda segment: segment.start_ms)
    return [(segment.speaker, segment.start_ms, segment.text) for segment in ordered]


def test_misheard_replies_are_put_right_and_what_the_log_does_not_know_stays() -> None:
    segments = [
        heard("assistant", 0, "hello this is her"),
        heard("caller", 2000, "set a timer"),
        heard("assistant", 4000, "one moment"),
        heard("assistant", 6000, "the timer he's set four ten menace"),
        heard("caller", 9000, "thank you"),
        heard("assistant", 11_000, "good buy"),
    ]
    turns = [
        turn(8200, "set a timer", "Timer is set for ten minutes."),
        turn(11_700, "thank you", "Goodbye, Priya."),
    ]
    result, exact = with_exact_words(segments, turns)
    assert exact
    assert said(result) == [
        ("assistant", 0, "hello this is her"),
        ("caller", 2000, "set a timer"),
        ("assistant", 4000, "one moment"),
        ("assistant", 6300, "Timer is set for ten minutes."),
        ("caller", 9000, "thank you"),
        ("assistant", 11_000, "Goodbye, Priya."),
    ]
    reply = next(segment for segment in result if segment.text.startswith("Timer"))
    times = {word.text: (word.start_ms, word.end_ms) for word in reply.words}
    assert times["Timer"] == (6300, 6600)
    assert times["set"] == (6900, 7200), "recognised"
    assert times["is"] == (6600, 6900), "between its neighbours"
    assert times["minutes."] == (7800, 8100)


def test_a_pause_within_a_reply_makes_two_segments() -> None:
    segments = [
        heard("caller", 0, "what"),
        heard("assistant", 1000, "it is nine"),
        heard("assistant", 4000, "and late"),
    ]
    result, _ = with_exact_words(segments, [turn(5000, "what", "It is nine, and late.")])
    assert said(result)[1:] == [("assistant", 1000, "It is nine,"), ("assistant", 4000, "and late.")]


def test_a_reply_in_which_nothing_was_recognised_stands_before_the_end_of_its_turn() -> None:
    result, exact = with_exact_words([heard("caller", 0, "hello")], [turn(5000, "hello", "Yes?")])
    assert exact
    assert said(result)[1:] == [("assistant", 4650, "Yes?")]
    assert result[1].words == ()


def test_without_turns_nothing_changes() -> None:
    segments = [heard("assistant", 0, "hello")]
    assert with_exact_words(segments, []) == (segments, False)
    assert with_exact_words(segments, [turn(900, "", "")]) == (segments, False)


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["caller", "assistant"]), st.integers(0, 9000), st.sampled_from(["a b", "c", "b a c"])
        )
    ),
    st.lists(st.tuples(st.integers(0, 9000), st.sampled_from(["", "A b!", "c d e", "b"])), max_size=4),
)
def test_words_are_in_the_order_of_time_and_the_callers_are_left_alone(
    spoken: list[tuple[str, int, str]], replies: list[tuple[int, str]]
) -> None:
    segments = [heard(*each) for each in sorted(spoken, key=lambda each: each[1])]
    turns = [turn(at, "", reply) for at, reply in sorted(replies, key=lambda each: each[0])]
    result, _ = with_exact_words(segments, turns)
    for segment in result:
        assert segment.end_ms > segment.start_ms
        times = [time for word in segment.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
    assert [s for s in result if s.speaker == "caller"] == [s for s in segments if s.speaker == "caller"]

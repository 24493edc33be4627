from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.speech_to_text import Word
from her_os.engines.stt_stable_prefix import AGREEING, StablePrefix


def words(*texts: str, start_ms: int = 0, each_ms: int = 200) -> list[Word]:
    return [Word(text, start_ms + n * each_ms, start_ms + (n + 1) * each_ms) for n, text in enumerate(texts)]


hypotheses = st.lists(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(10, 900)), max_size=8), min_size=1, max_size=60
)


@given(hypotheses)
def test_whatever_the_search_says_the_text_only_grows_by_whole_words(searched: list[list[tuple[str, int]]]):
    stable, before = StablePrefix(), ("", "")
    for step, hypothesis in enumerate(searched):
        heard: list[Word] = []
        for text, length_ms in hypothesis:
            start_ms = heard[-1].end_ms if heard else 0
            heard.append(Word(text, start_ms, start_ms + length_ms))
        news = stable.offer(heard, 80 * step) if step % 7 else stable.close(heard)
        assert stable.text.split()[: len(before[0].split())] == before[0].split()
        assert news == ((stable.text, stable.tentative) != before)
        before = stable.text, stable.tentative


@given(hypotheses)
def test_a_word_stood_in_several_hypotheses_before_it_was_committed(searched: list[list[tuple[str, int]]]):
    stable = StablePrefix()
    first = [words(*[text for text, _ in hypothesis])[:1] for hypothesis in searched]
    for step, hypothesis in enumerate(first):
        stable.offer(hypothesis, 600)
        if stable.text:
            agreeing = [each[0].text for each in first[max(0, step - AGREEING + 1) : step + 1] if each]
            assert agreeing == [hypothesis[0].text] * AGREEING
            return


def test_a_settled_word_comes_out_and_the_wavering_tail_does_not():
    stable = StablePrefix()
    for step, tail in enumerate(["say", "set", "set", "send", "said"]):
        stable.offer(words("could", "you", tail), 650 + 80 * step)
    assert (stable.text, stable.tentative) == ("could you", "said")


def test_a_revised_beginning_neither_retracts_nor_repeats():
    stable = StablePrefix()
    for step in range(AGREEING):
        stable.offer(words("what", "time"), 700 + 80 * step)
    assert stable.text == "what time"
    for step in range(AGREEING):
        stable.offer(words("watch", "dime", "is", "it"), 1100 + 80 * step)
    assert stable.text == "what time is it"


def test_closing_commits_the_rest():
    stable = StablePrefix()
    assert stable.close(words("good", "night"))
    assert stable.text == "good night"
    assert not stable.close(words("good", "night"))

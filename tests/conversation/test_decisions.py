"""The pure decisions of turn taking: states, pause, judgement, endpoint, history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import IllegalTransition
from her_os.contracts.language_model import Message, ToolCall
from her_os.conversation.barge_in_policy import InterruptionJudge, JudgeLimits, PauseDetector, Verdict
from her_os.conversation.completeness import sounds_finished
from her_os.conversation.endpointing import Endpointer, EndpointLimits, Heard
from her_os.conversation.history import History
from her_os.conversation.names import caller_name, people_in
from her_os.conversation.turn import ARROWS, TurnEpoch, TurnMachine, TurnState


def test_every_arrow_of_the_table_is_taken_and_no_other():
    for state in TurnState:
        for wanted in TurnState:
            machine = TurnMachine()
            machine.state = state
            if wanted in ARROWS[state]:
                machine.to(wanted)
                assert machine.state is wanted
            else:
                with pytest.raises(IllegalTransition):
                    machine.to(wanted)


def test_the_epoch_only_grows():
    epoch = TurnEpoch()
    first = epoch.advance()
    assert epoch.is_current(first)
    epoch.advance()
    assert not epoch.is_current(first)


def test_a_pause_needs_voiced_frames_in_a_row_and_fires_once():
    detector = PauseDetector(40)
    assert [detector.feed(voiced) for voiced in (True, False, True, True, True)] == [False, False, False, True, False]


def judge() -> InterruptionJudge:
    return InterruptionJudge(JudgeLimits(confirm_ms=160, decide_within_ms=400, hushed_ms=160), window_ms=32)


def test_speech_is_confirmed_after_its_limit_paused_or_not():
    for paused in (True, False):
        it = judge()
        if paused:
            it.paused()
        assert [it.feed(0.9) for _ in range(5)] == [Verdict.WAIT] * 4 + [Verdict.CONFIRMED]
        assert it.since_onset_ms == 160


def test_quiet_after_a_pause_is_a_false_alarm_at_once():
    it = judge()
    it.paused()
    assert [it.feed(0.1) for _ in range(5)][-1] is Verdict.FALSE_ALARM


def test_what_the_quick_detector_still_hears_is_given_its_time():
    it = judge()
    it.paused()
    assert {it.feed(0.1, voiced=True) for _ in range(6)} == {Verdict.WAIT}
    assert [it.feed(0.9, voiced=True) for _ in range(5)][-1] is Verdict.CONFIRMED
    it = judge()
    it.paused()
    assert [it.feed(0.1, voiced=True) for _ in range(13)][-1] is Verdict.FALSE_ALARM


@given(st.lists(st.floats(0, 1), min_size=13, max_size=40))
def test_a_pause_is_always_decided_within_its_limit(probabilities: list[float]):
    it = judge()
    it.paused()
    verdicts = [it.feed(probability) for probability in probabilities[:13]]  # 13 x 32 ms > 400 ms
    assert any(verdict is not Verdict.WAIT for verdict in verdicts)


def test_without_a_pause_noise_is_never_a_false_alarm():
    it = judge()
    assert {it.feed(0.2) for _ in range(100)} == {Verdict.WAIT}


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("what time is it", True),
        ("set a timer for", False),
        ("set a timer for ten minutes", True),
        ("how are you", True),
        ("hello how are you", True),
        ("call", False),
        ("thank you", True),
        ("", False),
        ("what is seven plus", False),
        ("i would like to", False),
        ("Stop.", True),
        ("who are you", True),
        ("where is it", True),
        ("cancel it", True),
        ("can you", False),
        ("what do you", False),
        ("what can you do", True),
        ("what do", False),
        ("could you please", False),
        ("okay stop please", True),
        ("turn the light on", True),
        ("what is on", False),
        ("set a timer", False),
        ("set a timer for ten", False),
        ("what is seven", False),
        ("what is seven times eight", True),
        ("tell me", False),
        ("excuse me", True),
        ("i", False),
    ],
)
def test_words_that_sound_finished(text: str, finished: bool):
    assert sounds_finished(text) is finished


def silence_until_end(partial: str) -> int:
    it = Endpointer(EndpointLimits(start_ms=64, finished_ms=320, unfinished_ms=900), window_ms=32)
    assert [it.feed(1.0) for _ in range(2)] == [Heard.NOTHING, Heard.STARTED]
    it.partial = partial
    for windows in range(1, 100):
        if it.feed(0.0) is Heard.ENDED:
            return windows * 32
    raise AssertionError("never ended")


def test_a_finished_sentence_ends_soon_and_an_unfinished_one_late():
    assert silence_until_end("what time is it") == 320
    assert silence_until_end("set a timer for") == 928


def test_a_pause_shorter_than_the_limit_does_not_end_the_turn():
    it = Endpointer(EndpointLimits(), window_ms=32)
    it.begin()
    it.partial = "stop"
    for _ in range(20):
        assert {it.feed(level) for level in (1.0, *[0.0] * 9)} == {Heard.NOTHING}


def test_an_utterance_without_end_is_cut():
    it = Endpointer(EndpointLimits(max_ms=3200), window_ms=32)
    it.begin()
    heard = [it.feed(1.0) for _ in range(100)]
    assert heard.index(Heard.ENDED) == 99


def test_history_keeps_what_was_heard_and_joins_words_that_got_no_answer():
    history = History("System.")
    history.add_caller("set a timer")
    history.add_caller("for ten minutes")
    call = ToolCall("1", "set_timer", "{}")
    history.add_tool_messages([Message("assistant", "", tool_calls=(call,)), Message("tool", "{}", tool_call_id="1")])
    history.add_reply("Okay, ten", whole=False)
    history.add_reply("", whole=False)
    assert [message.content for message in history.messages()] == [
        "System.",
        "set a timer for ten minutes",
        "",
        "{}",
        "Okay, ten—",
    ]


def test_compaction_keeps_names_and_running_tasks():
    history = History("System.", open_tasks=lambda: ["a tea timer"])
    for text in ("my name is ravi", "what time is it", "thank you", "tell me a story"):
        history.add_caller(text)
        history.add_reply("Yes.", whole=True)
    assert history.compact()
    system, *rest = history.messages()
    assert system.content == "System. The caller's name is Ravi. Running: a tea timer."
    assert [message.content for message in rest] == ["thank you", "Yes.", "tell me a story", "Yes."]
    assert not history.compact()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my name is ravi", "Ravi"),
        ("hello this is Anna speaking", "Anna"),
        ("you can call me Jo", "Jo"),
        ("please call me mister smith", "Mister"),
        ("call me Tom.", "Tom"),
        ("call me later", ""),
        ("call me back when it is done", ""),
        ("call me tomorrow", ""),
        ("this is terrible", ""),
        ("this is not what i asked", ""),
        ("my name is not important", ""),
        ("what is your name", ""),
    ],
)
def test_the_name_a_caller_gives_themselves(text: str, name: str):
    assert caller_name(text) == name


def test_compaction_keeps_the_people_who_were_spoken_of():
    history = History("System.", known_people=["Anna Berg", "Doctor Lee"])
    for text in ("call anna berg, this is terrible", "my sister's name is mary", "thank you", "yes", "no"):
        history.add_caller(text)
        history.add_reply("Yes.", whole=True)
    assert history.compact()
    assert history.messages()[0].content == "System. They spoke of Anna Berg, Mary (sister)."
    assert people_in("is mary poppins there", ["Mary"]) == ["Mary"]
    assert people_in("a maryland cookie", ["Mary"]) == []

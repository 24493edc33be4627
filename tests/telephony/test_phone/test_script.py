"""When the script's actions are due. Time is an argument."""

from __future__ import annotations

from her_os.telephony.test_phone.script import Action, Script, Situation, Trigger

GREETING = Action(Trigger.AFTER_SILENCE, 0.5, "question")
OVER = Action(Trigger.AFTER_ANSWER_AUDIO, 0.3, "stop")


def test_at_counts_from_the_answer() -> None:
    script = Script([Action(Trigger.AT, 2, "late"), Action(Trigger.AT, 1, "early")])
    situation = Situation(100)
    assert script.next_at(situation) == 101
    assert [action.name for action in script.take_due(situation, 101.5)] == ["early"]
    assert [action.name for action in script.take_due(situation, 103)] == ["late"]
    assert script.finished


def test_silence_begins_only_when_the_assistant_has_spoken() -> None:
    script = Script([GREETING])
    assert script.next_at(Situation(0)) is None
    assert script.next_at(Situation(0, [1.0, 1.02])) == 1.52
    assert not script.take_due(Situation(0, [1.0, 1.02]), 1.5)
    assert script.take_due(Situation(0, [1.0, 1.02]), 1.53) == [GREETING]


def test_the_greeting_is_no_answer_where_the_script_asks_something() -> None:
    script = Script([GREETING, OVER])
    assert script.take_due(Situation(0, [1.0]), 1.4) == []
    assert script.take_due(Situation(0, [1.0]), 1.6) == [GREETING]
    assert script.next_at(Situation(0, [1.0], speaking=1)) is None
    answered = Situation(0, [1.0, 3.0, 3.02], spoken_until=2.0)
    assert script.next_at(answered) == 3.3
    assert script.take_due(answered, 3.3) == [OVER]


def test_the_greeting_counts_where_nothing_else_is_to_be_said() -> None:
    assert Script([OVER]).next_at(Situation(0, [1.0, 1.02])) == 1.3


def test_the_second_of_a_kind_waits_for_the_next_answer() -> None:
    script = Script([GREETING, Action(Trigger.AFTER_SILENCE, 0.5, "again")])
    assert script.take_due(Situation(0, [1.0]), 9) == [GREETING]
    assert script.next_at(Situation(0, [1.0], spoken_until=2.0)) is None
    assert script.next_at(Situation(0, [1.0, 3.0], spoken_until=2.0)) == 3.5

"""What goes wrong in a call, and that the call goes on: hung and broken sidecars, empty replies, idle lines."""

from __future__ import annotations

import asyncio

import pytest

from her_os.contracts.errors import CancelledTurn, ContextOverflowError
from her_os.contracts.language_model import ToolCall, ToolSpec
from her_os.conversation.replier import Phrases
from her_os.conversation.spoken_reply import STALLED_S
from tests.conversation.call import VIRTUAL_TIME, FakeCall, make_call
from tests.conversation.test_full_duplex import QUESTION, STORY, caller
from tests.fakes.line import SPEECH, ScriptedLine

pytestmark = VIRTUAL_TIME

AGAIN = (9.0, 10.0, SPEECH)
APOLOGY_SAMPLE = (321).to_bytes(2, "little")


def apologies(call: FakeCall) -> int:
    """How often the ready-made apology (0.2 s) was sent."""
    return round(sum(pcm.count(APOLOGY_SAMPLE) for _, pcm in call.line.sent) / 3200)


async def test_a_hung_voice_is_given_up_soon_and_not_asked_a_second_time() -> None:
    call = make_call(ScriptedLine(caller(QUESTION, AGAIN)), ["hello", "hello"], [["Hi."], ["Hi again."]])
    call.synthesizer.hangs = True
    asyncio.get_running_loop().call_later(8, setattr, call.synthesizer, "hangs", False)
    await call.run_for(14)
    assert call.line.audible(0, 9)[0] < 1.5 + 0.5 + STALLED_S + 0.2
    assert apologies(call) == 1
    assert [text for _, text in call.synthesizer.spoken] == ["Hi.", "Hi again."]
    assert [turn.outcome for turn in call.journal.turns] == ["failed", "answered"]
    assert "no audio for 3 s" in call.journal.turns[0].error


async def test_a_voice_that_hangs_when_it_is_cancelled_does_not_deafen_the_call() -> None:
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay."]])
    asyncio.get_running_loop().call_later(2.9, setattr, call.synthesizer, "hangs", True)
    asyncio.get_running_loop().call_later(4.1, setattr, call.synthesizer, "hangs", False)
    await call.run_for(9)
    story, answer = call.journal.turns
    assert story.cancel is not None
    assert [(leg.name, leg.ok) for leg in story.cancel.legs] == [("llm", True), ("tts", False), ("stt", True)]
    assert story.cancel.legs[1].detail == "not done within 1 s"
    assert answer.outcome == "answered"


async def test_hanging_up_ends_a_call_whose_handler_hangs() -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [["Hi."]])
    call.recogniser._finalize_s = 3600
    assert await call.run_for(4) == "time is up"
    assert asyncio.get_running_loop().time() < 5


@pytest.mark.parametrize("error", [CancelledTurn("410"), OSError("broken"), RuntimeError("a defect")])
async def test_whatever_the_voice_raises_the_reply_ends_and_the_next_one_works(error: Exception) -> None:
    call = make_call(ScriptedLine(caller(QUESTION, AGAIN)), ["hello", "hello"], [["Hi."], ["Hi again."]])
    call.synthesizer.refuses = error
    asyncio.get_running_loop().call_later(8, setattr, call.synthesizer, "refuses", None)
    await call.run_for(14)
    assert apologies(call) == 1
    assert [turn.outcome for turn in call.journal.turns] == ["failed", "answered"]


async def test_a_voice_that_breaks_off_has_not_said_its_sentence() -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [["One two three four five six seven eight."]])
    call.synthesizer.fails_after = 10
    await call.run_for(9)
    (turn,) = call.journal.turns
    assert turn.outcome == "failed"
    assert len(turn.heard_text) <= len("One two three")
    assert call.history.messages()[-1].content == turn.heard_text


async def test_an_apology_is_a_sentence_of_its_own() -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [["Well then.", " And", " so", OSError("gone")]])
    await call.run_for(9)
    (turn,) = call.journal.turns
    assert (turn.reply_text, turn.heard_text, turn.outcome) == ("Well then. Sorry.", "Well then. Sorry.", "failed")


@pytest.mark.parametrize("reply", [[], [" ", "\n"]])
async def test_a_model_that_says_nothing_is_spoken_for(reply: list[str]) -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [reply])
    await call.run_for(9)
    (turn,) = call.journal.turns
    assert (turn.outcome, turn.heard_text) == ("silent", Phrases.no_answer)


async def test_a_model_that_never_stops_calling_tools_is_spoken_for() -> None:
    rounds = [[ToolCall(str(number), "get_time", "{}")] for number in range(9)]
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], rounds)
    await call.run_for(9)
    assert call.journal.turns[0].heard_text == Phrases.no_answer
    assert len(call.toolbox.ran) == 4


async def test_a_call_that_outgrows_the_context_goes_on_with_its_last_exchange() -> None:
    spans = [(0.5 + 4 * number, 1.5 + 4 * number, SPEECH) for number in range(3)]
    replies = [["One."], ["Two."], [ContextOverflowError("too long")], ["Three."]]
    call = make_call(ScriptedLine(caller(*spans)), ["first", "second", "third"], replies)
    await call.run_for(13)
    assert [turn.heard_text for turn in call.journal.turns] == ["One.", "Two.", "Three."]
    assert [message.content for message in call.model.asked[-1]][1:] == ["third"]


async def test_what_does_not_fit_even_alone_is_an_apology() -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["first"], [[ContextOverflowError("too long")]])
    await call.run_for(9)
    assert (call.journal.turns[0].outcome, len(call.model.asked)) == ("failed", 1)


async def test_an_interrupted_tool_leaves_a_result_for_its_call() -> None:
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    calls: list[str | ToolCall | Exception] = [ToolCall("a", "get_time", "{}"), ToolCall("b", "get_date", "{}")]
    call = make_call(line, ["what time is it", "stop"], [calls, ["Okay."]], tool_s=60)
    await call.run_for(9)
    roles = [(message.role, message.tool_call_id) for message in call.model.asked[1]]
    assert roles[1:] == [("user", ""), ("assistant", ""), ("tool", "a"), ("tool", "b"), ("user", "")]
    assert [ran.id for ran in call.toolbox.ran] == ["a"], "the second was not begun for a turn that is over"


async def test_no_tool_is_run_once_the_caller_goes_on() -> None:
    line = ScriptedLine(caller(QUESTION, (1.95, 3.0, SPEECH)))
    slow: list[str | ToolCall | Exception] = ["Let", " me", " see", ToolCall("a", "set_timer", "{}")]
    call = make_call(line, ["set a timer for ten minutes", "no wait"], [slow, ["Okay."]], word_s=0.3)
    await call.run_for(9)
    assert call.toolbox.ran == []


@pytest.mark.parametrize("full_duplex", [True, False])
async def test_a_silent_line_is_hung_up_but_not_while_a_timer_runs(full_duplex: bool) -> None:
    tasks = ["tea timer with four minutes left"]
    line = ScriptedLine(caller())
    call = make_call(line, [], [], full_duplex=full_duplex, idle_hangup_s=20, open_tasks=tasks)
    asyncio.get_running_loop().call_later(60, tasks.clear)
    assert await call.run_for(300) == "goodbye"
    assert 79 < asyncio.get_running_loop().time() < 83
    assert call.journal.turns[-1].heard_text == "Goodbye."


async def test_what_the_caller_said_is_in_the_journal_before_it_is_answered() -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [STORY])
    await call.run_for(2.2)
    assert call.journal.begun == [(1, "what time is it")]


async def test_no_cue_is_put_between_sentences_that_are_still_being_heard() -> None:
    first = ["The weather tomorrow will be sunny with a gentle wind from the west. "]
    second = [f"{word} " for word in ("In", "the", "evening", "some", "clouds", "may", "come.", "Bye.")]
    call = make_call(ScriptedLine(caller(QUESTION)), ["weather"], [first + second], word_s=0.5)
    await call.run_for(20)
    assert "One moment." not in [text for _, text in call.synthesizer.spoken]


async def test_words_that_the_caller_talks_over_before_they_are_final_are_kept() -> None:
    line = ScriptedLine(caller(QUESTION, (2.0, 3.0, SPEECH)))
    call = make_call(line, ["call anna", "no call bob"], [["Okay."]])
    call.recogniser._finalize_s = 1.2
    await call.run_for(12)
    assert [turn.caller_text for turn in call.journal.turns] == ["call anna", "no call bob"]
    assert call.model.asked[-1][-1].content == "call anna no call bob"


@pytest.mark.parametrize("full_duplex", [True, False])
async def test_closing_time_breaks_off_the_answer_and_says_goodbye(full_duplex: bool) -> None:
    call = make_call(ScriptedLine(caller(QUESTION)), ["story"], [STORY], full_duplex=full_duplex)
    asyncio.get_running_loop().call_later(3.0, call.orchestrator.say_goodbye, "Goodbye.")
    assert await call.run_for(20) == "goodbye"
    assert asyncio.get_running_loop().time() < 5
    story, goodbye = call.journal.turns
    assert (story.outcome, goodbye.heard_text) == ("interrupted", "Goodbye.")
    assert len(story.heard_text) < len(story.reply_text)


@pytest.mark.parametrize("full_duplex", [True, False])
async def test_a_line_that_never_sends_a_packet_is_hung_up(full_duplex: bool) -> None:
    call = make_call(ScriptedLine(), [], [], greeting="Hello.", idle_hangup_s=5, full_duplex=full_duplex)
    call.orchestrator.on_frame = lambda _frame: None
    assert await call.run_for(60) == "goodbye"
    assert ("idle", "no sound ever came from the phone") in call.journal.notes


async def test_a_line_on_hold_is_hung_up_much_later() -> None:
    call = make_call(ScriptedLine(), [], [], idle_hangup_s=5)
    asyncio.get_running_loop().call_later(1, call.orchestrator.on_hold, True)
    assert await call.run_for(60) == "goodbye"
    assert 25 < asyncio.get_running_loop().time() < 28


async def test_no_tool_changes_anything_for_a_request_that_was_half_said() -> None:
    line = ScriptedLine(caller(QUESTION, (1.9, 2.8, SPEECH)))
    ten, five = (ToolCall(number, "set_timer", "{}") for number in ("10", "5"))
    call = make_call(line, ["set a timer for ten minutes", "no five"], [[ten], [five]], say_results=True)
    await call.run_for(10)
    assert call.toolbox.ran == [five]
    assert [message.content for message in call.model.asked[1]][1] == "set a timer for ten minutes"


async def test_a_tool_that_only_looks_something_up_need_not_wait() -> None:
    line = ScriptedLine(caller(QUESTION))
    call = make_call(line, ["what time is it"], [[ToolCall("1", "get_time", "{}")]], say_results=True)
    call.toolbox.specs = [ToolSpec("get_time", "", {})]
    await call.run_for(4)
    early = call.line.audible()[0]
    changing = make_call(ScriptedLine(caller(QUESTION)), ["x"], [[ToolCall("1", "set_timer", "{}")]], say_results=True)
    await changing.run_for(4)
    assert early < 2.0 < 1.5 + 0.6 < changing.line.audible()[0]


async def test_what_the_caller_was_asked_to_say_again_does_not_come_back() -> None:
    call = make_call(ScriptedLine(caller(QUESTION, AGAIN)), ["what can you do", "what time is it"], [["Noon."]])
    call.recogniser.available = False
    asyncio.get_running_loop().call_later(8, setattr, call.recogniser, "available", True)
    await call.run_for(14)
    assert call.recogniser.discarded == 1
    assert min(call.recogniser.utterances[-1]) > 8 * 16_000


@pytest.mark.parametrize("alternating", [True, False])
async def test_roles_alternate_for_templates_that_insist(alternating: bool) -> None:
    line = ScriptedLine(caller((2.5, 3.5, SPEECH), (6.0, 7.0, SPEECH)))
    call = make_call(line, ["hello", "and now"], [["Hi."], ["Now."]], greeting="Hello.", alternating=alternating)
    asyncio.get_running_loop().call_later(4.2, call.orchestrator.announce, "Your tea is ready.")
    await call.run_for(10)
    roles = [message.role for message in call.model.asked[1]]
    if alternating:
        assert roles == ["system", "user", "assistant", "user"]
        assert call.model.asked[1][0].content == "You are her. You have just said: Hello."
        assert call.model.asked[1][2].content == "Hi. Your tea is ready."
    else:
        assert roles == ["system", "assistant", "user", "assistant", "assistant", "user"]

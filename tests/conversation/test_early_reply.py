"""The model begins while the caller may still go on; only the words it was asked with get what it said."""

from __future__ import annotations

import asyncio

import pytest

from her_os.contracts.errors import SidecarUnavailable
from her_os.contracts.language_model import Finished, Message, TextDelta, ToolCall
from her_os.conversation.early_reply import EarlyReplies
from tests.conversation.call import VIRTUAL_TIME, make_call
from tests.fakes.line import SILENCE, SPEECH, ScriptedLine
from tests.fakes.speaking import ScriptedModel

pytestmark = VIRTUAL_TIME

TIME = [Message("user", "what time is it")]
STORY = [Message("user", "tell me a story")]


def speaking(*speech: tuple[float, float]) -> ScriptedLine:
    return ScriptedLine(lambda now: SPEECH if any(a <= now < b for a, b in speech) else SILENCE)


async def read(early: EarlyReplies, messages: list[Message]) -> list[object]:
    async with early.reply(messages, [], slot=0) as events:
        return [event async for event in events]


async def test_what_was_begun_for_these_words_is_not_asked_again():
    model = ScriptedModel([["It is ", "noon."]], word_s=0.1)
    early = EarlyReplies(model)
    early.begin(TIME, [], slot=0)
    early.begin(TIME, [], slot=0)
    await asyncio.sleep(0.15)
    began = asyncio.get_running_loop().time()
    assert await read(early, TIME) == [TextDelta("It is "), TextDelta("noon."), Finished("stop")]
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.05)
    assert model.asked == [TIME]


async def test_a_guess_for_other_words_is_closed_before_the_right_ones_are_asked():
    model = ScriptedModel([["It is noon."], ["Once."]], word_s=0.1)
    early = EarlyReplies(model)
    early.begin(TIME, [], slot=0)
    await asyncio.sleep(0.05)
    async with early.reply(STORY, [], slot=0) as events:
        assert model.closed_early == 1, "the slot is free before it is asked for again"
        assert await anext(events) == TextDelta("Once.")


async def test_what_the_model_could_not_do_early_is_told_when_it_is_asked():
    early = EarlyReplies(ScriptedModel([[SidecarUnavailable("language model", "gone")]]))
    early.begin(TIME, [], slot=0)
    await asyncio.sleep(1)
    with pytest.raises(SidecarUnavailable):
        await read(early, TIME)


async def test_a_reply_that_nobody_takes_up_leaves_nothing_behind():
    model = ScriptedModel([["It is noon."]], word_s=5)
    early = EarlyReplies(model)
    early.begin(TIME, [], slot=0)
    await asyncio.sleep(0.1)
    early.give_up()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert model.closed_early == 1


async def test_the_model_has_thought_by_the_time_the_turn_is_over():
    call = make_call(speaking((0.5, 1.5)), ["what time is it"], [["It is noon."]], word_s=0.1)
    await call.run_for(6)
    assert len(call.model.asked) == 1
    assert call.journal.turns[0].heard_text == "It is noon."
    assert call.line.audible()[0] < 1.5 + 0.32 + 0.1, "less than the pause and the model's time together"


async def test_nothing_that_was_begun_early_speaks_or_runs_a_tool_when_the_caller_goes_on():
    line = speaking((0.5, 1.5), (1.74, 2.6))
    tool = ToolCall("1", "get_time", "{}")
    call = make_call(line, ["what time is it"], [[tool], ["It is noon."]], word_s=0.01)
    await call.run_for(2.6)
    assert len(call.model.asked) == 1, "asked in the pause"
    assert call.toolbox.ran == []
    assert not line.audible()


async def test_half_duplex_waits_for_the_end_of_the_turn():
    call = make_call(speaking((0.5, 1.5)), ["what time is it"], [["It is noon."]], word_s=0.1, full_duplex=False)
    await call.run_for(6)
    assert call.line.audible()[0] > 1.5 + 0.32 + 0.1

"""The caller goes on just when the answer is about to begin."""

from __future__ import annotations

import pytest

from tests.conversation.call import VIRTUAL_TIME, make_call
from tests.fakes.line import SILENCE, SPEECH, ScriptedLine

pytestmark = VIRTUAL_TIME


def line_with(*speech: tuple[float, float]) -> ScriptedLine:
    return ScriptedLine(lambda now: SPEECH if any(a <= now < b for a, b in speech) else SILENCE)


@pytest.mark.parametrize("pause_ms", range(330, 420, 10))
async def test_an_answer_that_comes_due_while_the_caller_goes_on_is_not_begun(pause_ms: int):
    resumed = 1.5 + pause_ms / 1000
    line = line_with((0.5, 1.5), (resumed, resumed + 0.8))
    call = make_call(line, ["tell me a story", "about a lamp"], [["A story."], ["A lamp."]], word_s=0.27)
    await call.run_for(8)
    assert not line.audible(0, resumed + 0.8)
    assert call.model.asked[-1][-1].content == "tell me a story about a lamp"


async def test_a_short_sound_while_the_answer_is_thought_of_only_delays_it():
    line = line_with((0.5, 1.5), (1.9, 1.98))
    call = make_call(line, ["tell me a story"], [["A story."]], word_s=0.29)
    await call.run_for(8)
    assert call.journal.turns[0].outcome == "answered"
    assert call.journal.turns[0].heard_text == "A story."
    assert 1.98 < line.audible()[0] < 2.4


async def test_a_call_that_was_held_back_for_nothing_is_not_mute_afterwards():
    line = line_with((0.5, 1.5), (1.84, 1.9), (4.0, 5.0))
    call = make_call(line, ["", "hello"], [["Hi."]])
    await call.run_for(8)
    assert line.audible(5.0), "no words were recognised the first time"


@pytest.mark.parametrize("full_duplex", [True, False])
async def test_words_that_want_more_hold_the_answer_back_though_they_came_late(full_duplex: bool):
    line = line_with((0.5, 1.5), (2.3, 3.3))
    texts = ["tell me a story about", "a lamp"]
    call = make_call(line, texts, [["A story."], ["A lamp."]], full_duplex=full_duplex, partials=["tell me a story"])
    await call.run_for(8)
    assert not line.audible(0, 3.3)
    assert call.model.asked[-1][-1].content == "tell me a story about a lamp"
    assert call.journal.turns[-1].outcome == "answered"


@pytest.mark.parametrize("full_duplex", [True, False])
async def test_an_answer_that_was_taken_back_for_a_sound_without_words_is_given_after_all(full_duplex: bool):
    line = line_with((0.5, 1.5), (1.9, 2.2))
    call = make_call(line, ["tell me a story", ""], [["A story."]] * 2, word_s=0.3, full_duplex=full_duplex)
    await call.run_for(8)
    assert call.model.asked[-1][-1].content == "tell me a story"
    assert call.journal.turns[-1].heard_text == "A story."


@pytest.mark.parametrize("resumed", [1.5 + 0.02 * step for step in range(14, 24)])
async def test_half_duplex_takes_an_answer_back_until_it_begins(resumed: float):
    line = line_with((0.5, 1.5), (resumed, resumed + 0.8))
    call = make_call(line, ["tell me a story", "about a lamp"], [["A story."], ["A lamp."]], full_duplex=False)
    await call.run_for(8)
    begun = call.line.audible()[0]
    assert begun >= resumed + 0.8 or begun < resumed + 0.06, "not into the caller's words, once they were noticed"
    assert call.journal.turns[-1].outcome == "answered"

"""Full duplex on virtual time: pause, confirm, cancel, resume, and what enters the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.language_model import ToolCall
from her_os.conversation.turn import TurnState
from tests.conversation.call import VIRTUAL_TIME, make_call
from tests.fakes.line import NOISE, SILENCE, SPEECH, ScriptedLine
from tests.fakes.speaking import VOICE, LanguageModelError

pytestmark = VIRTUAL_TIME


def caller(*spans: tuple[float, float, int]) -> Callable[[float], int]:
    """Level by time: each span is (from, until, level)."""
    return lambda now: next((level for start, end, level in spans if start <= now < end), SILENCE)


QUESTION = (0.5, 1.5, SPEECH)
STORY = ["Once", " upon", " a", " time", " there", " was", " a", " very", " small", " lamp", " in", " a", " house", "."]


async def test_a_question_is_answered_once_the_caller_has_finished():
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [["It is", " noon."]])
    await call.run_for(6)
    first = call.line.audible()[0]
    assert 1.5 + 0.3 < first < 1.5 + 0.6
    assert [message.content for message in call.history.messages()[1:]] == ["what time is it", "It is noon."]
    assert call.journal.turns[0].outcome == "answered"
    assert call.orchestrator.state is TurnState.ENDED


async def test_speech_during_the_answer_silences_it_and_is_answered_in_turn():
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay", "."]])
    await call.run_for(8)
    assert line.audible(2.5, 3.0), "the story was being told"
    assert not line.audible(3.0 + 0.06, 3.8 + 0.3), "silent at most three packets after the onset"
    assert call.model.asked[1][-1].content == "stop"
    story, answer = call.journal.turns
    assert (story.outcome, answer.outcome) == ("interrupted", "answered")
    assert story.cancel is not None
    assert [leg.name for leg in story.cancel.legs] == ["llm", "tts", "stt"]
    assert story.cancel.ok
    assert call.synthesizer.cancelled == ["call.1"]


async def test_the_history_holds_what_was_heard_and_not_what_was_generated():
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay."]])
    await call.run_for(8)
    story = call.journal.turns[0]
    heard_samples = sum(sum(1 for s in range(0, len(p), 2) if p[s : s + 2] != b"\0\0") for t, p in line.sent if t < 3.2)
    true_words = len(story.reply_text[: heard_samples // 1000].split())
    assert abs(len(story.heard_text.split()) - true_words) <= 1
    assert story.reply_text.startswith(story.heard_text)
    assert len(story.heard_text) < len(story.reply_text)
    assert f"{story.heard_text}—" in [message.content for message in call.model.asked[1]]


async def test_a_noise_pauses_and_the_answer_goes_on_at_the_same_sample():
    line = ScriptedLine(caller(QUESTION, (3.0, 3.06, NOISE)))
    call = make_call(line, ["tell me a story"], [STORY])
    await call.run_for(12)
    assert not line.audible(3.06, 3.16), "paused at the noise"
    assert line.audible(3.5, 3.6), "and gone on"
    sent = b"".join(pcm for _, pcm in line.sent)
    assert sent.count(VOICE.to_bytes(2, "little")) == len("".join(STORY)) * 1000, "nothing lost, nothing twice"
    assert call.journal.notes == [("false alarm", "a sound that was not speech")]
    assert call.journal.turns[0].outcome == "answered"


async def test_the_first_word_of_an_interruption_reaches_the_recogniser():
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay."]])
    await call.run_for(8)
    pushed = call.recogniser.utterances[1]
    assert min(pushed) <= 3.0 * 16_000 + 320, "from the first sample of the word on"
    assert pushed == sorted(set(pushed)), "each frame once, in order, over the reconnect gap"
    assert len(pushed) == 40


async def test_going_on_before_the_answer_starts_joins_the_words():
    line = ScriptedLine(caller(QUESTION, (1.86, 2.5, SPEECH)))
    call = make_call(line, ["tell me a story", "about a lamp"], [["x" * 40], ["Okay."]], word_s=1.0)
    await call.run_for(9)
    assert call.model.asked[-1][-1].content == "tell me a story about a lamp"
    assert call.model.closed_early == 1
    assert not line.audible(0, 2.5)


async def test_an_unfinished_sentence_is_waited_for():
    line = ScriptedLine(caller(QUESTION))
    call = make_call(line, ["set a timer for"], [["How long?"]])
    await call.run_for(6)
    assert line.audible()[0] > 1.5 + 0.85


async def test_a_tool_is_run_and_its_result_answered():
    tool = ToolCall("1", "get_time", "{}")
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [[tool], ["It is noon."]])
    await call.run_for(6)
    assert call.toolbox.ran == [tool]
    assert [message.role for message in call.model.asked[1]] == ["system", "user", "assistant", "tool"]
    assert call.journal.turns[0].tools == ("get_time",)
    assert [message.role for message in call.history.messages()] == ["system", "user", "assistant", "tool", "assistant"]


async def test_what_a_tool_says_can_be_spoken_as_it_is():
    tool = ToolCall("1", "get_time", "{}")
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [["Sure.", tool]], say_results=True)
    await call.run_for(6)
    assert len(call.model.asked) == 1
    assert call.journal.turns[0].reply_text == "Sure. It is noon."
    assert [text for _, text in call.synthesizer.spoken] == ["Sure.", "It is noon."]
    said = [message.content for message in call.history.messages()[2:]]
    assert said == ["", '{"say": "It is noon."}', "Sure. It is noon."]


async def test_what_the_model_has_said_already_is_not_said_again():
    tool = ToolCall("1", "get_time", "{}")
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [["It is noon.", tool]])
    await call.run_for(6)
    assert [text for _, text in call.synthesizer.spoken] == ["It is noon."]


async def test_a_slow_tool_gets_a_cue_that_is_not_part_of_the_reply():
    tool = ToolCall("1", "get_time", "{}")
    call = make_call(ScriptedLine(caller(QUESTION)), ["what time is it"], [[tool], ["It is noon."]], tool_s=3.0)
    await call.run_for(12)
    assert [text for _, text in call.synthesizer.spoken] == ["One moment.", "It is noon."]
    assert call.history.messages()[-1].content == "It is noon."


async def test_a_model_that_fails_is_told_to_the_caller_and_the_call_goes_on():
    line = ScriptedLine(caller(QUESTION, (6.0, 7.0, SPEECH)))
    call = make_call(line, ["hello", "hello"], [[LanguageModelError("broken")], ["Hi."]])
    await call.run_for(12)
    assert [text for _, text in call.synthesizer.spoken] == ["Sorry.", "Hi."]
    assert [turn.outcome for turn in call.journal.turns] == ["failed", "answered"]


async def test_without_a_synthesiser_the_apology_is_ready_made():
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [["Hi."]])
    call.synthesizer.available = False
    await call.run_for(6)
    assert b"".join(pcm for _, pcm in call.line.sent).strip(b"\0") == call.apology_pcm


async def test_without_a_recogniser_the_caller_hears_so():
    call = make_call(ScriptedLine(caller(QUESTION)), ["hello"], [])
    call.recogniser.available = False
    await call.run_for(6)
    assert [text for _, text in call.synthesizer.spoken] == ["Sorry."]


async def test_a_pause_that_arrives_after_the_confirmation_lets_nothing_out(monkeypatch: pytest.MonkeyPatch):
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay."]], confirm_ms=40)
    resumed_in: list[TurnState] = []
    resume = line.playout.resume
    monkeypatch.setattr(line.playout, "resume", lambda: (resumed_in.append(call.orchestrator.state), resume()))
    await call.run_for(8)
    assert call.journal.turns[0].outcome == "interrupted"
    assert resumed_in == []


async def test_a_timer_is_announced_when_nobody_speaks():
    call = make_call(ScriptedLine(caller((1.0, 2.0, SPEECH))), ["hello"], [["Hi."]])
    asyncio.get_running_loop().call_later(1.5, call.orchestrator.announce, "Ring.")
    await call.run_for(8)
    assert [text for _, text in call.synthesizer.spoken] == ["Hi.", "Ring."]


async def test_noise_without_words_is_not_answered():
    call = make_call(ScriptedLine(caller(QUESTION)), [""], [["Hi."]])
    await call.run_for(5)
    assert call.model.asked == []
    assert not call.line.audible()


async def test_hang_up_waits_for_the_last_word():
    call = make_call(ScriptedLine(caller(QUESTION)), ["goodbye"], [["Goodbye."]])
    asyncio.get_running_loop().call_later(1.0, call.orchestrator.request_hang_up)
    assert await call.run_for(20) == "goodbye"
    assert b"".join(pcm for _, pcm in call.line.sent).count(VOICE.to_bytes(2, "little")) == len("Goodbye.") * 1000


@pytest.mark.parametrize("at", [1.52 + 0.04 * step for step in range(60)])
async def test_no_packet_of_an_old_answer_follows_a_new_turn(at: float):
    """Interrupted at any moment, from before the first word to after the last."""
    line = ScriptedLine(caller((0.5, 1.0, SPEECH), (at, at + 0.6, SPEECH)))
    call = make_call(line, ["hello", "again", "more"], [["An answer, of some words."], ["New."], ["Newer."]])
    await call.run_for(9)
    sound = [turn for turn in call.journal.turns if turn.heard_text]
    assert sound
    assert not line.audible(at + 0.3, at + 0.6), "nobody speaks over the caller"
    last: TurnRecord = call.journal.turns[-1]
    assert last.outcome == "answered"


@pytest.mark.parametrize(("held", "resumed"), [(3.0, 5.0), (3.045, 5.0), (2.0, 2.1)])
async def test_hold_loses_nothing_of_the_answer_and_its_music_interrupts_nothing(held: float, resumed: float):
    line = ScriptedLine(caller(QUESTION, (3.0, 3.04, NOISE), (held + 0.06, resumed, SPEECH)))
    call = make_call(line, ["tell me a story"], [STORY])
    loop = asyncio.get_running_loop()
    loop.call_later(held, call.orchestrator.on_hold, True)
    loop.call_later(resumed, call.orchestrator.on_hold, False)
    await call.run_for(14)
    assert not line.audible(held + 0.03, resumed)
    sent = b"".join(pcm for _, pcm in line.sent)
    assert sent.count(VOICE.to_bytes(2, "little")) == len("".join(STORY)) * 1000, "nothing lost, nothing twice"
    assert [turn.outcome for turn in call.journal.turns] == ["answered"]


async def test_hold_in_the_middle_of_a_cancel_leaves_the_next_turn_alone():
    line = ScriptedLine(caller(QUESTION, (3.0, 3.8, SPEECH)))
    call = make_call(line, ["tell me a story", "stop"], [STORY, ["Okay."]])
    loop = asyncio.get_running_loop()
    loop.call_later(3.3, lambda: states.append(call.orchestrator.state))
    loop.call_later(3.3, call.orchestrator.on_hold, True)
    loop.call_later(5.0, call.orchestrator.on_hold, False)
    states: list[TurnState] = []
    await call.run_for(9)
    assert states == [TurnState.CANCELLING]
    assert [turn.outcome for turn in call.journal.turns] == ["interrupted", "answered"]
    assert not line.audible(3.2, 5.0)
    assert line.audible(5.0, 6.5)

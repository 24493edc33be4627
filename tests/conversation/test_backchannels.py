"""A listener's "mm-hm": the assistant goes on, and it is kept where it was said."""

from __future__ import annotations

import pytest

from her_os.contracts.voice_activity import FirstSound
from her_os.conversation.turn import TurnState
from tests.conversation.call import VIRTUAL_TIME, FakeCall, make_call
from tests.fakes.line import NOISE, SILENCE, SPEECH, ScriptedLine
from tests.fakes.speaking import VOICE

pytestmark = VIRTUAL_TIME

STORY = ["Once", " upon", " a", " time", " there", " was", " a", " very", " small", " lamp", " in", " a", " house", "."]


class Ear:
    """FirstSoundJudge that always guesses the same."""

    def __init__(self, talk: float) -> None:
        self._talk = talk

    def look(self, pcm: bytes) -> FirstSound:
        return FirstSound(self._talk, 1 - self._talk, 0.0)


def told_a_story(said: str, seconds: float, *, talk: float, level: int = SPEECH) -> FakeCall:
    """The caller says something for so long, 3 s into the call."""

    def caller(now: float) -> int:
        return SPEECH if 0.5 <= now < 1.5 else level if 3.0 <= now < 3.0 + seconds else SILENCE

    texts = ["tell me a story", said, said]
    return make_call(
        ScriptedLine(caller), texts, [STORY, ["Okay."]], first_sounds=Ear(talk), partials=["tell me a story", "", ""]
    )


def told_whole(call: FakeCall) -> bool:
    sent = b"".join(pcm for _, pcm in call.line.sent)
    return sent.count(VOICE.to_bytes(2, "little")) == len("".join(STORY)) * 1000


async def test_the_assistant_goes_on_and_keeps_what_was_said():
    call = told_a_story("mm hmm", 0.4, talk=0.1)
    await call.run_for(12)
    assert not call.line.audible(3.08, 3.3), "it waited"
    assert call.line.audible(3.42, 3.6), "400 ms at most"
    assert told_whole(call), "nothing lost, nothing twice"
    assert call.journal.notes == [("backchannel", "mm hmm")]
    roles = [(m.role, m.content) for m in call.history.messages()[2:]]
    assert [role for role, _ in roles] == ["assistant", "user", "assistant"]
    assert roles[1][1] == "mm hmm"
    assert f"{roles[0][1]} {roles[2][1]}" == "".join(STORY)
    assert call.synthesizer.cancelled == []


async def test_the_words_make_an_interruption_of_what_sounded_like_a_backchannel():
    call = told_a_story("stop", 0.4, talk=0.1)
    await call.run_for(12)
    assert [turn.outcome for turn in call.journal.turns] == ["interrupted", "answered"]
    assert call.model.asked[-1][-1].content == "stop"
    assert not call.line.audible(3.0 + 0.4 + 0.16 + 0.1, 4.0)


async def test_talk_that_goes_on_is_an_interruption_whatever_it_sounded_like():
    call = told_a_story("i want another one", 1.5, talk=0.1)
    await call.run_for(12)
    assert [turn.outcome for turn in call.journal.turns] == ["interrupted", "answered"]
    assert not call.line.audible(3.0 + 0.85, 4.5)


async def test_what_sounds_like_talk_is_confirmed_without_its_words():
    call = told_a_story("stop", 0.6, talk=0.99)
    await call.run_for(12)
    assert not call.line.audible(3.06, 3.9)
    assert [turn.outcome for turn in call.journal.turns] == ["interrupted", "answered"]


async def test_a_noise_that_goes_on_pauses_the_assistant_once_in_a_while_only(monkeypatch: pytest.MonkeyPatch):
    call = told_a_story("", 4.0, talk=0.1, level=NOISE)
    pauses: list[TurnState] = []
    pause = call.line.playout.pause
    monkeypatch.setattr(call.line.playout, "pause", lambda: (pauses.append(call.orchestrator.state), pause()))
    await call.run_for(16)
    assert pauses == [TurnState.SPEAKING]
    assert told_whole(call)


async def test_speech_over_a_noise_that_is_no_longer_believed_pauses_and_interrupts():
    def caller(now: float) -> int:
        spoken = 0.5 <= now < 1.5 or 4.5 <= now < 5.3
        return SPEECH if spoken else NOISE if 3.0 <= now < 4.5 else SILENCE

    call = make_call(ScriptedLine(caller), ["tell me a story", "stop"], [STORY, ["Okay."]], first_sounds=Ear(0.9))
    await call.run_for(12)
    assert not call.line.audible(4.5 + 0.06, 5.3)
    assert [turn.outcome for turn in call.journal.turns] == ["interrupted", "answered"]

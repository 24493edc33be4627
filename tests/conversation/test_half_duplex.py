"""Half duplex: deaf while it speaks, and the same call gives the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.conversation.call import VIRTUAL_TIME, FakeCall, make_call
from tests.fakes.line import NOISE, SILENCE, SPEECH, ScriptedLine

pytestmark = VIRTUAL_TIME

FIXTURE = Path(__file__).parents[1] / "data" / "half_duplex_call.pcm.gz"
"""The assistant's side of the call below, 16 kHz int16, as it was sent. To record it anew after a change that is
meant to change it: `python -m tests.conversation.test_half_duplex`."""


def recorded_call() -> FakeCall:
    """Two questions; into the first answer the caller speaks, coughs, and is not heard."""
    levels = [(2.0, 3.0, SPEECH), (3.9, 4.6, SPEECH), (5.0, 5.1, NOISE), (8.0, 9.0, SPEECH)]

    def caller(now: float) -> int:
        return next((level for start, end, level in levels if start <= now < end), SILENCE)

    return make_call(
        ScriptedLine(caller),
        ["tell me a story", "thank you"],
        [
            ["Once", " upon", " a", " time", ",", " there", " was", " a", " small", " lamp", "."],
            ["You", "'re welcome."],
        ],
        full_duplex=False,
        greeting="Hello.",
    )


async def play() -> tuple[FakeCall, bytes]:
    call = recorded_call()
    await call.run_for(14)
    return call, b"".join(pcm for _, pcm in call.line.sent)


async def test_speech_into_the_answer_is_not_heard():
    call, _ = await play()
    assert [turn.outcome for turn in call.journal.turns] == ["answered"] * 3
    assert [message.content for message in call.history.messages()[1:]] == [
        "Hello.",
        "tell me a story",
        "Once upon a time, there was a small lamp.",
        "thank you",
        "You're welcome.",
    ]
    assert call.recogniser.cycles == []
    assert call.synthesizer.cancelled == []


async def test_a_recorded_call_replays_byte_for_byte():
    _, sent = await play()
    assert sent == gzip.decompress(FIXTURE.read_bytes())


if __name__ == "__main__":
    import asyncio

    import looptime

    class _Loop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):
        """Virtual time, as in the tests."""

    with asyncio.Runner(loop_factory=_Loop) as runner:
        FIXTURE.write_bytes(gzip.compress(runner.run(play())[1], mtime=0))

"""What every CallLine must do, tried on each of them over its real wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from her_os.contracts.call_line import CallLine
from tests.fakes.listener import Listener
from tests.telephony.lines.far_ends import LINES, Call, FarEnd
from tests.telephony.rtp.listening import Tap
from tests.telephony.signals import babble, best_match
from tests.waiting import until

SPEECH = babble(1.0, seed=31)
SECOND = 32_000


class Talk:
    """A started call: the line, what its listener was told, the far end."""

    def __init__(self, line: CallLine, far: FarEnd, ears: Listener, tap: Tap, call: Call) -> None:
        self.line, self.far, self.ears, self.tap, self.call = line, far, ears, tap, call

    def say(self, turn: int, pcm: bytes) -> None:
        assert self.line.playout.write(turn, 0, pcm)
        self.line.playout.finish(turn, 0)

    def audible(self, since: int = 0) -> int:
        """Samples with sound at the far end."""
        return int(np.count_nonzero(np.abs(np.frombuffer(self.far.heard()[since:], np.int16)) > 100))


def media_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("rtp-", "stream-", "audiosocket-"))]


@pytest_asyncio.fixture(params=LINES)
async def talk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Talk]:
    call = Call()
    async with LINES[request.param](tmp_path, call) as far:
        line = await call.line()
        ears, tap = Listener(), Tap()
        line.start(ears, tap)
        await until(lambda: len(far.heard()) > 3_200, "the line is never dumb: silence is sent")
        yield Talk(line, far, ears, tap, call)
    await until(lambda: not media_threads(), "no thread is left")


async def test_the_caller_is_heard_in_whole_frames_on_one_clock(talk: Talk) -> None:
    await talk.far.say(SPEECH)
    await until(lambda: len(talk.ears.pcm) > len(SPEECH) + 6_400)
    assert best_match(bytes(talk.ears.pcm), SPEECH[3_200:-6_400])[0] > 0.5
    assert [frame.sample_index for frame in talk.ears.frames] == [320 * n for n in range(len(talk.ears.frames))]
    assert {len(frame.pcm) for frame in talk.ears.frames} == {640}
    assert {len(frame.pcm) for frame in talk.ears.arrived} == {640}
    assert len(talk.ears.arrived) >= 48
    assert talk.line.statistics().packets_received >= 48


async def test_the_assistant_is_heard_once_and_at_the_pace_of_speech(talk: Talk) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    talk.say(1, SPEECH)
    await until(lambda: talk.ears.played == [(1, 0)])
    assert loop.time() - began > 0.9, "paced by us"
    assert talk.line.playout.sent_samples(1, 0) == 16_000
    await until(lambda: best_match(talk.far.heard(), SPEECH[3_200:-3_200])[0] > 0.5)
    assert talk.line.statistics().packets_sent >= 50


async def test_flush_is_silence_at_once_and_the_door_is_shut(talk: Talk) -> None:
    talk.say(1, babble(5.0, seed=32))
    await until(lambda: talk.audible() > 8_000)
    talk.line.playout.flush(1)
    assert not talk.line.playout.write(1, 1, SPEECH)
    await asyncio.sleep(0.06)
    so_far = len(talk.far.heard())
    await until(lambda: len(talk.far.heard()) > so_far + 16_000, "silence goes on")
    assert talk.audible(so_far + 3_200) == 0
    heard = talk.audible()
    assert abs(talk.line.playout.sent_samples(1, 0) - heard) < 2_400, "what counts as said is what was heard"
    assert talk.ears.played == []
    talk.say(2, SPEECH)
    await until(lambda: talk.ears.played == [(2, 0)])


async def test_pause_loses_no_sample(talk: Talk) -> None:
    talk.say(1, SPEECH)
    await until(lambda: talk.audible() > 3_200)
    talk.line.playout.pause()
    await asyncio.sleep(0.3)
    paused_at = talk.line.playout.buffered_samples
    assert 0 < paused_at < 16_000
    await asyncio.sleep(0.1)
    assert talk.line.playout.buffered_samples == paused_at
    talk.line.playout.resume()
    await until(lambda: talk.ears.played == [(1, 0)])
    assert talk.line.playout.sent_samples(1, 0) == 16_000


async def test_digits_in_order(talk: Talk) -> None:
    await talk.far.press("19*#")
    await until(lambda: talk.ears.digits == "19*#")


async def test_the_tap_has_both_sides_of_every_tick(talk: Talk) -> None:
    talk.say(1, SPEECH)
    await talk.far.say(SPEECH)
    await until(lambda: len(talk.ears.pcm) > len(SPEECH) and talk.ears.played)
    assert {(len(left), len(right)) for left, right in talk.tap.ticks} == {(640, 640)}
    assert best_match(b"".join(right for _, right in talk.tap.ticks), SPEECH)[0] > 0.99
    assert best_match(b"".join(left for left, _ in talk.tap.ticks), SPEECH[3_200:-6_400])[0] > 0.5


async def test_the_far_end_hangs_up(talk: Talk) -> None:
    await talk.far.hang_up()
    await until(lambda: talk.ears.ended)
    assert talk.ears.ended == ["the far end hung up"]
    frames = len(talk.ears.frames)
    await talk.line.hang_up("late")
    await asyncio.sleep(0.05)
    assert talk.ears.ended == ["the far end hung up"], "told once"
    assert len(talk.ears.frames) == frames, "and last"
    again = Listener()
    talk.line.start(again)
    await until(lambda: again.ended == ["the far end hung up"])


async def test_we_hang_up_and_again(talk: Talk) -> None:
    await talk.line.hang_up("enough")
    await talk.line.hang_up("again")
    assert talk.ears.ended == ["enough"]
    await until(lambda: talk.far.over)
    assert talk.line.call_id.isalnum()
    assert talk.line.caller.uri

"""A line on the event loop's clock: a scripted caller in, a real playout queue out, everything recorded."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from her_os.contracts.audio import FRAME_SAMPLES, InboundFrame
from her_os.contracts.call_line import CallerInfo, FrameTap, LineListener, LineStatistics
from her_os.telephony.rtp.playout import PlayoutQueue

SILENCE, NOISE, SPEECH = 0, 4000, 8000
"""Levels that the fake detectors know: noise trips the gate alone, speech both."""


def frame_of(level: int) -> bytes:
    """20 ms of one level."""
    return struct.pack("<h", level) * FRAME_SAMPLES


class ScriptedLine:
    """Implements CallLine. `caller(t)` gives the level of the caller's frame at `t` seconds since the start."""

    def __init__(self, caller: Callable[[float], int] = lambda _: SILENCE, call_id: str = "call") -> None:
        self.call_id, self.caller = call_id, CallerInfo("sip:test@127.0.0.1")
        self.playout = PlayoutQueue()
        self.sent: list[tuple[float, bytes]] = []
        self.reason = ""
        self._script = caller
        self._listener: LineListener | None = None
        self._pump: asyncio.Task[None] | None = None

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        self._listener = listener
        self._pump = asyncio.create_task(self._run(listener), name="line")

    async def _run(self, listener: LineListener) -> None:
        loop = asyncio.get_running_loop()
        started, index = loop.time(), 0
        while True:
            now = loop.time() - started
            frame = InboundFrame(frame_of(self._script(now)), loop.time(), index * FRAME_SAMPLES)
            listener.on_arrival(frame)
            listener.on_frame(frame)
            pcm, played = self.playout.next_frame(loop.time())
            self.sent.append((now, pcm))
            for turn, chunk in played:
                listener.on_chunk_played(turn, chunk)
            index += 1
            await asyncio.sleep(max(0.0, started + index * 0.02 - loop.time()))

    def audible(self, since: float = 0.0, until: float = 1e9) -> list[float]:
        """Times at which a packet with sound was sent."""
        return [at for at, pcm in self.sent if since <= at < until and pcm.strip(b"\0")]

    async def send_dtmf(self, digits: str) -> None:
        return None

    async def hang_up(self, reason: str = "") -> None:
        self.reason = self.reason or reason or "hung up"
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            await asyncio.wait({self._pump})
            assert self._listener is not None
            self._listener.on_ended(self.reason)

    def statistics(self) -> LineStatistics:
        return LineStatistics()

"""One call over the line WebSocket, behind the CallLine contract. The media thread paces; the event loop writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.call_line import CallerInfo, LineStatistics
from her_os.contracts.errors import ProtocolError
from her_os.contracts.line_socket import Dtmf, FarMessage, Flush, Hangup, LineReady, Mark, OurMessage, StartLine
from her_os.contracts.line_socket import Played as PlayedReport
from her_os.telephony.line_socket.playout import ReportedPlayout
from her_os.telephony.rtp.dtmf import DIGITS, event_codes
from her_os.telephony.stream.line import StreamLine
from her_os.telephony.stream.media import Played

Outgoing = bytes | OurMessage
Send = Callable[[Outgoing], Awaitable[None]]
_MOST_WAITING = 50
"""Frames of 20 ms that may wait for a slow socket; then the far end has lost its line."""

_REPORT_EVERY = 10
"""Ticks between the marks that ask how far the far end is."""

_MARK_PATIENCE_S = 2.0
FLUSH = "flush"


class SocketLine(StreamLine):
    """Implements CallLine. `send` writes one frame or message; `write` is the task that calls it, until the end."""

    def __init__(self, start: StartLine, send: Send) -> None:
        caller = CallerInfo(f"{start.kind}:{start.caller or 'unnamed'}", start.caller, kind=start.kind)
        self._rate, self._send = start.sample_rate, send
        self._reported = ReportedPlayout(self._flushed)
        super().__init__(caller, self._tick, codec=f"PCM{start.sample_rate}", playout=self._reported)
        self._down = StreamResampler(CONVERSATION_RATE, start.sample_rate)
        self._up = StreamResampler(start.sample_rate, CONVERSATION_RATE)
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._marks: dict[str, tuple[int, int]] = {}
        self._ticks = 0

    # --- CallLine -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """The call is taken. The far end is told so by `start`: what it said before would be lost."""

    async def send_dtmf(self, digits: str) -> None:
        """See CallLine."""
        event_codes(digits)
        self._put(Dtmf(digits.upper()))

    def statistics(self) -> LineStatistics:
        """See CallLine."""
        return self._media.statistics(frames_waiting=float(self._outgoing.qsize()))

    # --- the socket's side --------------------------------------------------------------------

    async def write(self) -> None:
        """Send what is due, in order, until the call is over and the far end has been told so."""
        while True:
            item = await self._outgoing.get()
            await self._send(item)
            if isinstance(item, Hangup):
                return

    def sound(self, pcm: bytes) -> None:
        """A binary frame of the far end. Raises ProtocolError for half a sample."""
        if len(pcm) % 2:
            raise ProtocolError("a frame must hold whole int16 samples")
        self._media.received(pcm if self._rate == CONVERSATION_RATE else self._up.process(pcm), time.monotonic())

    def message(self, message: FarMessage) -> None:
        """A control message of the far end."""
        match message:
            case Hangup():
                self._end("the far end hung up")
            case Dtmf():
                for digit in message.digits[:32].upper():
                    if digit in DIGITS and self._listener is not None and self.ended_reason is None:
                        self._listener.on_dtmf(digit)
            case PlayedReport():
                samples = max(0, message.samples) * CONVERSATION_RATE // self._rate
                self._reported.reported(samples, time.monotonic(), flush=message.name == FLUSH)
                self._chunk_played(message.name)

    def gone(self) -> None:
        """The socket has closed."""
        self._end("the far end hung up")

    # --- inside -------------------------------------------------------------------------------

    def _tick(self, pcm: bytes, played: Played) -> None:
        """20 ms, on the media thread."""
        self._ticks += 1
        frame = pcm if self._rate == CONVERSATION_RATE else self._down.process(pcm)
        ask = bool(self._reported.last_turn is not None and self._ticks % _REPORT_EVERY == 0)
        try:
            self._loop.call_soon_threadsafe(self._queue, frame, played, ask)
        except RuntimeError:
            return  # the loop is closing down, and with it the call

    def _queue(self, frame: bytes, played: Played, ask: bool) -> None:
        if self._outgoing.qsize() > _MOST_WAITING:
            self._end("the far end takes no more sound")
            return
        self._put(frame)
        for chunk in played:
            name = f"{chunk[0]}.{chunk[1]}"
            self._marks[name] = chunk
            self._put(Mark(name))
            self._loop.call_later(_MARK_PATIENCE_S, self._chunk_played, name)
        if ask and not played:
            self._put(Mark("position"))

    def _chunk_played(self, name: str) -> None:
        """The far end says so, or has kept silent about it for too long."""
        chunk = self._marks.pop(name, None)
        if chunk is not None:
            self._reported.played_to_the_end(chunk)
            self._media.chunk_played([chunk])

    def _flushed(self) -> None:
        """From whatever thread flushes."""
        try:
            self._loop.call_soon_threadsafe(self._put, Flush())
        except RuntimeError:
            return

    def _put(self, item: Outgoing) -> None:
        if self.ended_reason is None:
            self._outgoing.put_nowait(item)

    def _started(self) -> None:
        self._put(LineReady(self.call_id, self._rate))

    def _ending(self, reason: str) -> None:
        self._put(Hangup(reason))

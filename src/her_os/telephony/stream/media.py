"""Media of one call over an ordered stream: what comes is put on our clock, what goes is paced by it.

The far end of such a stream does not pace for us (Asterisk's AudioSocket plays what it gets), so a thread of our own
sends 20 ms every 20 ms, with absolute deadlines. What arrives in clumps goes through the jitter buffer of every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from her_os.audio.jitter_buffer import JitterBuffer
from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, InboundFrame
from her_os.contracts.call_line import FrameTap, LineListener, LineStatistics
from her_os.telephony.rtp.arrival_framer import ArrivalFramer
from her_os.telephony.rtp.playout import SILENCE, PlayoutQueue
from her_os.telephony.rtp.sockets import favour_this_thread
from her_os.telephony.rtp.tick_clock import TickClock

log = logging.getLogger(__name__)
Played = list[tuple[int, int]]
Send = Callable[[bytes, Played], None]


class StreamMedia:
    """One call's media. `send(pcm, played)` takes 20 ms of 16 kHz and the chunks that end with them, on our thread.

    `received` may be called from any one thread. What `send` tells of chunks is told to the listener by `chunk_played`.
    """

    def __init__(self, call_id: str, send: Send, *, codec: str, playout: PlayoutQueue | None = None) -> None:
        self.playout = playout or PlayoutQueue()
        self.codec = codec
        self._call_id, self._send = call_id, send
        self._jitter = JitterBuffer(clock_rate=CONVERSATION_RATE)
        self._framer = ArrivalFramer()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stream-{call_id}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: LineListener | None = None
        self._tap: FrameTap | None = None
        self._position = 0
        self._faults = 0
        self._deaf = False
        self.clock = TickClock(0.0)
        self.sent = self.received_blocks = 0

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """Begin to send and to deliver, from the running event loop. Once."""
        self._loop, self._listener, self._tap = asyncio.get_running_loop(), listener, tap
        self._thread.start()

    def tell_no_more(self) -> None:
        """Deliver nothing to the listener from now on. `stop` follows."""
        self._deaf = True

    def stop(self) -> None:
        """End the thread, within a tick. Idempotent; not from the thread itself."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def received(self, pcm: bytes, now: float) -> None:
        """16 kHz PCM of any length, as it came. What comes before `start` is not kept."""
        listener = self._listener
        if listener is None or not pcm or self._stopping.is_set():
            return
        samples = len(pcm) // 2
        with self._lock:
            timestamp = self._position & 0xFFFF_FFFF
            index = self._jitter.put(1, timestamp, pcm, now)
            self._position += samples
            self.received_blocks += 1
        if index is None:
            return
        for frame in self._framer.push(timestamp, samples, pcm, index, now):
            listener.on_arrival(frame)

    def tell(self, what: Callable[[LineListener], None]) -> None:
        """From any thread: call `what` with the listener on the event loop, unless the media has stopped."""

        def deliver() -> None:
            if not self._deaf and not self._stopping.is_set() and self._listener is not None:
                what(self._listener)

        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing down, and with it the call
                self._loop.call_soon_threadsafe(deliver)

    def chunk_played(self, chunks: Played) -> None:
        """The last samples of these chunks are with the caller. From any thread."""
        if chunks:

            def tell(listener: LineListener) -> None:
                for turn, chunk in chunks:
                    listener.on_chunk_played(turn, chunk)

            self.tell(tell)

    def statistics(self, **extra: float) -> LineStatistics:
        """See CallLine; packets are blocks of sound here."""
        with self._lock:
            counters = self._jitter.counters
            return LineStatistics(
                packets_sent=self.sent,
                packets_received=self.received_blocks,
                codec=self.codec,
                extra={
                    "tick_late_p99_ms": self.clock.lateness_ms(0.99),
                    "tick_late_max_ms": self.clock.max_late_ms,
                    "ticks_skipped": self.clock.skipped,
                    "frames_concealed": counters.concealed,
                    "frames_overflowed": counters.overflowed,
                    "jitter_buffer_ms": self._jitter.depth_ms,
                    **extra,
                },
            )

    def _run(self) -> None:
        favour_this_thread()
        self.clock = TickClock(time.monotonic())
        while not self._stopping.wait(max(0.0, self.clock.due - time.monotonic())):
            now = time.monotonic()
            self.clock.tick(now)
            try:
                self._tick(now)
            except Exception:  # noqa: BLE001 - the line goes on, in silence if need be
                self._complain()

    def _tick(self, now: float) -> None:
        pcm, played = self.playout.next_frame(now)
        self._send(pcm, played)
        self.sent += 1
        with self._lock:
            frame = self._jitter.pull(now)
        if self._tap is not None:
            self._tap.on_tick(frame.pcm if frame else SILENCE, pcm)
        if frame is not None:
            self._deliver(frame)

    def _deliver(self, frame: InboundFrame) -> None:
        assert len(frame.pcm) == FRAME_BYTES
        self.tell(lambda listener: listener.on_frame(frame))

    def _complain(self) -> None:
        """A fault that returns fifty times a second is told three times."""
        self._faults += 1
        if self._faults <= 3:
            log.exception("call %s: a tick failed", self._call_id)

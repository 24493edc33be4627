"""A playout whose far end keeps a little sound waiting and reports what was really played."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_SAMPLES
from her_os.telephony.rtp.playout import PlayoutQueue


class ReportedPlayout(PlayoutQueue):
    """`sent_samples` is what came out of the far end's loudspeaker as far as we know, not what we handed over.

    `on_flush` is called, from the thread that flushes, after the audio is gone here. A far end that never reports is
    taken to play at once.
    """

    def __init__(self, on_flush: Callable[[], None]) -> None:
        super().__init__()
        self._on_flush = on_flush
        self._report_lock = threading.Lock()
        self._total = 0
        self._reported: tuple[int, float] | None = None
        self._flushed: tuple[int, int] | None = None
        self._lost: dict[int, int] = {}
        self._done: set[tuple[int, int]] = set()

    def next_frame(self, now: float) -> tuple[bytes, list[tuple[int, int]]]:
        """See PlayoutQueue."""
        frame = super().next_frame(now)
        with self._report_lock:
            self._total += FRAME_SAMPLES
        return frame

    def flush(self, turn: int) -> int:
        """See Playout. What waits at the far end is thrown away too, and no longer counts as sent."""
        discarded = super().flush(turn)
        with self._report_lock:
            waiting = self._waiting(time.monotonic())
            self._flushed = (turn, self._total)
            self._lost[turn] = waiting
        self._on_flush()
        return discarded

    def reported(self, samples: int, now: float, *, flush: bool = False) -> None:
        """The far end has played so many of all samples we sent (at 16 kHz)."""
        with self._report_lock:
            samples = min(samples, self._total)
            self._reported = (samples, now)
            if flush and self._flushed is not None:
                turn, total = self._flushed
                self._lost[turn] = max(0, total - samples)
                self._reported = (total, now)

    def played_to_the_end(self, chunk: tuple[int, int]) -> None:
        """The far end has played this chunk's last sample."""
        with self._report_lock:
            self._done.add(chunk)

    def sent_samples(self, turn: int, chunk: int) -> int:
        """See Playout."""
        sent = super().sent_samples(turn, chunk)
        with self._report_lock:
            if (turn, chunk) in self._done:
                return sent
            flushed = [lost for at, lost in self._lost.items() if at >= turn]
            return max(0, sent - (flushed[0] if flushed else self._waiting(time.monotonic())))

    @property
    def total_samples(self) -> int:
        """Samples handed over since the start, silence included."""
        with self._report_lock:
            return self._total

    def _waiting(self, now: float) -> int:
        """Samples that the far end has and has not played, from its last report and the time since."""
        if self._reported is None:
            return 0
        samples, at = self._reported
        return max(0, self._total - samples - int((now - at) * CONVERSATION_RATE))

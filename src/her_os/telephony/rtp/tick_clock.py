"""The sender's 20 ms clock: absolute deadlines, and how late each was met. Pure: time is an argument."""

from __future__ import annotations

TICK_S = 0.020
RESYNC_S = 0.200
"""Later than this the missed ticks are skipped; up to it they are caught up, so nothing drifts."""

LATE_S = 0.010
_BUCKETS = 1_000


class TickClock:
    """Deadlines at start + n * 20 ms. Lateness is kept as a histogram of whole ms, so a long call costs no memory."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._count = 0
        self._histogram = [0] * _BUCKETS
        self.late = 0
        """Ticks more than 10 ms late."""
        self.skipped = 0
        self.max_late_ms = 0.0

    @property
    def due(self) -> float:
        """When the next tick is due."""
        return self._start + (self._count + 1) * TICK_S

    def tick(self, now: float) -> int:
        """The next tick happens at `now`. Returns how many ticks were left out before it, 0 almost always."""
        lateness = now - self.due
        skipped = 0
        if lateness > RESYNC_S:
            skipped = int(lateness / TICK_S)
            self._count += skipped
            self.skipped += skipped
        self._count += 1
        late_ms = max(0.0, lateness * 1000)
        self.late += lateness > LATE_S
        self.max_late_ms = max(self.max_late_ms, late_ms)
        self._histogram[min(_BUCKETS - 1, int(late_ms))] += 1
        return skipped

    def lateness_ms(self, share: float) -> float:
        """The lateness that `share` (0 to 1) of the ticks did not exceed, rounded up to a whole ms."""
        wanted = share * sum(self._histogram)
        seen = 0
        for late_ms, count in enumerate(self._histogram):
            seen += count
            if seen >= wanted:
                return 0.0 if seen == 0 else late_ms + 1.0
        return self.max_late_ms

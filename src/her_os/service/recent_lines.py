"""The last lines of each unit, kept in memory for `her-os logs`."""

from __future__ import annotations

from collections import defaultdict, deque

_KEPT = 1000


class RecentLines:
    """Bounded: the oldest lines are forgotten. Event loop only."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def add(self, unit: str, line: str) -> None:
        """Keep a line."""
        self._lines[unit].append(line)

    async def tail(self, name: str, lines: int) -> list[str]:
        """The last `lines` lines of a unit."""
        return list(self._lines[name])[-lines:] if lines > 0 else []

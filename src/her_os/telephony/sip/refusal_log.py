"""One line per source and ten seconds about what was refused, with a count: a scanner must not fill the journal."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)
_QUIET_S = 10.0
_MAX_SOURCES = 1000


class RefusalLog:
    """Tells of refused requests. `counts` has every one of them, by kind, since the start. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}

    def tell(self, kind: str, method: str, host: str, why: str) -> None:
        """Count a refusal of that kind, and log it unless this host has been told of just now."""
        self.counts[kind] += 1
        now = self._clock()
        since, skipped = self._told.get(host, (now - _QUIET_S, 0))
        if now - since < _QUIET_S:
            self._told[host] = (since, skipped + 1)
            return
        if len(self._told) >= _MAX_SOURCES:
            self._told.clear()
        self._told[host] = (now, 0)
        more = f" (and {skipped} more since)" if skipped else ""
        log.warning("refused %s from %s: %s%s", method, host, why, more)

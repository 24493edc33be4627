"""How much one source may ask of us: requests a minute, and calls at once. Pure: the clock is an argument."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from her_os.telephony.sip.responses import Refusal

_BURST_S = 10.0
"""What a source may ask for at once: its share of so many seconds, but never less than a few requests."""

_LEAST_BURST = 6.0
_MAX_SOURCES = 2000


class RateLimit:
    """A token bucket for each source address; `per_minute` 0 is no limit. The sources remembered are bounded."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = max(_LEAST_BURST, self._rate * _BURST_S)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, host: str) -> Refusal | None:
        """Count a request of `host`; a 503 that says when to come back once it asks too often."""
        if not self._rate:
            return None
        now = self._clock()
        tokens, since = self._buckets.pop(host, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[host] = (tokens - 1 if allowed else tokens, now)
        while len(self._buckets) > _MAX_SOURCES:
            self._buckets.popitem(last=False)
        if allowed:
            return None
        wait_s = max(1, math.ceil((1 - tokens) / self._rate))
        return Refusal(503, "too many requests from your address", (("Retry-After", str(wait_s)),))


class CallLimit:
    """How many calls a source may have at once; 0 is no limit of its own."""

    def __init__(self, per_source: int) -> None:
        self._per_source = per_source
        self._calls: dict[str, int] = {}

    def check(self, host: str) -> Refusal | None:
        """A 486 for a source that has all the calls it may have."""
        if not self._per_source or self._calls.get(host, 0) < self._per_source:
            return None
        return Refusal(486, "your phone has a call with us already", (("Retry-After", "30"),))

    def began(self, host: str) -> None:
        """A call of this source rings."""
        self._calls[host] = self._calls.get(host, 0) + 1

    def ended(self, host: str) -> None:
        """And is over."""
        left = self._calls.get(host, 0) - 1
        if left > 0:
            self._calls[host] = left
        else:
            self._calls.pop(host, None)

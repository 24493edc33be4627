"""The barge-in cancel chain: the caller speaks, everything stops, each leg timed and reported.

Order: the turn's epoch is advanced (so nothing new can start), the playout is flushed (so nothing more is
heard), then all legs fire in parallel. Re-entrancy is an asyncio.Lock; running it twice for a turn is one run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from her_os.contracts.call_journal import CancelTrace, LegTiming
from her_os.contracts.call_line import Playout
from her_os.conversation.turn import TurnEpoch

log = logging.getLogger(__name__)

Leg = Callable[[int], Awaitable[str]]
"""Stops one part of turn `turn`; returns a detail for the trace; raises when it could not."""


class CancelChain:
    """Stops a turn everywhere. `clock` gives seconds, monotonic.

    A leg that takes longer than `budget_s` is given up and reported: a daemon that hangs must not deafen the call.
    """

    def __init__(
        self,
        playout: Playout,
        epoch: TurnEpoch,
        legs: Mapping[str, Leg],
        clock: Callable[[], float] = time.monotonic,
        *,
        budget_s: float = 1.0,
    ) -> None:
        self._playout, self._epoch, self._legs, self._clock = playout, epoch, dict(legs), clock
        self._budget_s = budget_s
        self._lock = asyncio.Lock()
        self._last: CancelTrace | None = None

    async def run(self, turn: int, reason: str) -> CancelTrace:
        """Cancel `turn`. A second call for the same turn waits for the first and returns its trace.

        A failed leg does not stop the others; it is reported in the trace. When the chain itself is cancelled from
        outside, gather gives the legs up and CancelledError goes on to the caller.
        """
        async with self._lock:
            if self._last is not None and self._last.turn >= turn:
                return self._last
            started = self._clock()
            if self._epoch.is_current(turn):
                self._epoch.advance()
            flushed = self._playout.flush(turn)
            legs = await asyncio.gather(
                *(self._timed(name, leg, turn) for name, leg in self._legs.items()), return_exceptions=True
            )
            timings: list[LegTiming] = []
            for name, result in zip(self._legs, legs, strict=True):
                if isinstance(result, LegTiming):
                    timings.append(result)
                else:  # a leg ended in CancelledError although nobody cancelled the chain
                    timings.append(LegTiming(name, (self._clock() - started) * 1000, ok=False, detail=repr(result)))
            self._last = CancelTrace(turn, reason, flushed, (self._clock() - started) * 1000, tuple(timings))
            self._report(self._last)
            return self._last

    async def _timed(self, name: str, leg: Leg, turn: int) -> LegTiming:
        started = self._clock()
        try:
            async with asyncio.timeout(self._budget_s):
                detail = await leg(turn)
        except TimeoutError:
            over = f"not done within {self._budget_s:g} s"
            return LegTiming(name, (self._clock() - started) * 1000, ok=False, detail=over)
        except Exception as error:  # noqa: BLE001 - any failure of a leg is a result, told in the trace
            return LegTiming(
                name, (self._clock() - started) * 1000, ok=False, detail=f"{type(error).__name__}: {error}"
            )
        return LegTiming(name, (self._clock() - started) * 1000, ok=True, detail=detail)

    @staticmethod
    def _report(trace: CancelTrace) -> None:
        legs = " ".join(f"{leg.name}={leg.milliseconds:.0f}ms{'' if leg.ok else '!'}" for leg in trace.legs)
        log.info("turn %d cancelled (%s) in %.0f ms: %s", trace.turn, trace.reason, trace.total_ms, legs)
        for leg in trace.legs:
            if not leg.ok:
                log.warning("cancel leg %s of turn %d failed: %s", leg.name, trace.turn, leg.detail)

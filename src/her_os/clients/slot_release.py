"""How long a cancelled stream keeps its slot: measured for each cancel, without delaying it.

A stream is cancelled by closing only our sending half. llama-server takes that for a closed client (its HTTP
library peeks at the socket: end of file means gone), so nothing is lost against a full close, and we gain to see
the moment when the server hangs up: from then on the release is under way and cannot be delayed any more. Only
after that `/slots` is read, a few times at most, for the slot is freed up to one batch later. (Reading it *before*
would restart the one-second timer by which a silent server looks for closed clients.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from her_os.clients.http_exchange import HttpExchange
from her_os.contracts.errors import LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import ReleaseObserver

log = logging.getLogger(__name__)

_FIRST_LOOK_S, _LONGEST_PAUSE_S = 0.002, 0.064
_LATE_LOOKS = 20
_SERVER_TIMER_S = 1.1
"""A little more than the time after which a silent llama-server looks for closed clients."""
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)


class ReleaseMetrics:
    """Release times and late releases, for Prometheus."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.seconds = Histogram(
            "her_os_llm_slot_release_seconds",
            "From the cancel of a stream to its slot being free",
            buckets=BUCKETS,
            registry=registry,
        )
        self.late = Counter(
            "her_os_llm_slot_release_late", "Slots still busy past the release budget", registry=registry
        )


@dataclass(frozen=True, eq=False)
class _Cancelled:
    slot: int
    at: float
    exchange: HttpExchange
    taken_again: asyncio.Event
    """Set when a newer reply has begun in the slot: so it was free."""


class SlotReleaseWatch:
    """Watches the slots of cancelled streams in tasks of its own. Event loop only; end it with `close`.

    `read_busy(slot)` is one look at `/slots`: whether the slot (or, for -1, any slot) is busy.
    """

    def __init__(
        self,
        read_busy: Callable[[int], Awaitable[bool]],
        *,
        budget_s: float,
        metrics: ReleaseMetrics,
        observer: ReleaseObserver | None = None,
    ) -> None:
        self._read_busy, self._budget_s = read_busy, budget_s
        self._metrics, self._observer = metrics, observer
        self.looks_every_s = max(budget_s, _SERVER_TIMER_S)
        """Pause between the looks at a slot that is late."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: set[_Cancelled] = set()
        self._overdue: set[int] = set()

    def is_overdue(self, slot: int) -> bool:
        """Whether the slot stayed busy past the budget and has not been seen free since."""
        return slot in self._overdue

    def watch(self, slot: int, exchange: HttpExchange) -> None:
        """The stream was cancelled just now: close its sending half at once, then watch. Never blocks."""
        exchange.half_close()
        cancelled = _Cancelled(slot, time.monotonic(), exchange, asyncio.Event())
        task = asyncio.create_task(self._watch(cancelled), name=f"slot {slot} release")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: exchange.close())  # also where it is cancelled before it has begun

    def taken(self, slot: int) -> None:
        """A new reply has begun in the slot, so it was free."""
        self._overdue.discard(slot)
        for cancelled in self._watched:
            if cancelled.slot == slot:
                cancelled.taken_again.set()

    async def settled(self) -> None:
        """Wait until every cancel so far is accounted for."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Stop watching. Idempotent."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self, cancelled: _Cancelled) -> None:
        self._watched.add(cancelled)
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + self._budget_s):
                await cancelled.exchange.wait_hung_up()
                await self._until_free(cancelled)
        except TimeoutError:
            await self._late(cancelled)
        except (SidecarUnavailable, LanguageModelError) as error:
            log.warning("slot %d: its release could not be verified: %s", cancelled.slot, error)
        else:
            seconds = time.monotonic() - cancelled.at
            log.debug("slot %d was free %.1f ms after its cancel", cancelled.slot, seconds * 1000)
            self._metrics.seconds.observe(seconds)
            self._tell(cancelled.slot, seconds)
        finally:
            self._watched.discard(cancelled)
            cancelled.exchange.close()

    async def _until_free(self, cancelled: _Cancelled) -> None:
        pause = _FIRST_LOOK_S
        while not cancelled.taken_again.is_set() and await self._read_busy(cancelled.slot):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _late(self, cancelled: _Cancelled) -> None:
        """Past the budget: hang up for good, count it, and keep new replies off the slot until it is free."""
        slot = cancelled.slot
        cancelled.exchange.close()
        self._metrics.late.inc()
        self._overdue.add(slot)
        log.warning("slot %d is still busy %.0f ms after its cancel; new replies avoid it", slot, self._budget_s * 1000)
        self._tell(slot, None)
        try:
            await asyncio.sleep(self.looks_every_s)
            looks = 1
            while not cancelled.taken_again.is_set() and await self._read_busy(slot):
                if looks == _LATE_LOOKS:
                    log.error("slot %d does not become free; the language model server should be restarted", slot)
                await asyncio.sleep(self.looks_every_s)
                looks += 1
            seconds = time.monotonic() - cancelled.at
            self._metrics.seconds.observe(seconds)
            self._overdue.discard(slot)
            log.warning("slot %d was free at last within %.1f s of its cancel", slot, seconds)
        except (SidecarUnavailable, LanguageModelError) as error:
            self._overdue.discard(slot)  # a server that is gone takes its slots along
            log.warning("slot %d: its release could not be verified: %s", slot, error)

    def _tell(self, slot: int, seconds: float | None) -> None:
        if self._observer is not None:
            self._observer.on_slot_released(slot, seconds)

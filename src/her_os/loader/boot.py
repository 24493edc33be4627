"""What belongs to a boot besides its services: the check before it, its timeline, memory, history, greeting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from her_os.contracts.loader_status import BootMetrics
from her_os.loader.boot_history import P95_BOOTS, BootHistory, BootRecord
from her_os.loader.boot_timeline import BootTimeline, draw_waterfall
from her_os.loader.greeting import Greeter
from her_os.loader.managed_service import ManagedService
from her_os.loader.once_per_boot import OncePerBoot
from her_os.loader.vram_monitor import VramMonitor

log = logging.getLogger(__name__)
NeededMemory = Callable[[str], float | None]
"""Graphics memory, in MiB, that a service is expected to take; None where nobody knows."""


class Boot:
    """Accompanies a boot from before its first service until after its last. Event loop only."""

    def __init__(
        self,
        *,
        precheck: Callable[[], Awaitable[None]],
        aftercheck: Callable[[], Awaitable[None]],
        vram: VramMonitor,
        history: BootHistory,
        greeter: Greeter,
        once: OncePerBoot,
        needed_mb: NeededMemory = lambda _service: None,
    ) -> None:
        self._precheck, self._aftercheck = precheck, aftercheck
        self.vram, self.greeter, self.timeline = vram, greeter, BootTimeline()
        self._history, self._once, self._needed_mb = history, once, needed_mb
        self._total_ms: float | None = None
        self._began_s = 0.0
        self._before_mb = 0.0
        self._vram_mb: dict[str, float] = {}

    @property
    def completed(self) -> bool:
        """Whether this boot has reached SYSTEM_READY."""
        return self._total_ms is not None

    async def begin(self, _services: Sequence[ManagedService]) -> None:
        """Check what may be in the way. Raises what the check refuses."""
        self._total_ms = None
        self._began_s = _now()
        self.timeline.begin(self._began_s)
        await self._precheck()
        if (await self.vram.snapshot("before the start")).gpu is None:
            log.info("VRAM: there is no GPU")

    async def before(self, service: ManagedService) -> None:
        """Before a service is started: will it fit?"""
        needed = self._history.vram_mb(service.name) or self._needed_mb(service.name)
        self.vram.warn_if_too_large(service.name, needed)
        latest = self.vram.latest
        self._before_mb = latest.gpu.used_mb if latest and latest.gpu else 0.0

    async def after(self, service: ManagedService) -> None:
        """After a service is ready: what did it take?"""
        snapshot = await self.vram.snapshot(f"{service.name} ready")
        if snapshot.gpu is not None:
            taken = snapshot.by_service.get(service.name, snapshot.gpu.used_mb - self._before_mb)
            self._vram_mb[service.name] = round(max(0.0, taken), 1)

    async def complete(self, services: Sequence[ManagedService]) -> None:
        """The system is ready: how long did it take, and how long does it usually?"""
        self._total_ms = self.timeline.finish()
        if self._once.claim("boot-history"):
            times = {s.name: s.time_to_ready_s for s in services if s.time_to_ready_s is not None}
            late = _too_late(services)
            record = BootRecord(total_boot_s=self._total_ms / 1000, ready_s={**times, **late}, vram_mb=self._vram_mb)
            await asyncio.to_thread(self._history.add, record)
        p95_s = self._history.total_p95_s()
        usual = "" if p95_s is None else f" (p95 last {P95_BOOTS}: {p95_s:.1f}s)"
        log.info("SYSTEM_READY: total_boot=%.1fs%s", self._total_ms / 1000, usual)
        for line in draw_waterfall(self.timeline.stages):
            log.info("%s", line)
        await self.vram.snapshot("SYSTEM_READY")

    async def celebrate(self) -> None:
        """Greet, then watch the graphics memory until cancelled."""
        await self.greeter.greet(first=self._once.claim("greeting"))
        await self.vram.watch()

    async def end(self, services: Sequence[ManagedService]) -> None:
        """After the last service has stopped: is everything left as it was?

        A boot that failed because a service needed longer is remembered, too, so that it is given longer next time.
        """
        if not self.completed and (late := _too_late(services)):
            await asyncio.to_thread(self._history.add, BootRecord(ready_s=late))
        await self._aftercheck()
        await self.vram.snapshot("after the stop")

    def metrics(self) -> BootMetrics:
        """The figures of the latest boot."""
        p95_s, first = self._history.total_p95_s(), self.vram.first_context_s
        return BootMetrics(
            total_boot_ms=self._total_ms,
            total_boot_p95_ms=None if p95_s is None else round(p95_s * 1000, 1),
            boots_in_history=len(self._history.boots),
            first_cuda_context_ms=None if first is None else round((first - self._began_s) * 1000, 1),
            greeting_speak_ms=self.greeter.speak_ms,
            kwd_resume_after_ms=self.greeter.resume_after_ms,
            greetings=self.greeter.greetings,
            greetings_heard=self.greeter.heard,
        )


def _too_late(services: Sequence[ManagedService]) -> dict[str, float]:
    """The timeouts of those that were not ready in time: they take at least so long."""
    return {s.name: s.ready_timeout_s for s in services if s.timed_out and s.ready_timeout_s is not None}


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The family as one: everything started in order, watched, and stopped in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from her_os.contracts.errors import HerOsError
from her_os.contracts.service_state import ServiceState
from her_os.loader.start_plan import START_ORDER, STOP_ORDER
from her_os.loader.supervised_service import SupervisedService

log = logging.getLogger(__name__)


class StartFailed(HerOsError):
    """A service could not be brought up, so the family is not complete."""

    code = "start_failed"


class Misconfigured(StartFailed):
    """A service said that its configuration is wrong. Its own line names the place."""

    code = "misconfigured"


@dataclass(frozen=True)
class ServiceStatus:
    """One service as `status` shows it."""

    name: str
    state: ServiceState
    pid: int | None
    restarts: int
    time_to_ready_s: float | None
    last_failure: str


class LoaderService:
    """Starts, watches and stops the services it is given."""

    def __init__(
        self,
        services: Iterable[SupervisedService],
        start_order: Sequence[str] = START_ORDER,
        stop_order: Sequence[str] = STOP_ORDER,
    ) -> None:
        self._services = {service.name: service for service in services}
        self._start_order = [name for name in start_order if name in self._services]
        self._stop_order = [name for name in stop_order if name in self._services]
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start_all(self) -> None:
        """Start the services one by one, each after the one before is ready. Raises StartFailed, Misconfigured."""
        for name in self._start_order:
            service = self._services[name]
            log.info("starting %s", name)
            self._tasks[name] = task = service.start()
            if await service.settled() is not ServiceState.READY:
                if task.done():
                    task.result()
                if service.misconfigured:
                    raise Misconfigured(f"{name} has a mistake in its configuration: mend what its line above names")
                raise StartFailed(f"{name} {service.last_failure}; see its lines above")

    async def watch(self) -> None:
        """Return when the last service has failed for good. One that fails alone leaves the others running."""
        running = dict(self._tasks)
        while running:
            await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)
            for name, task in list(running.items()):
                if task.done():
                    del running[name]
                    task.result()
                    log.error("DEGRADED: %s is down for good; still up: %s", name, ", ".join(running) or "nothing")

    async def stop_all(self) -> None:
        """Stop the services in order, those that never started included."""
        for name in self._stop_order:
            await self._services[name].stop()

    def kill_all(self) -> None:
        """End every process at once; a `stop_all` under way then finishes."""
        for service in self._services.values():
            service.kill()

    def status(self) -> list[ServiceStatus]:
        """The services in start order."""
        return [
            ServiceStatus(s.name, s.state, s.pid, s.restarts, s.time_to_ready_s, s.last_failure)
            for s in (self._services[name] for name in self._start_order)
        ]

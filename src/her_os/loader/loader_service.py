"""The family as one: everything started in order, watched, and stopped in order.

The states and their arrows are `LOADER_ARROWS`. The same machine runs in both modes: where it spawns, its services
are `SupervisedService`s; under systemd they are observed, and start and stop are the units' own affair.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Literal

from her_os.contracts.errors import HerOsError, NotReadyError
from her_os.contracts.loader_status import ServiceStatus, SystemStatus, VramSnapshot
from her_os.contracts.service_state import LoaderState, ServiceState, check_loader_transition
from her_os.loader.boot import Boot
from her_os.loader.managed_service import ManagedService
from her_os.loader.start_plan import StartPlan

log = logging.getLogger(__name__)
_UP = {LoaderState.RUNNING_ALL, LoaderState.SYSTEM_READY}


class StartFailed(HerOsError):
    """A service could not be brought up, so the family is not complete."""

    code = "start_failed"


class Misconfigured(StartFailed):
    """A service said that its configuration is wrong. Its own line names the place."""

    code = "misconfigured"


class UnknownService(HerOsError):
    """There is no service of that name."""

    code = "unknown_service"


class LoaderService:
    """Starts, watches and stops the services it is given. Event loop only."""

    def __init__(
        self, services: Iterable[ManagedService], plan: StartPlan, boot: Boot, mode: Literal["spawning", "systemd"]
    ) -> None:
        self._services = {service.name: service for service in services}
        self._plan, self._boot, self._mode = plan, boot, mode
        self._start_order = [self._services[name] for name in plan.start_order if name in self._services]
        self._stop_order = [self._services[name] for name in plan.stop_order if name in self._services]
        self.state = LoaderState.INIT
        self._starting = ""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        for service in self._services.values():
            service.on_change = self._on_change
            service.on_stage = boot.timeline.add

    async def start_all(self) -> None:
        """Start the services one by one, each after the one before is ready, and warm.

        Returns when the system is ready or degraded, or when it was stopped meanwhile. Raises StartFailed,
        Misconfigured, and whatever the check before the start refuses with.
        """
        self._to(LoaderState.PRECHECK)
        await self._boot.begin(self._start_order)
        if self._plan.prewarm_next and not self._stopping:
            self._run_aside(self._prepare_ahead(self._start_order[1:]), "prepare ahead")
        for service in self._start_order:
            if self._stopping:
                return
            await self._boot.before(service)
            self._starting = service.name
            self._to(LoaderState.STARTING)
            log.info("starting %s", service.name)
            self._tasks[service.name] = task = service.start()
            await service.settled()
            if self._stopping:
                return
            self._judge(service, task)
            await self._boot.after(service)
        self._starting = ""
        if any(service.is_down for service in self._start_order):
            self._degrade()
            return
        await self._become_ready()

    async def watch(self) -> None:
        """Return when the last service is down for good, or the first one where a start plan says fail-fast."""
        while True:
            for task in [*self._tasks.values(), *([self._broken] if self._broken else [])]:
                if task.done() and not task.cancelled():
                    task.result()
            down = [service.name for service in self._start_order if service.state is ServiceState.FAILED]
            if self.state not in {LoaderState.STOPPING, LoaderState.STOPPED}:
                if down and self._plan.fail_fast:
                    log.error("%s is down for good; stopping everything (fail fast)", ", ".join(down))
                    return
                if down and len(down) == len(self._start_order) and self._plan.needs_all:
                    log.error("no daemon is left")
                    return
            await self._news.wait()

    async def stop_all(self) -> None:
        """Stop the services in order, those that never started included. A second call does nothing."""
        if self._stopping:
            return
        self._to(LoaderState.STOPPING)
        for task in self._aside:
            task.cancel()
        if self._aside:
            await asyncio.wait(self._aside)
        for service in self._stop_order:
            await service.stop()
        await self._boot.end(self._start_order)
        self._to(LoaderState.STOPPED)
        log.info("Shutdown complete")

    async def restart_service(self, name: str) -> ServiceStatus:
        """Restart one service, and return when it is ready again or down.

        Raises UnknownService, NotReadyError (the family is not up), or what the service refuses with.
        """
        service = self._services.get(name)
        if service is None:
            raise UnknownService(f"there is no service {name!r}; known: {', '.join(self._services)}")
        if self.state not in {*_UP, LoaderState.DEGRADED}:
            raise NotReadyError(f"the loader is {self.state}; a service can be restarted once all were started")
        log.info("restart of %s was asked for", name)
        self._tasks[name] = service.restart()
        self._tell()
        await service.settled()
        return self._status_of(service)

    async def news(self) -> None:
        """Wait until anything has changed."""
        await self._news.wait()

    def kill_all(self) -> None:
        """End every process at once; a `stop_all` under way then finishes."""
        for service in self._services.values():
            service.kill()

    async def vram_snapshot(self) -> VramSnapshot:
        """Read the graphics memory now."""
        return await self._boot.vram.snapshot("asked for")

    def status(self) -> SystemStatus:
        """Everything that is known, the services in start order."""
        return SystemStatus(
            state=self.state,
            mode=self._mode,
            starting=self._starting if self.state is LoaderState.STARTING else "",
            wake_word_paused=self._boot.greeter.wake_word_paused,
            services=[self._status_of(service) for service in self._start_order],
            boot=self._boot.metrics(),
            waterfall=list(self._boot.timeline.stages),
            vram=list(self._boot.vram.snapshots),
        )

    @property
    def _stopping(self) -> bool:
        return self.state in {LoaderState.STOPPING, LoaderState.STOPPED}

    def _status_of(self, service: ManagedService) -> ServiceStatus:
        latest = self._boot.vram.latest
        return service.status(latest.by_service.get(service.name) if latest else None)

    def _judge(self, service: ManagedService, task: asyncio.Task[None]) -> None:
        """Raise what made a service's start fail, where all are needed."""
        if task.done() and not task.cancelled():
            task.result()
        if not (service.is_down and self._plan.needs_all):
            return
        if service.misconfigured:
            raise Misconfigured(f"{service.name} has a mistake in its configuration: mend what its line above names")
        raise StartFailed(f"{service.name} {service.last_failure}; see its lines above")

    async def _prepare_ahead(self, services: Sequence[ManagedService]) -> None:
        """Prepare the next, then the one after it, while those before get ready; one at a time, as the disk has it."""
        for service in services:
            if service.state is ServiceState.STOPPED:
                await service.prepare()

    async def _become_ready(self) -> None:
        """Every service is ready: wait until all are warm, and the boot is complete; or until things change."""
        self._to(LoaderState.RUNNING_ALL)
        log.info("All services running")
        self._look_at_the_whole()
        while self.state is LoaderState.RUNNING_ALL or (
            self.state is LoaderState.SYSTEM_READY and not self._boot.completed
        ):
            await self._news.wait()

    def _on_change(self) -> None:
        """A service has changed."""
        self._tell()
        self._look_at_the_whole()

    def _look_at_the_whole(self) -> None:
        """Take the arrows that the states of the services ask for."""
        if any(service.is_down for service in self._start_order) and self.state in _UP:
            self._degrade()
        elif self.state is LoaderState.DEGRADED and all(s.state is ServiceState.READY for s in self._start_order):
            self._to(LoaderState.RUNNING_ALL)
            log.info("no longer DEGRADED: every service is ready")
        if self.state is LoaderState.RUNNING_ALL and self._all_warm:
            self._to(LoaderState.SYSTEM_READY)
            if self._boot.completed:
                log.info("SYSTEM_READY again")
            else:
                self._run_aside(self._finish_boot(), "end of the boot")

    async def _finish_boot(self) -> None:
        await self._boot.complete(self._start_order)
        self._tell()
        await self._boot.celebrate()

    @property
    def _all_warm(self) -> bool:
        return all(service.warm.is_set() for service in self._start_order)

    def _degrade(self) -> None:
        self._to(LoaderState.DEGRADED)
        down = [service.name for service in self._start_order if service.is_down]
        up = [service.name for service in self._start_order if not service.is_down]
        log.error("DEGRADED: %s is down for good; still up: %s", ", ".join(down), ", ".join(up) or "nothing")

    def _run_aside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._aside.add(task)
        task.add_done_callback(self._aside_done)

    def _aside_done(self, task: asyncio.Task[None]) -> None:
        self._aside.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task
        self._tell()

    def _to(self, state: LoaderState) -> None:
        self.state = check_loader_transition(self.state, state)
        self._tell()

    def _tell(self) -> None:
        """Wake everyone who waits for news; who waits next, waits for the next."""
        news, self._news = self._news, asyncio.Event()
        news.set()

"""One service that systemd runs: we look, compute its state, and may ask for a restart of one that is alive but hangs.

Order, start, stop and the restart after a crash are the unit's own affair.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from her_os.contracts.errors import HerOsError
from her_os.contracts.service_state import SERVICE_ARROWS, ServiceState
from her_os.loader.managed_service import ManagedService
from her_os.loader.start_plan import RestartBudget, RestartPolicy
from her_os.loader.supervised_service import MISSED_CHECKS

log = logging.getLogger(__name__)
_LOOK_S = 1.0
_RECENT_S = 60.0
"""A unit that became active longer ago did so in an earlier life of the loader: its warm-up is no part of a boot."""


class Unit(Protocol):
    """What we need to know of a unit."""

    @property
    def loaded(self) -> bool: ...
    @property
    def active_state(self) -> str: ...
    @property
    def sub_state(self) -> str: ...
    @property
    def main_pid(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def result(self) -> str: ...
    @property
    def started_s(self) -> float: ...
    @property
    def active_s(self) -> float: ...


class Units(Protocol):
    """The units by the names of their services. Both raise HerOsError where systemd refuses or does not answer."""

    async def look(self, service: str) -> Unit: ...

    async def restart(self, service: str) -> None: ...


class ObservedService(ManagedService):
    """Follows one unit."""

    def __init__(
        self,
        name: str,
        port: int | None,
        units: Units,
        policy: RestartPolicy,
        *,
        is_healthy: Callable[[], Awaitable[bool]],
        warm_up: Callable[[], Awaitable[None]],
        health_interval_s: float,
    ) -> None:
        super().__init__(name)
        self._port, self._units, self._policy = port, units, policy
        self._is_healthy, self._warm_up, self._interval_s = is_healthy, warm_up, health_interval_s
        self._budget = RestartBudget(policy)
        self._task: asyncio.Task[None] | None = None
        self._pid = 0
        self._life = 0.0
        self._misses = 0
        self._given_up = False
        self._old_pid = 0
        """The process that a restart, asked for and not yet seen, is to replace."""
        self._wish = asyncio.Event()
        self._complaint = ""

    @property
    def pid(self) -> int | None:
        return self._pid or None

    @property
    def port(self) -> int | None:
        return self._port

    async def prepare(self) -> None:
        """The units prepare themselves."""

    def start(self) -> asyncio.Task[None]:
        """Begin to observe, unless that has begun."""
        if self._task is not None and not self._task.done():
            return self._task
        self.reset()
        self._task = asyncio.create_task(self._observe(), name=f"observe {self.name}")
        return self._task

    def restart(self) -> asyncio.Task[None]:
        """Have systemd restart it, for an operator."""
        self._budget.forgive()
        if self._task is None or self._task.done():
            self.start()
        assert self._task is not None
        self.reset()
        self._wish.set()
        return self._task

    async def stop(self) -> None:
        """Observe no longer; the unit goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        self._follow(ServiceState.STOPPED)
        self.settle()

    def kill(self) -> None:
        """It is not ours."""

    async def _observe(self) -> None:
        next_check = _now()
        while True:
            await self._look()
            if self.state in {ServiceState.READY, ServiceState.UNHEALTHY} or self._given_up:
                if not self.warm.is_set() and self.state is ServiceState.READY:
                    await self._warm()
                if _now() >= next_check:
                    await self._check()
                    next_check = _now() + self._interval_s
            else:
                next_check = _now() + self._interval_s
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._wish.wait()
        except TimeoutError:
            return
        self._wish.clear()
        if not await self._ask_for_restart("an operator asked for it"):
            self.settle()

    async def _look(self) -> None:
        try:
            unit = await self._units.look(self.name)
        except HerOsError as error:
            self._complain(str(error))
            return
        self._complaint = ""
        seen = _state_of(unit)
        self.restarts = unit.restarts
        if unit.main_pid and self._pid and unit.main_pid != self._pid and seen is ServiceState.READY:
            self._follow(ServiceState.STARTING)  # it came back between two looks
        self._pid = unit.main_pid
        if self._old_pid:
            if seen is ServiceState.READY and unit.main_pid == self._old_pid:
                return
            self._old_pid = self._old_pid if seen is ServiceState.STOPPING else 0
        self._take(seen, unit)

    def _take(self, seen: ServiceState, unit: Unit) -> None:
        if seen is ServiceState.READY:
            if self.state is ServiceState.UNHEALTHY or self._given_up:
                return  # systemd does not see what we see
            if self._life != unit.active_s:
                self._life = unit.active_s
                self.time_to_ready_s = max(0.0, unit.active_s - unit.started_s)
                self.note("ready", unit.started_s, unit.active_s)
        else:
            self._misses, self._given_up = 0, False
        if seen is ServiceState.FAILED:
            self.last_failure = f"is failed ({unit.result})"
        self._follow(seen)
        if self.is_down or self.state is ServiceState.READY:
            self.settle()

    async def _warm(self) -> None:
        began = _now()
        try:
            async with asyncio.timeout(self._interval_s * MISSED_CHECKS):
                await self._warm_up()
        except (HerOsError, OSError) as error:  # TimeoutError is an OSError
            why = str(error) or "too slow"
            log.warning("%s could not be warmed up (%s); its first use will be slower", self.name, why)
        if began - self._life < _RECENT_S:
            self.note("warm", began, _now())
        self.warm.set()
        self.changed()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(self._interval_s):
                healthy = await self._is_healthy()
        except TimeoutError:
            healthy = False
        if healthy:
            if self._misses:
                log.info("%s is healthy again", self.name)
            self._misses, self._given_up = 0, False
            if self.state is not ServiceState.READY:
                self._follow(ServiceState.READY)
            return
        if self._given_up:
            return
        self._misses += 1
        log.warning("%s failed a health check (%d of %d)", self.name, self._misses, MISSED_CHECKS)
        self._follow(ServiceState.UNHEALTHY)
        if self._misses >= MISSED_CHECKS:
            await self._heal()

    async def _heal(self) -> None:
        """It is alive and hangs: ask systemd for a restart, as often as the policy allows."""
        may = self._policy.kind != "never" and self._budget.next_delay_s(_now()) is not None
        why = f"failed {self._misses} health checks in a row"
        self._misses = 0
        if may and await self._ask_for_restart(why):
            return
        self._given_up = True
        self.last_failure = why
        log.error("%s %s; not restarted", self.name, why)
        self._follow(ServiceState.FAILED)

    async def _ask_for_restart(self, why: str) -> bool:
        log.warning("asking systemd to restart %s: %s", self.name, why)
        try:
            await self._units.restart(self.name)
        except HerOsError as error:
            log.error("systemd did not restart %s: %s", self.name, error)  # noqa: TRY400 - the message says it all
            self.last_failure = str(error)
            return False
        self._old_pid, self._given_up, self._misses = self._pid, False, 0
        self._follow(ServiceState.STARTING)
        return True

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("%s: %s", self.name, text)
        self._complaint = text

    def _follow(self, wanted: ServiceState) -> None:
        """Take the arrows to a state that was seen; those between were missed, and nobody is told of them."""
        path = _path(self.state, wanted)
        listener, self.on_change = self.on_change, lambda: None
        try:
            for state in path:
                self.to(state)
        finally:
            self.on_change = listener
        if path:
            self.changed()


def _state_of(unit: Unit) -> ServiceState:
    if not unit.loaded:
        return ServiceState.FAILED
    if unit.sub_state == "auto-restart":
        return ServiceState.BACKOFF
    return {
        "active": ServiceState.READY,
        "reloading": ServiceState.READY,
        "activating": ServiceState.STARTING,
        "deactivating": ServiceState.STOPPING,
        "failed": ServiceState.FAILED,
    }.get(unit.active_state, ServiceState.STOPPED)


def _path(current: ServiceState, wanted: ServiceState) -> list[ServiceState]:
    """The shortest way along the arrows; empty where we are there already."""
    ways: deque[list[ServiceState]] = deque([[current]])
    seen = {current}
    while ways:
        way = ways.popleft()
        if way[-1] is wanted:
            return way[1:]
        for state in sorted(SERVICE_ARROWS[way[-1]] - seen):
            seen.add(state)
            ways.append([*way, state])
    raise AssertionError(f"no way from {current} to {wanted}")


def _now() -> float:
    return asyncio.get_running_loop().time()

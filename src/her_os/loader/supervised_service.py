"""One service under supervision: started, waited for, warmed, watched, restarted with backoff, stopped.

The states and their arrows are `contracts.service_state`. One task owns the service's lives; `stop` ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from her_os.contracts.errors import HerOsError
from her_os.contracts.service_state import ServiceState
from her_os.loader.adapter import ServiceAdapter
from her_os.loader.managed_service import ManagedService, Stage
from her_os.loader.start_plan import EX_CONFIG, RestartBudget, RestartPolicy

log = logging.getLogger(__name__)
T = TypeVar("T")
MISSED_CHECKS = 3
"""Health checks that fail in a row before a service is restarted."""


@dataclass(frozen=True)
class Gates:
    """Times of a service's life: until ready, between two looks, of grace when it is stopped, between health checks."""

    ready_timeout_s: float
    poll_s: float
    stop_grace_s: float
    health_interval_s: float = 5.0


@dataclass(frozen=True)
class _End:
    """How a life ended. A mistake in the configuration is not mended by another life."""

    cause: str
    final: str = ""
    """Why there is no other life; empty: there may be one."""
    wished: bool = False
    """Somebody asked for the restart: it costs nothing."""


class _LifeOver(Exception):
    """The current life has ended, or is wished to."""

    def __init__(self, end: _End) -> None:
        super().__init__(end.cause)
        self.end = end


class SupervisedService(ManagedService):
    """Brings one adapter to READY and keeps it there."""

    def __init__(self, adapter: ServiceAdapter, policy: RestartPolicy, gates: Gates) -> None:
        super().__init__(adapter.name)
        self._adapter, self._gates, self._policy = adapter, gates, policy
        self.ready_timeout_s = gates.ready_timeout_s
        self._budget = RestartBudget(policy)
        self._task: asyncio.Task[None] | None = None
        self._wish = asyncio.Event()
        self._prepared = False

    @property
    def pid(self) -> int | None:
        return self._adapter.pid

    @property
    def port(self) -> int | None:
        return self._adapter.port

    async def prepare(self) -> None:
        """Do ahead what can be done ahead. A failure is only logged: the start will meet it again."""
        self._prepared = True
        began = _now()
        try:
            await self._adapter.prepare_async()
        except (OSError, HerOsError) as error:
            log.warning("%s could not be prepared ahead (%s)", self.name, error)
            return
        self._note("prepare", began)

    def start(self) -> asyncio.Task[None]:
        """Begin supervision. The task ends when the service has failed for good; its owner should watch it."""
        self._wish.clear()
        self.reset()
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self.name}")
        return self._task

    def restart(self) -> asyncio.Task[None]:
        """Begin a new life, whatever the present one is doing; past failures are forgiven."""
        self._budget.forgive()
        if self._task is None or self._task.done():
            return self.start()
        self.reset()
        self._wish.set()
        return self._task

    async def stop(self) -> None:
        """End supervision and the service. A second call does nothing."""
        if self.state is ServiceState.STOPPED and not self._prepared:
            return
        if self.state is not ServiceState.STOPPED:
            self.to(ServiceState.STOPPING)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._adapter.stop(self._gates.stop_grace_s)
        self._prepared = False
        if self.state is not ServiceState.STOPPED:
            self.to(ServiceState.STOPPED)

    def kill(self) -> None:
        """End the process at once; a `stop` that is under way then finishes."""
        self._adapter.kill()

    async def _supervise(self) -> None:
        try:
            while await self._live_once():
                pass
        finally:
            self.settle()

    async def _live_once(self) -> bool:
        """One life and the pause after it. False when there will be no other."""
        self.to(ServiceState.STARTING)
        end = await self._life()
        self._prepared = False
        self.last_failure = "" if end.wished else end.cause
        final = end.final or ("restarts are never" if self._policy.kind == "never" else "")
        delay_s = 0.0 if end.wished else None if final else self._budget.next_delay_s(_now())
        if delay_s is None:
            log.error("%s %s; not started again: %s", self.name, end.cause, final or "too many restarts")
            self.to(ServiceState.FAILED)
            return False
        self.to(ServiceState.BACKOFF)
        level = logging.INFO if end.wished else logging.WARNING
        log.log(level, "%s %s; starting it again in %.1f s", self.name, end.cause, delay_s)
        self.restarts += 1
        await self._pause(delay_s)
        return True

    async def _pause(self, delay_s: float) -> None:
        """Wait, but not if somebody wishes a restart now."""
        waiting = asyncio.create_task(self._wish.wait(), name=f"wish for {self.name}")
        await _wait_and_cancel(waiting, delay_s)
        self._wish.clear()

    async def _life(self) -> _End:
        """One life, from spawn to end."""
        began = _now()
        try:
            await self._adapter.start()
        except OSError as error:
            return _End(f"could not be started ({error.strerror or error})")
        self._note("start", began)
        exit_task = asyncio.create_task(self._adapter.exited(), name=f"exit of {self.name}")
        try:
            await self._become_ready(exit_task, began)
            await self._warm_up(exit_task)
            return await self._watch(exit_task)
        except _LifeOver as over:
            if not exit_task.done():
                await self._adapter.stop(self._gates.stop_grace_s)
            return over.end
        finally:
            exit_task.cancel()
            await asyncio.wait({exit_task})

    async def _become_ready(self, exit_task: asyncio.Task[int], began: float) -> None:
        gated = _now()
        while not await self._unless_over(self._adapter.is_ready(), exit_task):
            left = began + self._gates.ready_timeout_s - _now()
            if left <= 0:
                self.timed_out = True
                raise _LifeOver(_End(f"was not ready after {self._gates.ready_timeout_s:g} s and was stopped"))
            await self._unless_over(asyncio.sleep(min(self._gates.poll_s, left)), exit_task)
        self.time_to_ready_s = _now() - began
        self._note("ready", gated)
        self.to(ServiceState.READY)
        log.info("%s ready after %.1f s (pid %s)", self.name, self.time_to_ready_s, self.pid)
        self.settle()

    async def _warm_up(self, exit_task: asyncio.Task[int]) -> None:
        began = _now()
        try:
            async with asyncio.timeout(self._gates.ready_timeout_s):
                await self._unless_over(self._adapter.warm_up(), exit_task)
        except (HerOsError, OSError) as error:  # TimeoutError is an OSError
            why = str(error) or "too slow"
            log.warning("%s could not be warmed up (%s); its first use will be slower", self.name, why)
        self._note("warm", began)
        self.warm.set()
        self.changed()

    async def _watch(self, exit_task: asyncio.Task[int]) -> _End:
        """Until the end of this life: three failed health checks in a row are the end of it, too."""
        misses = 0
        while True:
            await self._unless_over(asyncio.sleep(self._gates.health_interval_s), exit_task)
            if await self._unless_over(self._answers(), exit_task):
                if misses:
                    log.info("%s is healthy again", self.name)
                    self.to(ServiceState.READY)
                misses = 0
                continue
            misses += 1
            if misses == 1:
                self.to(ServiceState.UNHEALTHY)
            log.warning("%s failed a health check (%d of %d)", self.name, misses, MISSED_CHECKS)
            if misses >= MISSED_CHECKS:
                raise _LifeOver(_End(f"failed {misses} health checks in a row and was stopped"))

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._gates.health_interval_s):
                return await self._adapter.is_healthy()
        except TimeoutError:
            return False

    async def _unless_over(self, step: Coroutine[Any, Any, T], exit_task: asyncio.Task[int]) -> T:
        """The result of a step, given up with _LifeOver when the life ends or a restart is wished meanwhile."""
        work = asyncio.create_task(step, name=f"step of {self.name}")
        wish = asyncio.create_task(self._wish.wait(), name=f"wish for {self.name}")
        try:
            await asyncio.wait({work, wish, exit_task}, return_when=asyncio.FIRST_COMPLETED)
            if exit_task.done():
                raise _LifeOver(self._explain(exit_task.result()))
            if wish.done():
                self._wish.clear()
                raise _LifeOver(_End("is restarted on request", wished=True))
            return work.result()
        finally:
            for task in (work, wish):
                task.cancel()
            await asyncio.wait({work, wish})
            if not work.cancelled():
                work.exception()  # seen: where the life is over, its end is what counts

    def _explain(self, status: int) -> _End:
        cause = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        self.misconfigured = status == EX_CONFIG
        if self.misconfigured:
            return _End(cause, final="its configuration is wrong")
        return _End(cause, final="" if self._policy.wants_restart(status) else f"restarts are {self._policy.kind}")

    def _note(self, stage: Stage, began: float) -> None:
        self.note(stage, began, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _wait_and_cancel(task: asyncio.Task[Any], timeout_s: float) -> None:
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        task.cancel()
        await asyncio.wait({task})

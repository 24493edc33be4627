"""One service under supervision: started, waited for, watched, restarted with backoff, stopped.

The states and their arrows are `contracts.service_state`. One task owns the service's lives; `stop` ends it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from her_os.contracts.service_state import ServiceState, check_service_transition
from her_os.loader.adapter import ServiceAdapter
from her_os.loader.start_plan import EX_CONFIG, RestartBudget, RestartPolicy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gates:
    """Times of a service's life: until ready, between two looks, and of grace when it is stopped."""

    ready_timeout_s: float
    poll_s: float
    stop_grace_s: float


@dataclass(frozen=True)
class _End:
    """How a life ended. A mistake in the configuration is not mended by another life."""

    cause: str
    hopeless: bool = False


class SupervisedService:
    """Brings one adapter to READY and keeps it there."""

    def __init__(self, adapter: ServiceAdapter, policy: RestartPolicy, gates: Gates) -> None:
        self.state = ServiceState.STOPPED
        self.last_failure = ""
        self.misconfigured = False
        """Whether it was given up because its configuration is wrong, which no restart mends."""
        self.restarts = 0
        self.time_to_ready_s: float | None = None
        self._adapter, self._gates = adapter, gates
        self._budget = RestartBudget(policy)
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    @property
    def name(self) -> str:
        return self._adapter.name

    @property
    def pid(self) -> int | None:
        return self._adapter.pid

    def start(self) -> asyncio.Task[None]:
        """Begin supervision. The task ends when the service has failed for good; its owner should watch it."""
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self.name}")
        return self._task

    async def settled(self) -> ServiceState:
        """Wait until the service is READY for the first time, or its supervision has ended."""
        await self._settled.wait()
        return self.state

    async def stop(self) -> None:
        """End supervision and the service. A second call does nothing."""
        if self.state is ServiceState.STOPPED:
            return
        self._to(ServiceState.STOPPING)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._adapter.stop(self._gates.stop_grace_s)
        self._to(ServiceState.STOPPED)

    def kill(self) -> None:
        """End the process at once; a `stop` that is under way then finishes."""
        self._adapter.kill()

    async def _supervise(self) -> None:
        try:
            await self._live_again_and_again()
        finally:
            self._settled.set()

    async def _live_again_and_again(self) -> None:
        while True:
            self._to(ServiceState.STARTING)
            end = await self._live()
            self.last_failure = end.cause
            delay_s = None if end.hopeless else self._budget.next_delay_s(asyncio.get_running_loop().time())
            if delay_s is None:
                self.misconfigured = end.hopeless
                self._to(ServiceState.FAILED)
                why = "its configuration is wrong" if end.hopeless else "too many restarts"
                log.error("%s %s; not started again: %s", self.name, end.cause, why)
                return
            self._to(ServiceState.BACKOFF)
            log.warning("%s %s; starting it again in %.1f s", self.name, end.cause, delay_s)
            self.restarts += 1
            await asyncio.sleep(delay_s)

    async def _live(self) -> _End:
        """One life, from spawn to end."""
        began = asyncio.get_running_loop().time()
        try:
            await self._adapter.start()
        except OSError as error:
            return _End(f"could not be started ({error.strerror or error})")
        exit_task = asyncio.create_task(self._adapter.exited(), name=f"exit of {self.name}")
        try:
            if await self._becomes_ready(exit_task):
                self.time_to_ready_s = asyncio.get_running_loop().time() - began
                self._to(ServiceState.READY)
                log.info("%s ready after %.1f s (pid %s)", self.name, self.time_to_ready_s, self.pid)
                self._settled.set()
            elif not exit_task.done():
                await self._adapter.stop(self._gates.stop_grace_s)
                return _End(f"was not ready after {self._gates.ready_timeout_s:g} s and was stopped")
            status = await exit_task
            return _End(_explain(status), hopeless=status == EX_CONFIG)
        finally:
            exit_task.cancel()
            await asyncio.wait({exit_task})

    async def _becomes_ready(self, exit_task: asyncio.Task[int]) -> bool:
        """True once ready; False when it ended first or took too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._gates.ready_timeout_s
        while not exit_task.done():
            if await self._adapter.is_ready():
                return True
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.wait({exit_task}, timeout=min(self._gates.poll_s, left))
        return False

    def _to(self, state: ServiceState) -> None:
        self.state = check_service_transition(self.state, state)


def _explain(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"

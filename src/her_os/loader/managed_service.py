"""One service as `LoaderService` sees it, whether we spawn its process or systemd does."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from her_os.contracts.loader_status import ServiceStatus, ServiceTimes
from her_os.contracts.service_state import ServiceState, check_service_transition

Stage = Literal["prepare", "start", "ready", "warm"]
StageListener = Callable[[str, str, float, float], None]
"""Called with service, stage, begin and end (seconds of the loop's clock)."""
_FIELD_OF_STAGE = {"prepare": "prepare_async_ms", "start": "start_ms", "warm": "warmup_ms"}


class ManagedService(ABC):
    """State, times and events of one service. Event loop only."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = ServiceState.STOPPED
        self.last_failure = ""
        self.misconfigured = False
        """Whether it was given up because its configuration is wrong, which no restart mends."""
        self.restarts = 0
        self.ready_timeout_s: float | None = None
        self.time_to_ready_s: float | None = None
        self.timed_out = False
        """Whether a start of this boot took longer than it may."""
        self.warm = asyncio.Event()
        self.on_change: Callable[[], None] = _nothing
        self.on_stage: StageListener = _nothing_of_stages
        self._settled = asyncio.Event()
        self._times_ms: dict[str, float] = {}

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Its main process, if there is one."""

    @property
    @abstractmethod
    def port(self) -> int | None:
        """The port it answers on, if it has one."""

    @abstractmethod
    async def prepare(self) -> None:
        """Do ahead what can be done ahead. Raises nothing."""

    @abstractmethod
    def start(self) -> asyncio.Task[None]:
        """Begin to look after it. The task ends when it is down for good; the caller owns it."""

    @abstractmethod
    def restart(self) -> asyncio.Task[None]:
        """Have it end and start again, past failures forgiven. Raises HerOsError where that is not allowed."""

    @abstractmethod
    async def stop(self) -> None:
        """Look after it no longer, and end it if it is ours."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once if it is ours."""

    @property
    def is_down(self) -> bool:
        """Whether it is down and will not come back by itself."""
        return self.state in {ServiceState.FAILED, ServiceState.STOPPED}

    async def settled(self) -> ServiceState:
        """Wait until it is READY for the first time since `start` or `restart`, or down."""
        await self._settled.wait()
        return self.state

    def settle(self) -> None:
        """It is ready, or down."""
        self._settled.set()

    def reset(self) -> None:
        """A new start: neither settled nor warm."""
        self._settled.clear()
        self.warm.clear()

    def to(self, state: ServiceState) -> None:
        """Take an arrow. Raises IllegalTransition."""
        self.state = check_service_transition(self.state, state)
        if state is ServiceState.STARTING:
            self.warm.clear()
        self.changed()

    def changed(self) -> None:
        """Tell the listener."""
        self.on_change()

    def note(self, stage: Stage, begin_s: float, end_s: float) -> None:
        """Keep how long a step took."""
        if field := _FIELD_OF_STAGE.get(stage):
            self._times_ms[field] = round((end_s - begin_s) * 1000, 1)
        self.on_stage(self.name, stage, begin_s, end_s)

    def status(self, vram_mb: float | None = None) -> ServiceStatus:
        """What is known of it."""
        ready_ms = None if self.time_to_ready_s is None else round(self.time_to_ready_s * 1000, 1)
        return ServiceStatus(
            name=self.name,
            state=self.state,
            pid=self.pid,
            port=self.port,
            restarts=self.restarts,
            last_failure=self.last_failure,
            ready_timeout_s=self.ready_timeout_s,
            times=ServiceTimes(time_to_ready_ms=ready_ms, **self._times_ms),
            vram_mb=vram_mb,
        )


def _nothing() -> None:
    """Nobody listens."""


def _nothing_of_stages(_service: str, _stage: str, _begin_s: float, _end_s: float) -> None:
    """Nobody listens."""

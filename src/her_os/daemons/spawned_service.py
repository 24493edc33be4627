"""A service as a child process: the loader's `ServiceAdapter` in spawning mode."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from her_os.daemons.family import daemon_of
from her_os.daemons.service_probes import Probe
from her_os.service.child_process import ChildProcess, LineHandler
from her_os.service.install.drop_ins import THREAD_VARIABLES
from her_os.service.notify_listener import NotifyListener
from her_os.service.process_table import SPAWNED_BY, own_mark
from her_os.settings import Settings
from her_os.settings.loader_schema import Service


@dataclass(frozen=True)
class ServiceParts:
    """What one service is made of."""

    name: str
    port: int | None
    command: Sequence[str]
    environment: Mapping[str, str]
    workdir: Path
    is_ready: Probe
    is_healthy: Probe
    warm_up: Callable[[], Awaitable[None]]
    touch_files: Callable[[], object]
    """Brings its files into memory; called in a thread."""
    can_be_held: bool
    """Whether it understands to be started before its turn."""
    kill_after_s: float


class SpawnedService:
    """One service in a process of its own. See `ServiceAdapter`."""

    def __init__(self, parts: ServiceParts, notify: NotifyListener, on_line: LineHandler) -> None:
        self.name, self.command, self.environment = parts.name, parts.command, parts.environment
        self.workdir, self.port = parts.workdir, parts.port
        self._parts, self._notify = parts, notify
        self._spawning = asyncio.Lock()
        self._begun = self._held = False
        self._child = ChildProcess(
            parts.command, parts.environment, on_line, workdir=parts.workdir, kill_after_s=parts.kill_after_s
        )

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def prepare_async(self) -> None:
        await asyncio.to_thread(self._parts.touch_files)
        if not self._parts.can_be_held:
            return
        async with self._spawning:
            if self._begun:  # its turn came sooner
                return
            self._notify.open()
            await self._child.start(held=True)
            self._held = True
        await self._prepared_or_over()

    async def start(self) -> None:
        async with self._spawning:
            self._begun = True
            if self._held:  # whatever became of it meanwhile: if it has ended, that was this life
                self._held = False
                self._child.release()
                return
            self._notify.open()
            await self._child.start()

    async def is_ready(self) -> bool:
        return await self._parts.is_ready()

    async def is_healthy(self) -> bool:
        return await self._parts.is_healthy()

    async def warm_up(self) -> None:
        await self._parts.warm_up()

    async def exited(self) -> int:
        status = await self._child.wait()
        self._begun = False
        return status

    async def stop(self, grace_sec: float) -> None:
        await self._child.stop(grace_sec)
        self._begun = self._held = False
        self._notify.close()

    def kill(self) -> None:
        self._child.kill()

    async def _prepared_or_over(self) -> None:
        prepared = asyncio.create_task(self._notify.prepared.wait(), name=f"preparation of {self.name}")
        over = asyncio.create_task(self._child.ended(), name=f"end of {self.name}")
        try:
            await asyncio.wait({prepared, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (prepared, over):
                task.cancel()
            await asyncio.wait({prepared, over})


def own_daemon_command(name: str) -> list[str]:
    """How a daemon of ours is started. It ends when we do, even if we are killed."""
    return [sys.executable, "-m", "her_os.cli", "daemon", daemon_of(name), "--die-with", str(os.getpid())]


def service_command(name: str, service: Service) -> list[str]:
    """How a service is started. It ends when we do, even if we are killed."""
    if not service.cmd:
        return own_daemon_command(name)
    parent = str(os.getpid())
    program, *arguments = service.cmd
    program = sys.executable if program in {"python", "python3"} else program
    return [sys.executable, "-m", "her_os.service.parent_death", parent, program, *arguments]


def service_environment(
    settings: Settings, service: Service, environ: Mapping[str, str], notify_path: Path
) -> dict[str, str]:
    """The environment of a service: ours, and what the loader's section adds."""
    cuda = settings.loader.cuda
    environment = {
        **environ,
        "NOTIFY_SOCKET": str(notify_path),
        "PYTHONUNBUFFERED": "1",
        SPAWNED_BY: own_mark(),
        "CUDA_MODULE_LOADING": cuda.module_loading,
        "PYTORCH_CUDA_ALLOC_CONF": cuda.torch_alloc_conf,
    }
    if service.threads:
        for name in THREAD_VARIABLES:
            environment[name] = str(service.threads)
    environment.pop("JOURNAL_STREAM", None)  # its output goes to us, not to the journal
    return environment

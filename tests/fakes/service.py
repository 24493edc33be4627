"""A fake ServiceAdapter: lives are scripted, and what is done to it is written down in one shared list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from her_os.contracts.errors import HerOsError


@dataclass(frozen=True)
class Life:
    """One life: ready after `ready_s` (None: never), and over after `dies_s` with `status` (None: it lives on)."""

    ready_s: float | None = 1.0
    dies_s: float | None = None
    status: int = 1
    start_error: OSError | None = None
    deaf_s: float | None = None
    """Age from which it does not answer health checks."""
    hears_again_s: float | None = None
    warm_up_s: float = 0.0
    warm_up_error: HerOsError | None = None


class ScriptedService:
    """Lives the given lives one after the other; the last one again and again."""

    def __init__(self, name: str, journal: list[str], lives: list[Life] | None = None, stop_s: float = 0.1) -> None:
        self._name, self.journal, self._lives, self._stop_s = name, journal, lives or [Life()], stop_s
        self.command, self.environment, self.workdir = ["true"], dict[str, str](), Path("/")
        self.port: int | None = None
        self.prepare_s = 0.0
        self.prepared_from: float | None = None
        self.births: list[float] = []
        self.pid: int | None = None
        self._life = self._lives[0]
        self._ended = asyncio.Event()

    @property
    def name(self) -> str:
        return self._name

    async def prepare_async(self) -> None:
        self.prepared_from = asyncio.get_running_loop().time()
        self.journal.append(f"prepare {self.name}")
        await asyncio.sleep(self.prepare_s)

    async def is_healthy(self) -> bool:
        deaf = self._life.deaf_s is not None and self._age_s >= self._life.deaf_s
        if deaf and (self._life.hears_again_s is None or self._age_s < self._life.hears_again_s):
            await asyncio.Event().wait()
        return True

    async def warm_up(self) -> None:
        await asyncio.sleep(self._life.warm_up_s)
        if self._life.warm_up_error is not None:
            raise self._life.warm_up_error

    async def start(self) -> None:
        self._life = self._lives[min(len(self.births), len(self._lives) - 1)]
        self.births.append(asyncio.get_running_loop().time())
        self.journal.append(f"start {self.name}")
        if self._life.start_error is not None:
            raise self._life.start_error
        self._ended = asyncio.Event()
        self.pid = 1000 + len(self.births)

    @property
    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self.births[-1]

    async def is_ready(self) -> bool:
        ready = self._life.ready_s is not None and self._age_s >= self._life.ready_s
        if ready:
            self.journal.append(f"ready {self.name}")
        return ready

    async def exited(self) -> int:
        left_s = None if self._life.dies_s is None else self._life.dies_s - self._age_s
        try:
            async with asyncio.timeout(left_s):
                await self._ended.wait()
        except TimeoutError:
            self.pid = None
            return self._life.status
        return -15

    async def stop(self, grace_sec: float) -> None:
        self.journal.append(f"stop {self.name}")
        if self.pid is not None:
            await asyncio.sleep(min(self._stop_s, grace_sec))
        self._over()

    def kill(self) -> None:
        self.journal.append(f"kill {self.name}")
        self._over()

    def _over(self) -> None:
        self.pid = None
        self._ended.set()

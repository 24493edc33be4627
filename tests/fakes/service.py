"""A fake ServiceAdapter: lives are scripted, and what is done to it is written down in one shared list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Life:
    """One life: ready after `ready_s` (None: never), and over after `dies_s` with `status` (None: it lives on)."""

    ready_s: float | None = 1.0
    dies_s: float | None = None
    status: int = 1
    start_error: OSError | None = None


class ScriptedService:
    """Lives the given lives one after the other; the last one again and again."""

    def __init__(self, name: str, journal: list[str], lives: list[Life] | None = None, stop_s: float = 0.1) -> None:
        self._name, self.journal, self._lives, self._stop_s = name, journal, lives or [Life()], stop_s
        self.births: list[float] = []
        self.pid: int | None = None
        self._life = self._lives[0]
        self._ended = asyncio.Event()

    @property
    def name(self) -> str:
        return self._name

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

    async def stop(self, grace_s: float) -> None:
        self.journal.append(f"stop {self.name}")
        if self.pid is not None:
            await asyncio.sleep(min(self._stop_s, grace_s))
        self._over()

    def kill(self) -> None:
        self.journal.append(f"kill {self.name}")
        self._over()

    def _over(self) -> None:
        self.pid = None
        self._ended.set()

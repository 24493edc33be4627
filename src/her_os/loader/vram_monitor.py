"""Graphics memory: after each stage of a boot, then at an interval; by service; and will the next one fit?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from her_os.contracts.errors import HerOsError
from her_os.contracts.loader_status import GpuReading, VramSnapshot

log = logging.getLogger(__name__)
_KEPT = 64
_CHANGE_MB = 1.0
"""Changes below this are noise."""


class GpuReader(Protocol):
    """Reads the memory of one card."""

    async def read(self) -> GpuReading | None:
        """The memory now; None where there is no card. Raises HerOsError when the card does not answer."""
        ...


class VramMonitor:
    """Takes and keeps snapshots. `processes` (called in a thread) tells the process ids of each service."""

    def __init__(
        self,
        reader: GpuReader,
        processes: Callable[[], Mapping[str, set[int]]],
        *,
        poll_s: float,
        deltas_only: bool,
    ) -> None:
        self._reader, self._processes = reader, processes
        self._poll_s, self._deltas_only = poll_s, deltas_only
        self.snapshots: list[VramSnapshot] = []
        self.first_context_s: float | None = None
        """Loop time at which a process of ours was first seen to hold graphics memory."""
        self._complaint = ""

    @property
    def latest(self) -> VramSnapshot | None:
        return self.snapshots[-1] if self.snapshots else None

    async def snapshot(self, stage: str, *, quiet: bool = False) -> VramSnapshot:
        """Read the card now and keep the reading under the name of a stage."""
        gpu = await self._read()
        before = self.latest.gpu if self.latest else None
        delta = gpu.used_mb - before.used_mb if gpu and before else 0.0
        shares = _by_service(gpu, await asyncio.to_thread(self._processes)) if gpu and gpu.by_pid else {}
        if shares and self.first_context_s is None:
            self.first_context_s = asyncio.get_running_loop().time()
        snapshot = VramSnapshot(stage=stage, gpu=gpu, delta_mb=round(delta, 1), by_service=shares)
        if quiet and (gpu is None or (before and abs(delta) < _CHANGE_MB)):
            return snapshot
        self.snapshots = [*self.snapshots, snapshot][-_KEPT:]
        if gpu:
            log.info("VRAM %s: %s", stage, _describe(gpu, delta, shares))
        return snapshot

    async def watch(self) -> None:
        """Look at the interval until cancelled. Returns at once where there is no card."""
        while True:
            snapshot = await self.snapshot("running", quiet=self._deltas_only)
            if snapshot.gpu is None and not self._complaint:
                return
            await asyncio.sleep(self._poll_s)

    def warn_if_too_large(self, service: str, needed_mb: float | None) -> bool:
        """Say so when what a service will load does not fit into what is free now."""
        gpu = self.latest.gpu if self.latest else None
        if gpu is None or not needed_mb or needed_mb <= gpu.free_mb:
            return False
        log.warning(
            "%s needs about %.0f MB of graphics memory, and %.0f of %.0f MB are free: it will probably not fit",
            service,
            needed_mb,
            gpu.free_mb,
            gpu.total_mb,
        )
        return True

    async def _read(self) -> GpuReading | None:
        try:
            gpu = await self._reader.read()
        except HerOsError as error:
            if str(error) != self._complaint:
                log.warning("graphics memory cannot be read: %s", error)
            self._complaint = str(error)
            return None
        self._complaint = ""
        return gpu


def _by_service(gpu: GpuReading, processes: Mapping[str, set[int]]) -> dict[str, float]:
    sums = {name: sum(gpu.by_pid.get(pid, 0.0) for pid in pids) for name, pids in processes.items()}
    return {name: round(used, 1) for name, used in sums.items() if used}


def _describe(gpu: GpuReading, delta: float, shares: Mapping[str, float]) -> str:
    text = f"{gpu.used_mb:.0f} of {gpu.total_mb:.0f} MB used ({delta:+.0f} MB)"
    parts = ", ".join(f"{name} {used:.0f} MB" for name, used in shares.items())
    return f"{text}; {parts}" if parts else text

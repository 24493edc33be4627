"""Gate 0.9: the baseline of the graphics card's memory: how much is free, and how much of it in one piece.

The largest piece is found by asking the driver for it in a process of its own, which gives everything back at its end.
The first baseline is written into the state directory; a later one must not have lost more than 200 MB to processes
that are not ours. Without a card there is nothing to fragment, and the gate says so.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.service.gpu_memory import GpuMemory, GpuUnreadable

NUMBER, NAME, MEASURES = 9, "baseline of the graphics card's memory", True
FILE = "vram-baseline.json"
ALLOWED_MB = 200.0
"""What a soak may lose (decision 16)."""


class Baseline(msgspec.Struct, frozen=True):
    """Of one moment, in MB. `largest_mb` None: only NVIDIA's driver can be asked."""

    measured_at: str
    total_mb: float
    free_mb: float
    largest_mb: float | None


async def check(machine: Machine) -> Finding:
    """Raises GateClosed."""
    settings = machine.settings
    try:
        reading = await GpuMemory(settings.loader.gpu_index).read()
    except GpuUnreadable as error:
        raise GateClosed(f"the graphics card does not tell its memory: {error}", "mend the driver") from error
    if reading is None:
        return Finding("no GPU; nothing to fragment", {"gpu": None})
    largest = await _largest_mb(settings.loader.gpu_index) if reading.source in {"pynvml", "nvidia-smi"} else None
    ours_mb = sum(reading.by_pid.values())
    now = Baseline(
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        reading.total_mb,
        round(reading.total_mb - reading.used_mb + ours_mb, 1),
        largest,
    )
    path = settings.environment.state_dir / FILE
    first = _read(path)
    facts = {"now": msgspec.to_builtins(now), "first": msgspec.to_builtins(first)}
    if first is None or first.total_mb != now.total_mb:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(msgspec.json.encode(now))
        return Finding(f"{_told(now)}; kept as the baseline in {path}", facts)
    if first.free_mb - now.free_mb > ALLOWED_MB:
        raise GateClosed(
            f"{first.free_mb - now.free_mb:.0f} MB less are free than at the baseline of {first.measured_at}",
            f"`nvidia-smi` shows what holds it; restart it, or delete {path} if that is how it is to be",
            facts,
        )
    return Finding(f"{_told(now)}; baseline {first.free_mb:.0f} MB ({first.measured_at})", facts)


def _told(baseline: Baseline) -> str:
    whole = "" if baseline.largest_mb is None else f", {baseline.largest_mb:.0f} MB of it in one piece"
    return f"{baseline.free_mb:.0f} of {baseline.total_mb:.0f} MB free of strangers{whole}"


def _read(path: Path) -> Baseline | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


async def _largest_mb(index: int) -> float | None:
    """None where the driver's library is not there or refuses."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "her_os.service.cuda_largest_block", str(index),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await process.communicate()
    return float(out) if process.returncode == 0 else None

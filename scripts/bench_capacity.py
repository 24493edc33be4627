#!/usr/bin/env python3
"""How many calls her-os carries at once, and what each of them still feels.

The real daemons and wires with scripted engines (`scripts/capacity/`: recogniser 30 ms, language model 50 ms and then
20 ms a word, voice 50 ms), so that what is measured is her-os and not a model. Real SIP calls, barge-in on, each
caller speaks over every answer. The callers run in processes of their own on the same machine, which is unkind.

    .venv/bin/python scripts/bench_capacity.py --calls 1 8 24
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
SCRIPTS = ROOT / "scripts"

from scripts.capacity.family import scripted_family  # noqa: E402
from scripts.measures import quantile  # noqa: E402
from tests.e2e.running_family import Family  # noqa: E402

PHONES_A_PROCESS = 6


async def generate(family: Family, calls: int, seconds: float) -> list[dict[str, Any]]:
    """Run the callers' processes; what each measured."""
    left, processes = calls, list[asyncio.subprocess.Process]()
    while left:
        phones = min(left, PHONES_A_PROCESS)
        command = [sys.executable, str(SCRIPTS / "capacity" / "callers.py"), family.uri]
        command += ["--phones", str(phones), "--seconds", str(seconds), "--seed", str(left)]
        processes.append(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE))
        left -= phones
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    return [json.loads(output) for output, _ in outputs]


async def measure(calls: int, seconds: float) -> dict[str, Any]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with scripted_family(Path(folder), calls) as family:
            phone = family.daemon("phone")
            idle_mb = phone.memory_info().rss / 1e6
            cpu, began = sum(phone.cpu_times()[:2]), time.monotonic()
            generating = asyncio.create_task(generate(family, calls, seconds))
            await asyncio.sleep(seconds)
            peak_mb = phone.memory_info().rss / 1e6
            measured = await generating
            cpu, took = sum(phone.cpu_times()[:2]) - cpu, time.monotonic() - began
    silence = [ms for each in measured for ms in each["silence"]]
    gaps = [ms for each in measured for ms in each["gaps"]]
    packets_s = len(gaps) / 50
    return {
        "calls": calls,
        "interruptions": len(silence),
        "failed": [why for each in measured for why in each["failed"]],
        "silence_p50": statistics.median(silence) if silence else None,
        "silence_p95": quantile(silence, 0.95),
        "gap_p99": quantile(gaps, 0.99),
        "gap_max": max(gaps, default=0),
        "cpu_per_call_second": cpu / max(packets_s, 1),
        "cpu_of_machine": cpu / took / psutil.cpu_count(),
        "idle_mb": idle_mb,
        "peak_mb": peak_mb,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| calls | interruptions | failed | onset -> silence p50 / p95 ms | packet gap p99 / max ms | phone CPU s a s "
        "| phone MB idle / with calls |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['calls']} | {row['interruptions']} | {len(row['failed'])} | {row['silence_p50'] or 0:.0f} / "
            f"{row['silence_p95']:.0f} | {row['gap_p99']:.0f} / {row['gap_max']:.0f} | "
            f"{row['cpu_per_call_second']:.4f} | {row['idle_mb']:.0f} / {row['peak_mb']:.0f} |"
        )
    return "\n".join(lines)


async def main() -> None:
    """Measure each number of calls in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 8, 24], help="numbers of calls at once")
    parser.add_argument("--seconds", type=float, default=30, help="how long each caller stays (default 30)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmark-results" / f"capacity-{date.today()}.json")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for calls in options.calls:
        rows.append(await measure(calls, options.seconds))
        print(table(rows), file=sys.stderr)
    options.out.write_text(json.dumps(rows, indent=1))
    print(table(rows))


if __name__ == "__main__":
    asyncio.run(main())

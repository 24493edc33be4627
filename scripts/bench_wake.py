#!/usr/bin/env python3
"""Frame handling of the wake word daemon while the machine is loaded: how long it takes, how long frames wait, losses.

The real daemon, in a process of its own, with the microphone of a file (a WAV that is talked into it at real time);
beside it the load: busy processes, one a core; and then our own family, with two callers who never stop talking.

    .venv/bin/python scripts/bench_wake.py --seconds 120 --busy 2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.soak import one_call  # noqa: E402
from tests.e2e.running_family import Family, running_family  # noqa: E402
from tests.ports import free_port  # noqa: E402


def busy(stop: Any) -> None:
    """Keep one core busy with the kind of work a model does."""
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(300, 300))
    while not stop.is_set():
        np.matmul(matrix, matrix)


def histogram(text: str, name: str) -> list[tuple[float, int]]:
    """Upper bounds in seconds, and how many observations lie at or below."""
    found = re.findall(rf'{name}_bucket{{le="([^"]+)"}} ([\d.e+]+)', text)
    return [(float(bound), int(float(count))) for bound, count in found]


def quantile_ms(buckets: list[tuple[float, int]], share: float) -> float:
    """The bound below which `share` of the observations lie."""
    wanted = share * buckets[-1][1]
    return next(1000 * bound for bound, count in buckets if count >= wanted)


def value(text: str, name: str) -> float:
    """One number of the metrics."""
    match = re.search(rf"^{name} ([\d.e+]+)", text, re.M)
    assert match, name
    return float(match[1])


def measure(seconds: float, load: int, speech: Path) -> dict[str, Any]:
    """Run the daemon for so long beside `load` busy processes."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        microphone = folder / "room.wav"
        _repeat(speech, microphone, seconds + 20)
        config = folder / "her-os.yaml"
        config.write_text(f"wake: {{port: {port}, microphone: {microphone}}}\nloader: {{port: {free_port()}}}\n")
        subprocess.run([ROOT / "config" / "dev-setup.sh", folder / "secrets.env"], check=True, capture_output=True)
        environment = os.environ | {"HER_OS_SECRETS_FILE": str(folder / "secrets.env"), "HER_OS_STATE_DIR": name}
        daemon = subprocess.Popen(
            [sys.executable, "-m", "her_os.cli", "daemon", "wake", "--config", str(config)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        stop = multiprocessing.Event()
        loads = [multiprocessing.Process(target=busy, args=(stop,)) for _ in range(load)]
        try:
            _wait_ready(port)
            for each in loads:
                each.start()
            before = _metrics(port)
            began = time.monotonic()
            time.sleep(seconds)
            after, lasted = _metrics(port), time.monotonic() - began
        finally:
            stop.set()
            for each in loads:
                each.join()
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=20)
    return row(f"{load} busy processes", before, after, lasted)


async def measure_family(seconds: float, speech: Path) -> dict[str, Any]:
    """The same daemon in its family, the embedded engines at work for two calls."""
    with tempfile.TemporaryDirectory() as name:
        microphone = Path(name) / "room.wav"
        _repeat(speech, microphone, seconds + 60)
        wake = {"enabled": True, "microphone": str(microphone), "speaker": str(Path(name) / "heard.wav")}
        async with running_family(Path(name) / "family", changes={"wake": wake}) as family:
            port = family.settings["wake"]["port"]
            callers = [asyncio.create_task(_call_for_ever(family, random.Random(seed))) for seed in range(2)]
            await asyncio.sleep(5)
            before = await asyncio.to_thread(_metrics, port)
            began = time.monotonic()
            await asyncio.sleep(seconds)
            after, lasted = await asyncio.to_thread(_metrics, port), time.monotonic() - began
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
    return row("our own family and two calls", before, after, lasted)


async def _call_for_ever(family: Family, chance: random.Random) -> None:
    while True:
        await one_call(family, chance)


def row(load: str, before: str, after: str, lasted: float) -> dict[str, Any]:
    """What happened between two readings of the metrics."""
    handling, waiting = (
        [(b, late - early) for (b, late), (_, early) in zip(histogram(after, n), histogram(before, n), strict=True)]
        for n in ("her_os_wake_frame_seconds", "her_os_wake_frame_wait_seconds")
    )
    total = value(after, "her_os_wake_frame_seconds_sum") - value(before, "her_os_wake_frame_seconds_sum")
    frames = value(after, "her_os_wake_frames") - value(before, "her_os_wake_frames")
    return {
        "load": load,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "seconds": round(lasted, 1),
        "frames": int(frames),
        "frames_expected": int(lasted * 50),
        "frames_dropped": int(value(after, "her_os_wake_frames_dropped") - value(before, "her_os_wake_frames_dropped")),
        "handling_mean_ms": round(1000 * total / max(1, handling[-1][1]), 3),
        "handling_p50_ms_at_most": quantile_ms(handling, 0.5),
        "handling_p99_ms_at_most": quantile_ms(handling, 0.99),
        "handling_p999_ms_at_most": quantile_ms(handling, 0.999),
        "wait_p99_ms_at_most": quantile_ms(waiting, 0.99),
    }


def _repeat(speech: Path, target: Path, seconds: float) -> None:
    with wave.open(str(speech)) as file:
        parameters, frames = file.getparams(), file.readframes(file.getnframes())
    count = int(seconds * parameters.framerate * 2 / len(frames)) + 1
    with wave.open(str(target), "wb") as out:
        out.setparams(parameters)
        out.writeframes(frames * count)


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def _wait_ready(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the wake word daemon did not become ready")


def main() -> None:
    """Measure alone and beside both kinds of load, and write all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 2, help="busy processes beside it")
    parser.add_argument("--speech", type=Path, default=ROOT / "tests" / "data" / "speech" / "set-a-timer.wav")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [measure(options.seconds, load, options.speech) for load in (0, options.busy)]
    rows.append(asyncio.run(measure_family(options.seconds, options.speech)))
    out = options.out or ROOT / "benchmark-results" / f"wake-frames-{date.today()}.json"
    out.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

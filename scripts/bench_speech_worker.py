#!/usr/bin/env python3
"""Measures the worker of stt-batch: a phrase over HTTP, and when the next is heard after a crash, a hang, a reload.

    nice .venv/bin/python scripts/bench_speech_worker.py [--config FILE] [--runs 10]     # a minute

FILE names the engine (`stt_batch:`); without it the one that ships is measured. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from her_os.daemons.stt_batch import build
from her_os.settings import Secrets, Settings, load_settings

TOKEN = "a-token-for-the-benchmark"
SPEECH = Path(__file__).resolve().parent.parent / "tests/data/speech/set-a-timer.wav"
DEADLINE_S = 20


class Bench:
    """A daemon in this process, its worker in its own."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def hear(self) -> tuple[int, float]:
        """Status and seconds of a phrase."""
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(SPEECH.read_bytes()), filename="a.wav")
        began = time.perf_counter()
        async with self._http.post(self._url + "/v1/audio/transcriptions", data=form) as response:
            await response.read()
            return response.status, time.perf_counter() - began

    async def worker(self) -> psutil.Process:
        while True:
            async with self._http.get(self._url + "/health") as response:
                if pid := (await response.json())["worker_pid"]:
                    return psutil.Process(pid)
            await asyncio.sleep(0.01)

    async def after(self, what: str) -> tuple[float, float]:
        """Seconds until the struck request has its error (0 for a reload), and until the next one is answered."""
        began = time.perf_counter()
        struck_s = 0.0
        if what == "reload":
            await (await self._http.post(self._url + "/v1/reload")).read()
        else:
            worker = await self.worker()
            worker.suspend()
            struck = asyncio.create_task(self.hear())
            await asyncio.sleep(0.2)
            began = time.perf_counter()
            if what == "crash":
                worker.kill()
            status, _ = await struck
            assert status == (503 if what == "crash" else 504), status
            struck_s = time.perf_counter() - began
        status, _ = await self.hear()
        assert status == 200, status
        return struck_s, time.perf_counter() - began


async def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    settings = load_settings(given.config)
    batch = msgspec.structs.replace(settings.stt_batch, port=0, deadline_s=DEADLINE_S)
    settings: Settings = msgspec.structs.replace(settings, stt_batch=batch)
    daemon = build(settings, Secrets(TOKEN, *["unused-here-but-long"] * 4))
    running = asyncio.create_task(daemon.run())
    while not daemon.readiness.ready:
        assert not running.done(), running.result()
        await asyncio.sleep(0.05)
    print(
        f"{batch.engine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}\n"
    )
    print("| what | median s | worst s |\n|---|---|---|")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        bench = Bench(http, f"http://127.0.0.1:{daemon.port}")
        row("a phrase of 1.6 s", [(await bench.hear())[1] for _ in range(given.runs)])
        crashes = [await bench.after("crash") for _ in range(given.runs)]
        row("kill -9 under a request: its error after", [struck for struck, _ in crashes])
        row("... the next request's text after", [both for _, both in crashes])
        hung = await bench.after("hang")
        row(f"SIGSTOP under a request: its error (deadline {DEADLINE_S} s) after", [hung[0]])
        row("... the next request's text, after that error", [hung[1] - hung[0]])
        row("reload: the next request's text after", [(await bench.after("reload"))[1] for _ in range(given.runs)])
    daemon.stop.set()
    await running


def row(name: str, seconds: list[float]) -> None:
    """A line of the table."""
    print(f"| {name} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

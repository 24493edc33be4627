"""Measure the text-to-speech daemon: first audio, real-time factor, and how soon a cancel has left the thread.

Starts a daemon process of its own on a free port, speaks and interrupts through the conversation's client, and
writes `benchmark-results/tts-ENGINE-DATE.md`. Run: `.venv/bin/python scripts/bench_tts.py [--engine espeak]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import secrets
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from her_os.clients.tts_client import TtsClient
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import CancelledTurn, SidecarUnavailable

SENTENCES = (
    "Sure.",
    "Okay, I moved the meeting.",
    "Your timer for ten minutes is set.",
    "The capital of France is Paris, and it has about two million people.",
    "Your meeting with the doctor has moved to three thirty on Thursday afternoon.",
)
AHEAD_S = 4.0
LONG = "The quick brown fox jumps over the lazy dog near the river bank, and then it goes home. " * 40


@dataclass
class Measured:
    """Everything in milliseconds, except `real_time` (seconds of work a second of audio)."""

    first_audio: list[float] = field(default_factory=list[float])
    real_time: list[float] = field(default_factory=list[float])
    cancel_answered: list[float] = field(default_factory=list[float])
    thread_left: list[float] = field(default_factory=list[float])
    steps_after_cancel: int = 0
    states: dict[str, int] = field(default_factory=dict[str, int])


async def speak(client: TtsClient, session_id: str, text: str, measured: Measured) -> None:
    """Say one sentence as fast as it comes."""
    begin = time.perf_counter()
    first = 0.0
    size = 0
    async with client.speak(session_id, text) as stream:
        async for pcm in stream:
            first = first or time.perf_counter() - begin
            size += len(pcm)
    measured.first_audio.append(first * 1000)
    measured.real_time.append((time.perf_counter() - begin) / (size / 2 / CONVERSATION_RATE))


async def interrupt(client: TtsClient, session_id: str, after_s: float, measured: Measured) -> None:
    """Listen as a call does, a few seconds ahead of the ear, and cancel after a while."""

    async def listen() -> None:
        try:
            async with client.speak(session_id, LONG) as stream:
                ahead = 0.0
                async for pcm in stream:
                    ahead += len(pcm) / 2 / CONVERSATION_RATE
                    if ahead > AHEAD_S:
                        await asyncio.sleep(ahead - AHEAD_S)
                        ahead = AHEAD_S
        except CancelledTurn:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(after_s)
    begin = time.perf_counter()
    report = await client.cancel(session_id)
    if report.state == "running":
        measured.cancel_answered.append((time.perf_counter() - begin) * 1000)
        measured.thread_left.append(report.stopped_after_ms)
    measured.states[report.state] = measured.states.get(report.state, 0) + 1
    measured.steps_after_cancel += report.steps_after_cancel
    listening.cancel()  # it may be asleep, ahead of its ear
    await asyncio.wait({listening})


async def measure(url: str, token: str, *, rounds: int, cancels: int, calls: int) -> Measured:
    """`calls` conversations at once, each with its share of the work."""
    measured = Measured()
    chance = random.Random(1)

    async def call(client: TtsClient, number: int) -> None:
        for turn in range(rounds // calls):
            await speak(client, f"call-{calls}-{number}.{turn}", SENTENCES[turn % len(SENTENCES)], measured)
        for turn in range(cancels // calls):
            await interrupt(client, f"barge-{calls}-{number}.{turn}", chance.uniform(0.002, 0.08), measured)

    async with TtsClient(url, token) as client:
        await speak(client, f"warm.{calls}", "Ready.", Measured())
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                group.create_task(call(client, number))
    return measured


@asynccontextmanager
async def running_daemon(engine: str) -> AsyncIterator[tuple[str, str, psutil.Process]]:
    """A daemon of our own; its address, token and process."""
    token = secrets.token_hex(16)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        config, secret_file = Path(folder) / "her-os.yaml", Path(folder) / "secrets.env"
        config.write_text(f"tts:\n  engine: {engine}\n  port: {port}\n")
        names = ("STT_TOKEN", "TTS_TOKEN", "LLM_API_KEY", "PHONE_TOKEN", "LOADER_TOKEN")
        secret_file.write_text("".join(f"HER_OS_{name}={token}\n" for name in names))
        secret_file.chmod(0o600)
        environment = {**os.environ, "HER_OS_CONFIG": str(config), "HER_OS_SECRETS_FILE": str(secret_file)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "her_os.cli", "daemon", "tts", env=environment
        )
        try:
            await until_ready(url, token)
            yield url, token, psutil.Process(process.pid)
        finally:
            process.terminate()
            await process.wait()


async def until_ready(url: str, token: str) -> None:
    """Wait until a synthesis succeeds, and warm the way to it."""
    async with asyncio.timeout(60), TtsClient(url, token) as client:
        while True:
            try:
                await client.cancel("ready.0")
                await speak(client, "ready.1", "Ready.", Measured())
            except SidecarUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


def row(name: str, values: Sequence[float], unit: str) -> str:
    """One line of the table."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"| {name} | {len(ordered)} | {statistics.median(ordered):.3g} | {p95:.3g} | {ordered[-1]:.3g} | {unit} |"


def table(calls: int, measured: Measured) -> list[str]:
    """Heading and table of one measurement."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(measured.states.items()))
    return [
        f"## {calls} call{'s' if calls > 1 else ''} at once",
        "",
        "| measured | n | p50 | p95 | max | |",
        "|---|---|---|---|---|---|",
        row("request -> first audio at the client", measured.first_audio, "ms"),
        row("wall time a second of audio", measured.real_time, "s"),
        row("cancel -> synthesis thread has left (daemon's clock)", measured.thread_left, "ms"),
        row("cancel -> answer at the client", measured.cancel_answered, "ms"),
        "",
        f"Engine steps begun after a cancel: {measured.steps_after_cancel}. Cancels found their session: {states}.",
        "",
    ]


async def run(engine: str, rounds: int, cancels: int) -> list[str]:
    """Measure with one call and with two; the report's lines."""
    async with running_daemon(engine) as (url, token, process):
        lines = [
            f"# Text-to-speech daemon, {engine}",
            "",
            f"`scripts/bench_tts.py --engine {engine} --rounds {rounds} --cancels {cancels}`, "
            f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({platform.machine()}), load average "
            f"{os.getloadavg()[0]:.1f} at the start. {len(SENTENCES)} sentences of {len(SENTENCES[0])} to "
            f"{max(map(len, SENTENCES))} characters; interruptions 2 to 80 ms into a text of {len(LONG)} characters, "
            f"heard at most {AHEAD_S:.0f} s ahead. Client and daemon are separate processes.",
            "",
        ]
        for calls in (1, 2):
            lines += table(calls, await measure(url, token, rounds=rounds, cancels=cancels, calls=calls))
        memory = process.memory_info().rss / 2**20
        cpu = process.cpu_times()
        lines.append(f"The daemon took {cpu.user + cpu.system:.1f} s of CPU in all and holds {memory:.0f} MB.")
        return lines


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engine", default="flite")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--cancels", type=int, default=200)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    lines = asyncio.run(run(arguments.engine, arguments.rounds, arguments.cancels))
    out: Path = arguments.out or Path("benchmark-results") / f"tts-{arguments.engine}-{time.strftime('%Y-%m-%d')}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

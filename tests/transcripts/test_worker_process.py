"""Whatever a worker does, its file gets a reason, and nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import psutil
import pytest

from her_os.contracts.transcripts import Progress, Result, SpeechRequest
from her_os.transcripts.worker_process import WorkerFailed, WorkerLimits, WorkerProgram, run_worker

ROOT = Path(__file__).parents[2]
REQUEST = SpeechRequest(source="/tmp/some 'file' 🎧.wav")


def program(how: str, *, silence_s: float = 60, memory_mb: int = 0, total_s: float = 100) -> WorkerProgram:
    return WorkerProgram(
        command=[sys.executable, "-m", "tests.transcripts.hostile_worker", how],
        environment={**os.environ, "PYTHONPATH": str(ROOT)},
        limits=WorkerLimits(silence_s=silence_s, total_s=total_s, memory_mb=memory_mb, nice=0),
    )


async def run(how: str, progress: list[Progress] | None = None, **limits: float) -> Result:
    told = [] if progress is None else progress
    return await run_worker(program(how, **limits), "speech", REQUEST, told.append)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_pipe_is_left():
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_good_worker_reports_and_returns() -> None:
    told: list[Progress] = []
    result = await run("good", told)
    assert result.transcript is not None
    assert result.transcript.source == REQUEST.source
    assert told == [Progress(step="transcribe", done=1, total=2)]
    assert result.peak_rss_bytes > 1 << 20


async def test_what_libraries_print_goes_to_the_log_with_the_workers_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert (await run("prints")).transcript is not None
    assert "[speech] a library says hello" in caplog.messages
    assert "[speech] and so does its child" in caplog.messages


@pytest.mark.parametrize(
    ("how", "code", "words", "retry"),
    [
        ("die", "killed", "was killed", True),
        ("abort", "crashed", "SIGABRT", True),
        ("exit", "crashed", "status 7", True),
        ("garbage", "garbage", "could not be understood", True),
        ("wrong type", "garbage", "could not be understood", True),
        ("half", "garbage", "cut short", True),
        ("no room for a library", "out_of_memory", "ran out of memory", False),
        ("refuse", "recognition", "nobody can hear that", False),
        ("bug", "error", "ZeroDivisionError: a bug", True),
    ],
)
async def test_a_bad_end_has_a_reason(how: str, code: str, words: str, retry: bool) -> None:
    with pytest.raises(WorkerFailed, match=words) as failed:
        await run(how)
    assert (failed.value.code, failed.value.retry) == (code, retry)


@pytest.mark.parametrize("how", ["hang", "deaf", "grandchild"])
async def test_a_worker_that_hangs_is_ended_with_its_children(how: str) -> None:
    with pytest.raises(WorkerFailed, match="no sign of life") as failed:
        await run(how, silence_s=1)
    assert failed.value.code == "hang"
    assert failed.value.retry


async def test_a_worker_that_takes_forever_is_ended() -> None:
    with pytest.raises(WorkerFailed, match="not done after") as failed:
        await run("hang", total_s=1)
    assert failed.value.code == "timeout"


async def test_memory_beyond_the_limit_is_a_reason_and_no_reason_to_try_again() -> None:
    with pytest.raises(WorkerFailed, match="ran out of memory") as failed:
        await run("memory", memory_mb=1024)
    assert (failed.value.code, failed.value.retry) == ("out_of_memory", False)


async def test_cancel_is_prompt_and_leaves_nothing() -> None:
    begun = asyncio.Event()
    running = asyncio.create_task(run_worker(program("grandchild"), "speech", REQUEST, lambda _: begun.set()))
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    alive = [child for child in psutil.Process().children(recursive=True) if "hostile_worker" in child.cmdline()]
    assert not alive


async def test_a_program_that_is_not_there() -> None:
    missing = WorkerProgram(command=["/nowhere/python"], environment={}, limits=WorkerLimits())
    with pytest.raises(WorkerFailed, match="could not be started"):
        await run_worker(missing, "speech", REQUEST, lambda _: None)

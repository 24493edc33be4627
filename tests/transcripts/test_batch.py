"""A batch over real queues and real (or hostile) worker processes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from her_os.contracts.transcripts import (
    OutputWriter,
    Progress,
    Result,
    SpeechRequest,
    Stage,
    Summary,
    Transcript,
    WorkerRequest,
)
from her_os.transcripts.batch import Batch
from her_os.transcripts.queue import RecordingQueue
from her_os.transcripts.worker_process import WorkerFailed, WorkerLimits, WorkerProgram, run_worker
from tests.transcripts.hostile_worker import transcript_of

ROOT = Path(__file__).parents[2]


@dataclass
class Written:
    """An OutputWriter that remembers."""

    files: list[tuple[str, str, str]] = field(default_factory=list)
    full: bool = False

    def write(self, transcript: Transcript, summary: Summary) -> tuple[Path, ...]:
        if self.full:
            raise OSError(28, "No space left on device", "/somewhere/out.json")
        self.files.append((Path(transcript.source).name, summary.kind, summary.warning))
        return ()


class Hostile:
    """A StageRunner whose workers behave as the file's stem says, whatever the stage."""

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        how = Path(request.source).stem if isinstance(request, SpeechRequest) else "good"
        program = WorkerProgram(
            command=[sys.executable, "-m", "tests.transcripts.hostile_worker", how],
            environment={**os.environ, "PYTHONPATH": str(ROOT)},
            limits=WorkerLimits(memory_mb=0, nice=0),
        )
        return await run_worker(program, stage, request, on_progress)


class Scripted:
    """A StageRunner without processes. `fail` says which stages fail with which error."""

    def __init__(self, fail: dict[Stage, WorkerFailed] | None = None) -> None:
        self.fail, self.asked = fail or {}, list[Stage]()
        self.hold: asyncio.Event | None = None
        self.holding = asyncio.Event()

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        self.asked.append(stage)
        if stage == "language" and self.hold:
            self.holding.set()
            await self.hold.wait()
        if stage in self.fail:
            raise self.fail[stage]
        if isinstance(request, SpeechRequest):
            return Result(transcript=transcript_of(request.source))
        return Result(summary=Summary(kind="extractive"))


def queued(folder: Path, *names: str) -> tuple[RecordingQueue, list[Path]]:
    queue = RecordingQueue(folder / "queue.sqlite3", attempts=2)
    paths = [folder / f"{name}.wav" for name in names]
    for path in paths:
        path.write_bytes(b"sound")
        queue.add(path)
    return queue, paths


def batch_of(queue: RecordingQueue, runner: Hostile | Scripted, writer: OutputWriter) -> Batch:
    return Batch(queue, runner, writer)


async def test_a_bad_file_fails_and_the_batch_goes_on(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "good", "garbage", "die", "refuse", "dies once", "prints")
    written = Written()
    results = {Path(r.source).stem: r for r in await batch_of(queue, Hostile(), written).run(paths)}
    assert {name: result.status for name, result in results.items()} == {
        "good": "done", "garbage": "failed", "die": "failed", "refuse": "failed", "dies once": "done", "prints": "done",
    }  # fmt: skip
    assert results["refuse"].reason == "nobody can hear that"
    assert results["die"].code == "killed"
    assert sorted(name for name, _, _ in written.files) == ["dies once.wav", "good.wav", "prints.wav"]


async def test_once_more_where_that_can_help_and_quarantine_in_the_end(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one")
    runner = Scripted({"speech": WorkerFailed("killed", "it was killed", retry=True)})
    statuses = [(await batch_of(queue, runner, Written()).run(paths))[0].status for _ in range(3)]
    assert statuses == ["failed", "quarantined", "quarantined"]
    assert runner.asked == ["speech"] * 4  # twice in each run; in quarantine it is left alone


async def test_a_failed_summary_costs_only_the_summary(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one")
    written = Written()
    runner = Scripted({"language": WorkerFailed("crashed", "it crashed", retry=False)})
    (result,) = await batch_of(queue, runner, written).run(paths)
    assert result.status == "done"
    assert written.files == [("one.wav", "none", "no summary: it crashed")]
    assert result.warnings == ("no summary: it crashed",)


async def test_a_full_disk_is_a_reason(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one")
    (result,) = await batch_of(queue, Scripted(), Written(full=True)).run(paths)
    assert (result.status, result.reason) == ("failed", "/somewhere/out.json: No space left on device")
    (result,) = await batch_of(queue, Scripted(), Written()).run(paths)
    assert result.status == "done"


async def test_a_bug_fails_one_file_not_the_batch(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one", "two")

    class Buggy(Written):
        def write(self, transcript: Transcript, summary: Summary) -> tuple[Path, ...]:
            if transcript.source.endswith("one.wav"):
                raise ZeroDivisionError("a bug")
            return super().write(transcript, summary)

    results = await batch_of(queue, Scripted(), Buggy()).run(paths)
    assert [(result.status, result.reason) for result in results] == [
        ("failed", "ZeroDivisionError: a bug"),
        ("done", ""),
    ]


async def test_interrupted_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one", "two")
    held = Scripted()
    held.hold = asyncio.Event()
    running = asyncio.create_task(batch_of(queue, held, Written()).run(paths))
    await held.holding.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    runner, written = Scripted(), Written()
    results = await batch_of(queue, runner, written).run(paths)
    assert [result.status for result in results] == ["done", "done"]
    assert runner.asked == ["language", "speech", "language"]  # the first transcript was kept
    assert [name for name, _, _ in written.files] == ["one.wav", "two.wav"]


async def test_what_was_done_is_skipped(tmp_path: Path) -> None:
    queue, paths = queued(tmp_path, "one")
    await batch_of(queue, Scripted(), Written()).run(paths)
    runner = Scripted()
    (result,) = await batch_of(queue, runner, Written()).run(paths)
    assert (result.status, result.reason) == ("skipped", "done before")
    assert runner.asked == []

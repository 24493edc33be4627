"""Puts a batch together from the settings: for the command line and the dispatcher."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from her_os.contracts.transcripts import BatchObserver, OutputWriter, Progress, Result, Stage, WorkerRequest
from her_os.daemons.transcript_cluster import ClusterWorkers
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.household.call_facts import CallFactFinder
from her_os.household.call_index import CallIndex
from her_os.household.contacts import read_contacts
from her_os.settings import Settings
from her_os.settings.load import child_environment
from her_os.transcripts.batch import Batch
from her_os.transcripts.outputs.writer import FileWriter
from her_os.transcripts.queue import RecordingQueue
from her_os.transcripts.worker_process import WorkerLimits, WorkerProgram, run_worker


class WorkerProcesses:
    """A StageRunner: each stage in a process of its own, which ends with us however we end."""

    def __init__(self, settings: Settings, command: Sequence[str] = ()) -> None:
        wishes = settings.transcripts
        interpreter = RecogniserWishes.of(settings, "transcripts").interpreter
        self._command = tuple(command) or (interpreter(), "-m", "her_os.daemons.transcript_worker")
        self._environment = child_environment(settings)
        self._limits = WorkerLimits(
            silence_s=wishes.worker_silence_s,
            total_s=wishes.worker_total_s,
            memory_mb=wishes.worker_memory_mb,
            nice=wishes.worker_nice,
        )

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        """Raises WorkerFailed."""
        command = (*self._command, stage, "--die-with", str(os.getpid()))
        program = WorkerProgram(command=command, environment=self._environment, limits=self._limits)
        return await run_worker(program, stage, request, on_progress)


def open_queue(settings: Settings) -> RecordingQueue:
    """The queue of this house."""
    return RecordingQueue(
        settings.environment.state_dir / "transcripts.sqlite3", attempts=settings.transcripts.attempts
    )


def create_writer(settings: Settings, *, folder: Path | None = None) -> OutputWriter:
    """Writes transcripts into `folder` (default: the house's own) and into the index of the call log."""
    state = settings.environment.state_dir
    index = CallIndex(state / "call-index.sqlite3")
    return FileWriter(folder or state / "transcripts", index.put)


def create_batch(
    settings: Settings,
    writer: OutputWriter,
    *,
    queue: RecordingQueue | None = None,
    observer: BatchObserver | None = None,
) -> Batch:
    """A batch over the house's queue. Raises ConfigError for contacts that cannot be read."""
    wishes = settings.transcripts
    return Batch(
        queue or open_queue(settings),
        ClusterWorkers(settings) if wishes.cluster else WorkerProcesses(settings),
        writer,
        at_once=wishes.cluster_at_once if wishes.cluster else 1,
        observer=observer,
        facts=CallFactFinder(settings, read_contacts(settings)),
        summarise=wishes.summary,
    )

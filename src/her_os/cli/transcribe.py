"""`her-os transcribe`: files and folders of sound become transcripts and summaries. Goes on where it stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.table import shown
from her_os.contracts.errors import HerOsError
from her_os.contracts.transcripts import Progress as WorkerProgress
from her_os.contracts.transcripts import RecordingResult, Stage
from her_os.daemons.transcript_batch import create_batch, create_writer, open_queue
from her_os.daemons.transcript_mail import NoPostman, Postman, create_postman
from her_os.settings import Settings, load_secrets, load_settings
from her_os.transcripts.inbox import find_recordings, wait_until_written
from her_os.transcripts.observers import Several
from her_os.transcripts.queue import RecordingQueue

EXIT_INTERRUPTED = 130


def transcribe(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Sound or video files, or folders of them.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write (default: the house's own).")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was done before or is in quarantine.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write .json, .srt, .vtt, .txt and .md for each recording. Ctrl-C is safe: run it again to go on.

    With --json a line of JSON for each recording. Exit status 1 where one failed.
    """
    settings = load_settings(config)
    try:
        recordings = find_recordings(paths)
    except FileNotFoundError as error:
        raise HerOsError(f"{error.filename}: {error.strerror}") from error
    if not recordings:
        raise HerOsError("there is no sound or video file in " + ", ".join(str(path) for path in paths))
    with Watcher(as_json=as_json, total=len(recordings)) as watcher:
        status = asyncio.run(_run(settings, recordings, output.resolve() if output else None, again, watcher))
    raise typer.Exit(status)


async def _run(settings: Settings, recordings: list[Path], output: Path | None, again: bool, watcher: Watcher) -> int:
    """Exit status. A first Ctrl-C (or TERM) ends the workers and hands back what is unfinished."""
    work = asyncio.create_task(_work(settings, recordings, output, again, watcher), name="transcribe")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    await asyncio.wait({work})
    if work.cancelled():
        sys.stderr.write("her-os: interrupted; the same command goes on from here\n")
        return EXIT_INTERRUPTED
    return int(any(result.status in {"failed", "quarantined"} for result in work.result()))


async def _work(
    settings: Settings, recordings: list[Path], output: Path | None, again: bool, watcher: Watcher
) -> list[RecordingResult]:
    queue, postman = open_queue(settings), _postman(settings) if settings.mail.host else NoPostman()
    observer = Several(watcher, postman)
    batch = create_batch(settings, create_writer(settings, folder=output), queue=queue, observer=observer)
    lost = [result for path in recordings if (result := await _enqueue(queue, path, again))]
    for result in lost:
        observer.finished(result)
    gone = {result.source for result in lost}
    results = lost + await batch.run([path for path in recordings if str(path) not in gone])
    await postman.round()
    return results


def _postman(settings: Settings) -> Postman:
    return create_postman(settings, load_secrets(settings.environment.secrets_file))


async def _enqueue(queue: RecordingQueue, path: Path, again: bool) -> RecordingResult | None:
    """Put it in the queue once it is whole; a failure where it went away meanwhile."""
    try:
        await wait_until_written(path)
        await asyncio.to_thread(lambda: queue.add(path, again=again))
    except OSError as error:
        return RecordingResult(source=str(path), status="failed", code="input", reason=error.strerror or str(error))
    return None


class Watcher:
    """A BatchObserver that shows bars with the time left on a terminal, and a line for each recording that is done."""

    def __init__(self, *, as_json: bool, total: int) -> None:
        self._as_json = as_json
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._all = self._bars.add_task(f"{total} recordings", total=total)
        self._each: dict[str, tuple[TaskID, str]] = {}

    def __enter__(self) -> Watcher:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def began(self, source: Path, number: int, total: int) -> None:
        """A bar of its own."""
        task = self._bars.add_task(f"{number}/{total} {shown(source.name)}", total=None)
        self._each[str(source)] = (task, "")

    def progress(self, source: Path, stage: Stage, event: WorkerProgress) -> None:
        """Each step of a stage begins the bar anew."""
        if str(source) not in self._each:
            return
        task, before = self._each[str(source)]
        step = f"{stage}: {event.step}"
        if step != before:
            self._each[str(source)] = (task, step)
            self._bars.reset(task, total=event.total or None, description=f"{shown(source.name)} {step}")
        self._bars.update(task, completed=event.done, total=event.total or None)

    def finished(self, result: RecordingResult) -> None:
        """One line on stdout: words, or JSON."""
        if task := self._each.pop(result.source, None):
            self._bars.remove_task(task[0])
        self._bars.advance(self._all)
        if self._as_json:
            typer.echo(msgspec.json.encode(result).decode())
            return
        detail = ", ".join((result.reason, *result.warnings) if result.reason else result.warnings)
        typer.echo(f"{result.status:<11} {shown(result.source)}{'  ' if detail else ''}{shown(detail)}")

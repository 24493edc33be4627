"""her-os-transcripts: every finished call becomes a transcript and a summary. Drains what there is, then ends.

A systemd `.path` unit starts it when a recording is closed. A call that still goes on is left alone: its own end
starts it again. Exit status 0 also where a recording failed: it is in the queue with its reason.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from her_os.contracts.transcripts import BatchObserver, OutputWriter, RecordingResult
from her_os.daemons.transcript_batch import create_batch, create_writer, open_queue
from her_os.daemons.transcript_mail import Postman, create_postman
from her_os.household.call_facts import CallFactFinder
from her_os.household.contacts import read_contacts
from her_os.settings import Secrets, Settings
from her_os.transcripts.inbox import find_recordings, is_written
from her_os.transcripts.observers import QuietObserver, Several
from her_os.transcripts.queue import RecordingQueue

log = logging.getLogger(__name__)

_LOOK_S = 0.5


async def main(settings: Settings, secrets: Secrets) -> int:
    """Drain until nothing is left or a signal comes. Returns the exit status."""
    if not settings.transcripts.enabled:
        log.info("finished calls are not transcribed (transcripts.enabled is false)")
        return 0
    postman = create_postman(settings, secrets)
    draining = asyncio.create_task(_drain_and_tell(settings, postman), name="drain")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, draining.cancel)
    await asyncio.wait({draining})
    if draining.cancelled():
        log.info("interrupted; the next start goes on from here")
        return 0
    results = draining.result()
    log.info("%d transcribed, %d failed", _count(results, "done"), len(results) - _count(results, "done"))
    return 0


class StoryLog(QuietObserver):
    """A line for each recording; its file name tells the journal whose call it was."""

    def finished(self, result: RecordingResult) -> None:
        """What failed is told by the batch, with its reason."""
        if result.status == "done":
            log.info("%s: transcribed in %.1f s", result.source, result.seconds)


async def _drain_and_tell(settings: Settings, postman: Postman) -> list[RecordingResult]:
    """Also mail that an earlier run left is sent."""
    results = await drain(settings, create_writer(settings), Several(StoryLog(), postman))
    await postman.round()
    return results


async def drain(settings: Settings, writer: OutputWriter, observer: BatchObserver) -> list[RecordingResult]:
    """Work off every finished recording of the house, each at most once, and what comes in meanwhile."""
    queue = open_queue(settings)
    batch = create_batch(settings, writer, queue=queue, observer=observer)
    tried: dict[Path, RecordingResult] = {}
    facts = CallFactFinder(settings, read_contacts(settings))
    while new := await _finished(settings.environment.state_dir / "recordings", facts, set(tried)):
        waiting = [path for path in new if await asyncio.to_thread(_waits, queue, path)]
        tried |= {path: RecordingResult(source=str(path), status="skipped") for path in new}
        for result in await batch.run(waiting):
            tried[Path(result.source)] = result
    return [result for result in tried.values() if result.status != "skipped"]


async def _finished(folder: Path, facts: CallFactFinder, tried: set[Path]) -> list[Path]:
    """Recordings of calls that are over, not tried before, and whole on the disk: those first that rest.

    One that is still written to is waited for, but holds up no other. Empty when there are no more.
    """
    while True:
        over = [path for path in await _there(folder) if path not in tried and await _is_over(facts, path)]
        resting = [path for path in over if await asyncio.to_thread(is_written, path)]
        if resting or not over:
            return resting
        await asyncio.sleep(_LOOK_S)


async def _there(folder: Path) -> list[Path]:
    return await asyncio.to_thread(lambda: find_recordings([folder] if folder.is_dir() else []))


async def _is_over(facts: CallFactFinder, path: Path) -> bool:
    return (await asyncio.to_thread(facts, path)).finished


def _waits(queue: RecordingQueue, path: Path) -> bool:
    """Put it in the queue. A recording that was removed meanwhile does not wait."""
    try:
        return queue.add(path) == "waiting"
    except FileNotFoundError:
        return False


def _count(results: Sequence[RecordingResult], status: str) -> int:
    return sum(result.status == status for result in results)

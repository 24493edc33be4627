"""Starts the transcripts dispatcher when a recording is finished: the `.path` and `.timer` units without systemd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from her_os.service.child_process import ChildProcess
from her_os.service.line_sink import LineSink
from her_os.settings import Settings

log = logging.getLogger(__name__)

POLL_S, EVERY_S = 2.0, 600.0
"""How often the folder is looked at, and after how long the dispatcher runs anyway: mail may wait to be sent."""
_GRACE_S = 1.5

State = frozenset[tuple[str, int, int]]
"""Name, size and time of change (ns) of every recording."""


class Run(Protocol):
    """One run of the dispatcher to its end; ends it when cancelled."""

    async def __call__(self) -> None: ...


class DispatcherProcess:
    """The dispatcher as a child process, its lines in our log."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], sink: LineSink) -> None:
        environment = {
            name: value for name, value in environ.items() if name not in {"NOTIFY_SOCKET", "JOURNAL_STREAM"}
        }
        environment["PYTHONUNBUFFERED"] = "1"
        self._child = ChildProcess(command, environment, lambda line: sink.line("transcripts", line))

    async def __call__(self) -> None:
        """Its failures are in its own lines; the next change starts it again."""
        try:
            await self._child.start()
        except OSError as error:
            log.warning("transcripts could not be started: %s", error)
            return
        try:
            status = await self._child.wait()
        finally:
            await self._child.stop(_GRACE_S)
        if status:
            log.warning("transcripts ended with status %d; the next recording starts it again", status)


@asynccontextmanager
async def transcribing(settings: Settings, run: Run) -> AsyncGenerator[None]:
    """Meanwhile finished calls are transcribed, where the settings want it; a failure of this is logged only."""
    if not settings.transcripts.enabled:
        yield
        return
    folder = settings.environment.state_dir.expanduser() / "recordings"
    now = asyncio.get_running_loop().time
    watching = asyncio.create_task(watch_recordings(folder, run, now=now, poll_s=POLL_S), name="watch recordings")
    watching.add_done_callback(_tell_of_failure)
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("finished calls are no longer transcribed until the next start", exc_info=error)


async def watch_recordings(
    folder: Path,
    run: Run,
    *,
    now: Callable[[], float],
    poll_s: float = POLL_S,
    every_s: float = EVERY_S,
) -> None:
    """Run the dispatcher for what is there at first, for each new recording in `folder`, and every `every_s`.

    Never returns. While a call is recorded its file grows; it is new when it rests. `now` is monotonic seconds.
    """
    handled: State = frozenset()
    seen, ran_at = await asyncio.to_thread(_state, folder), now()
    while True:
        before = seen
        seen = await asyncio.to_thread(_state, folder)
        resting = seen & before  # another call may go on meanwhile
        if not resting <= handled or now() - ran_at >= every_s:
            handled = resting
            await run()
            ran_at = now()
        await asyncio.sleep(poll_s)


def _state(folder: Path) -> State:
    found: set[tuple[str, int, int]] = set()
    for path in folder.glob("*.wav") if folder.is_dir() else ():
        try:
            info = path.stat()
        except OSError:
            continue
        found.add((path.name, info.st_size, info.st_mtime_ns))
    return frozenset(found)

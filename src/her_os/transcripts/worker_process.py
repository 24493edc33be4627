"""Runs one worker process for one request, and leaves nothing of it behind.

The request and the events have pipes of their own, so what a library prints cannot corrupt them; stdout and stderr
go to the log. Memory, priority and time are limited from here, so no worker can forget to. Whatever ends a worker
early becomes a WorkerFailed with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from her_os.contracts.errors import HerOsError, ProtocolError
from her_os.contracts.transcripts import Failure, Progress, Result, WorkerRequest
from her_os.transcripts.framing import frame, read_event

log = logging.getLogger(__name__)

_LAST_WORDS_S = 5.0
_MAX_LINE = 1 << 16


class WorkerFailed(HerOsError):
    """A worker ended without a result. With `retry` another try may go well."""

    def __init__(self, code: str, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code, self.retry = code, retry


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """What a worker may take. 0 MB: as much address space as it likes (CUDA reserves far more than it uses)."""

    silence_s: float = 300.0
    """A worker that tells nothing for so long hangs."""
    total_s: float = 6 * 3600.0
    memory_mb: int = 4096
    nice: int = 10


@dataclass(frozen=True, kw_only=True)
class WorkerProgram:
    """How to start workers: `command` gets `--request-fd N --event-fd N` appended."""

    command: Sequence[str]
    environment: Mapping[str, str]
    limits: WorkerLimits


async def run_worker(
    program: WorkerProgram, name: str, request: WorkerRequest, on_progress: Callable[[Progress], None]
) -> Result:
    """Start a worker, hand it the request, return its result. Raises WorkerFailed.

    When this is cancelled, the worker and its children are killed before CancelledError goes on.
    """
    async with _started(program, name) as (process, request_pipe, events):
        feeding = asyncio.create_task(asyncio.to_thread(_feed, request_pipe, frame(request)), name=f"{name} request")
        following = asyncio.create_task(_follow(events, program.limits, on_progress), name=f"{name} events")
        ending = asyncio.create_task(process.wait(), name=f"{name} end")
        try:
            await asyncio.wait({following, ending}, return_when=asyncio.FIRST_COMPLETED)
            # What a dead worker has told is still in the pipe; only a stranger could hold it open for longer.
            await asyncio.wait({following}, timeout=_LAST_WORDS_S)
            outcome = following.result() if following.done() else None
            if outcome is None:
                await asyncio.wait({ending}, timeout=_LAST_WORDS_S)
            status = process.returncode
        finally:
            _kill_group(process)
            following.cancel()
            await asyncio.wait({following, ending, feeding})
    if outcome is None:
        raise _early_end(status)
    if isinstance(outcome, Failure):
        raise WorkerFailed(outcome.code, outcome.message, retry=outcome.retry)
    return outcome


async def _follow(
    events: asyncio.StreamReader, limits: WorkerLimits, on_progress: Callable[[Progress], None]
) -> Result | Failure | None:
    """Events up to the last one; None when the stream ends before."""
    try:
        async with asyncio.timeout(limits.total_s):
            while True:
                try:
                    async with asyncio.timeout(limits.silence_s):
                        event = await read_event(events)
                except TimeoutError:
                    message = f"it gave no sign of life for {limits.silence_s:g} s and was ended"
                    return Failure(code="hang", message=message, retry=True)
                except ProtocolError as error:
                    return Failure(code="garbage", message=f"it could not be understood: {error}", retry=True)
                if not isinstance(event, Progress):
                    return event
                on_progress(event)
    except TimeoutError:
        return Failure(code="timeout", message=f"it was not done after {limits.total_s:g} s and was ended")


@asynccontextmanager
async def _started(
    program: WorkerProgram, name: str
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, int, asyncio.StreamReader]]:
    """The process, the writing end of its requests (the user closes it) and its events."""
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for reading_is_ours in (False, True, True):
            reading, writing = os.pipe()
            ours.append(reading if reading_is_ours else writing)
            theirs.append(writing if reading_is_ours else reading)
        arguments = ["--request-fd", str(theirs[0]), "--event-fd", str(theirs[1])]
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command, *arguments,
                env=dict(program.environment), pass_fds=theirs[:2], start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=theirs[2], stderr=theirs[2],
            )  # fmt: skip
        except OSError as error:
            raise WorkerFailed("spawn", f"it could not be started: {error}", retry=True) from error
    except BaseException:
        for pipe in ours:
            os.close(pipe)
        raise
    finally:
        for pipe in theirs:
            os.close(pipe)
    _restrain(process.pid, program.limits)
    events, events_transport = await _reader(ours[1])
    output, output_transport = await _reader(ours[2])
    relay = asyncio.create_task(_relay(output, name), name=f"{name} output")
    try:
        yield process, ours[0], events
    finally:
        _kill_group(process)
        await process.wait()
        await asyncio.wait({relay}, timeout=_LAST_WORDS_S)
        relay.cancel()
        await asyncio.wait({relay})
        events_transport.close()
        output_transport.close()


async def _reader(pipe: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    stream = asyncio.StreamReader(limit=_MAX_LINE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(pipe, "rb", buffering=0)
    )
    return stream, transport


def _feed(pipe: int, message: bytes) -> None:
    """Write the request and close the pipe. A worker that does not read it dies or is killed, which ends this."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb", buffering=0) as file:
        left = memoryview(message)
        while left:
            left = left[file.write(left) :]


async def _relay(output: asyncio.StreamReader, name: str) -> None:
    """What the worker prints, line by line, cut where a line has no end."""
    rest = b""
    while chunk := await output.read(_MAX_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= _MAX_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            log.info("[%s] %s", name, line.decode(errors="replace"))
    if rest:
        log.info("[%s] %s", name, rest.decode(errors="replace"))


def _restrain(pid: int, limits: WorkerLimits) -> None:
    """Limit it from outside. What it is denied (a container without the right) is not worth a failed file."""
    with contextlib.suppress(OSError, psutil.Error):
        os.setpriority(os.PRIO_PROCESS, pid, limits.nice)
        if limits.memory_mb:
            size = limits.memory_mb << 20
            resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
        psutil.Process(pid).ionice(psutil.IOPRIO_CLASS_IDLE)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    """The worker and its children. Its number cannot belong to a stranger while we have not waited for it twice."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _early_end(status: int | None) -> WorkerFailed:
    if status is None:
        return WorkerFailed("hang", "it closed its pipe but did not end, and was killed", retry=True)
    if status == -signal.SIGKILL:
        return WorkerFailed("killed", "it was killed (by an operator, or by the system for its memory)", retry=True)
    if status < 0:
        return WorkerFailed("crashed", f"it crashed ({signal.Signals(-status).name})", retry=True)
    return WorkerFailed("crashed", f"it ended with status {status} before it was done; the log says more", retry=True)

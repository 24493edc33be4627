"""A child process in a session of its own, with its output handed on line by line.

Its own session keeps a terminal's Ctrl-C away from it: its parent decides the order in which things stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from her_os.service.held_start import GO, HELD

LineHandler = Callable[[str], None]
_MAX_LINE = 1 << 16
_SECOND_TERM_S = 1.0
_LAST_WORDS_S = 1.0


class ChildProcess:
    """One process at a time; `start` again after it has ended."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_line: LineHandler,
        *,
        workdir: Path | None = None,
        kill_after_s: float | None = None,
    ) -> None:
        self._command, self._environment, self._on_line = list(command), dict(environment), on_line
        self._workdir, self._kill_after_s = workdir, kill_after_s
        self._process: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Task[None] | None = None
        self._over = True

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self, *, held: bool = False) -> None:
        """Spawn it, `held`: until `release`. Raises OSError when the command cannot be executed."""
        await self._finish_relay()
        # The pipe is ours, not asyncio's: with its own, wait() would last until the last grandchild closes it.
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env={**self._environment, HELD: "1"} if held else self._environment,
                cwd=self._workdir,
                stdin=asyncio.subprocess.PIPE if held else asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._over = False
        self._relay = asyncio.create_task(_relay_lines(reading, self._on_line), name="relay lines")

    def release(self) -> None:
        """Tell a process that was started `held` that its turn has come."""
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None:
            pipe.write(GO)  # where it has ended meanwhile, asyncio drops this
            pipe.close()

    def abandon(self) -> None:
        """Close a held process's input without the word: it ends as if we were gone."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self) -> int:
        """Its exit status; whatever it left behind in its session is ended."""
        assert self._process is not None, "start it first"
        status = await self._process.wait()
        await self._clear_away()
        return status

    async def ended(self) -> None:
        """Wait for its end and touch nothing: for who looks on beside the one who waits."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """TERM, a second TERM after `grace_s` (llama-server ignores a first one while it streams), KILL."""
        if self._process is None or self._over:
            return
        last_wait_s = _SECOND_TERM_S if self._kill_after_s is None else max(0.0, self._kill_after_s - grace_s)
        for wait_s in (grace_s, last_wait_s):
            self._signal_leader(signal.SIGTERM)
            self._signal_leader(signal.SIGCONT)  # a stopped process could not hear
            if await self._ended_within(wait_s):
                break
        self._signal_group(signal.SIGKILL)
        await self._process.wait()
        await self._clear_away()

    def kill(self) -> None:
        """End it and everything in its session at once."""
        self._signal_group(signal.SIGKILL)

    async def _clear_away(self) -> None:
        """End what is left of its session, once: later its number may belong to a stranger."""
        self._signal_group(signal.SIGKILL)
        self._over = True
        await self._finish_relay()

    async def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _signal_leader(self, number: signal.Signals) -> None:
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None and not self._over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _finish_relay(self) -> None:
        """Read what is left in the pipe, but do not wait for a stranger that still holds it open."""
        relay, self._relay = self._relay, None
        if relay is not None:
            try:
                await asyncio.wait({relay}, timeout=_LAST_WORDS_S)
            finally:
                relay.cancel()
                await asyncio.wait({relay})


async def _relay_lines(pipe: int, on_line: LineHandler) -> None:
    """Hand on whole lines until the pipe is closed at the other end, then close it."""
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        await _split_lines(stream, on_line)
    finally:
        transport.close()


async def _split_lines(stream: asyncio.StreamReader, on_line: LineHandler) -> None:
    """A line without end is cut at 64 KiB, so that memory stays bounded."""
    rest = b""
    while chunk := await stream.read(_MAX_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= _MAX_LINE:
            lines.append(rest)
            rest = b""
        for line in lines:
            on_line(line.decode(errors="replace"))
    if rest:
        on_line(rest.decode(errors="replace"))

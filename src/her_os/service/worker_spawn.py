"""Starts a worker process with a socket to it, limited from here, so that no worker can forget to limit itself."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import select
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from her_os.service.frame_socket import FrameSocket

log = logging.getLogger(__name__)
_NOT_FOR_WORKERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "HER_OS_HELD")


@dataclass(frozen=True, kw_only=True)
class WorkerProgram:
    """How to start a worker: `command` gets `--socket N --die-with PID` appended.

    0 MB: as much address space as it likes (CUDA reserves far more than it uses).
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    memory_mb: int = 0
    nice: int = 0
    load_s: float = 120.0
    """A model that is not loaded by then hangs."""


class SpawnedWorker:
    """One process. It is killed when the thread that made this ends. Raises OSError where it cannot be started."""

    def __init__(self, program: WorkerProgram) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                number = theirs.fileno()
                self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                    [*program.command, "--socket", str(number), "--die-with", str(os.getpid())],
                    env={key: value for key, value in program.environment.items() if key not in _NOT_FOR_WORKERS},
                    stdin=subprocess.DEVNULL,
                    pass_fds=(number,),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        self._pidfd = os.pidfd_open(self._process.pid)  # unlike its number it never means another process
        self.frames = FrameSocket(ours)
        self._restrain(program)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self, patience_s: float | None = None) -> bool:
        """Until it has ended; False when it has not after `patience_s`."""
        return bool(select.select([self._pidfd], [], [], patience_s)[0])

    def ended_how(self, patience_s: float) -> str:
        """For people: how it ended. One that does not is killed."""
        if not self.wait(patience_s):
            self.kill()
            return "closed its socket and was ended"
        end = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        assert end is not None
        if end.si_code == os.CLD_EXITED:
            return f"ended with status {end.si_status}"
        if end.si_status == signal.SIGKILL:
            return "was killed (by an operator, or by the system for its memory)"
        return f"crashed ({signal.Signals(end.si_status).name})"

    def close(self) -> None:
        """End it and free all there is of it. Nothing may be asked of this any more."""
        self.kill()
        self._process.wait()
        self.frames.close()
        os.close(self._pidfd)

    def _restrain(self, program: WorkerProgram) -> None:
        size = program.memory_mb << 20
        try:
            if size:
                resource.prlimit(self.pid, resource.RLIMIT_AS, (size, size))
            if program.nice > os.getpriority(os.PRIO_PROCESS, self.pid):
                os.setpriority(os.PRIO_PROCESS, self.pid, program.nice)
        except OSError as error:
            log.warning("%s runs without its limits of memory and priority (%s)", program.name, error.strerror)

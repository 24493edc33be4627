"""Processes of this machine: whose a port is, which are ours, how one is ended, what belongs to one."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import psutil

SPAWNED_BY = "HER_OS_SPAWNED_BY"
"""Environment of every process that `her-os run` spawns: `PID:START` of the supervisor, which survives an exec."""
_KILL_WAIT_S = 2.0


def own_mark() -> str:
    """The mark of this process, told apart from a later one with the same number by its start time."""
    return _mark(psutil.Process())


def spawned_by(pid: int) -> str:
    """The mark that a process carries; empty where it has none, or does not let us look."""
    try:
        return psutil.Process(pid).environ().get(SPAWNED_BY, "")
    except (psutil.Error, OSError):
        return ""


def mark_lives(mark: str) -> bool:
    """Whether the supervisor that made the mark still runs."""
    number = mark.partition(":")[0]
    try:
        return number.isdecimal() and _mark(psutil.Process(int(number))) == mark
    except psutil.Error:
        return False


def family_of(pid: int) -> set[int]:
    """A process and everything below it."""
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return set()


def end_process(pid: int, grace_s: float) -> str:
    """TERM, wait, KILL, wait. Returns `TERM` or `KILL`; empty where it could not be ended. Blocks.

    Never ends this process, one of its ancestors or the init process.
    """
    forbidden = {1, os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    if pid in forbidden:
        return ""
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        if _gone(process, grace_s):
            return "TERM"
        process.kill()
        return "KILL" if _gone(process, _KILL_WAIT_S) else ""
    except psutil.NoSuchProcess:
        return "TERM"
    except psutil.Error:
        return ""


def socket_is_stale(path: Path) -> bool | None:
    """Whether nobody listens on a socket file; None where it is no socket or not there."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return None
    except OSError:
        return None
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                continue
            except OSError:
                continue
            return False
    return True


def _mark(process: psutil.Process) -> str:
    return f"{process.pid}:{process.create_time():.2f}"


def _gone(process: psutil.Process, timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True

"""A child that cannot outlive its supervisor.

The kernel delivers a signal of our choice when the parent *thread* that spawned us ends (prctl(2),
PR_SET_PDEATHSIG). SIGKILL, because after the supervisor's death nobody would be left to follow up a SIGTERM
that is ignored (llama-server ignores one while a stream is active). The wish survives `exec`, so a daemon that
becomes `llama-server` keeps it. It does not pass to grandchildren: a daemon that spawns calls this in each.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent, `parent_pid`, dies. Exits if that has happened already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # it died between our birth and the line above
        raise SystemExit(128 + int(signal.SIGKILL))


def main(parent_pid: str, *command: str) -> None:
    """Become a program that dies with its parent: `python -m her_os.service.parent_death PID PROGRAM ARGUMENT...`."""
    die_with_parent(int(parent_pid))
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])

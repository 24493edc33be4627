"""Who owns something that is in the works, so that what a dead process left can be told from what a live one does."""

from __future__ import annotations

from pathlib import Path

import psutil


def own_identity() -> str:
    """This process as `PID:START:BOOT`: a process id alone may belong to a stranger by the time it is looked up."""
    return _identity(psutil.Process())


def is_alive(owner: str) -> bool:
    """Whether the process that called itself `owner` still runs. Anything that is no identity is dead."""
    try:
        process = psutil.Process(int(owner.split(":")[0]))
        return process.status() != psutil.STATUS_ZOMBIE and _identity(process) == owner
    except (ValueError, psutil.Error):
        return False


def _identity(process: psutil.Process) -> str:
    return f"{process.pid}:{process.create_time():.2f}:{_boot_id()}"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""

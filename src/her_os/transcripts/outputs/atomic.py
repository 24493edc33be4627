"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from her_os.transcripts.process_identity import is_alive, own_identity


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write beside `path`, sync, rename: a reader finds the old file or the new one. Raises OSError.

    The name while it is written begins with a dot, so neither a folder scan nor a person takes it for a result.
    """
    owner = own_identity().replace(":", "_")  # a colon is no letter on every file system
    temporary = path.with_name(f".her-os-{owner}-{secrets.token_hex(4)}.tmp")  # its own length: a long name stays legal
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed writer left in `folder`. What a live process writes is left alone. Raises OSError."""
    for leftover in folder.glob(".her-os-*.tmp"):
        owner = leftover.name.removeprefix(".her-os-").rpartition("-")[0].replace("_", ":")
        if not is_alive(owner):
            leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new name, too, must survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

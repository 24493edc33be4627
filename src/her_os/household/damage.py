"""A SQLite file that is damaged: how that is told from other trouble, and how the file makes room for a new one."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_COMPANIONS = ("", "-wal", "-shm")


def refuse_damage(db: sqlite3.Connection) -> None:
    """Look through the whole file. Raises sqlite3.DatabaseError when it is damaged."""
    [verdict] = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(" ".join(verdict.split()))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is what is wrong; not that it is locked, or somebody else's, or the disk full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def move_aside(path: Path) -> Path:
    """Rename a database with its log and index files to `NAME.damaged-TIME`; returns the new path of the first."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for companion in _COMPANIONS:
        file = path.with_name(path.name + companion)
        if file.exists():
            file.rename(aside.with_name(aside.name + companion))
    return aside

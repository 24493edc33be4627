"""Which files are recordings, and whether one is still being written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".wma", ".webm", ".mkv", ".mov", ".avi"}
    | {".mpg", ".mpeg", ".3gp", ".aiff", ".aif", ".au"}
)


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Files as they are named, folders with all sound and video files below; absolute, each once, sorted by name.

    Hidden files are left out of folders. Raises FileNotFoundError for a path that is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (file for file in path.resolve().rglob("*") if _is_recording(file, path.resolve()))
            found.update(dict.fromkeys(sorted(below)))
        elif path.exists():
            found[path.resolve()] = None
        else:
            raise FileNotFoundError(2, "there is no such file or folder", str(path))
    return list(found)


def _is_recording(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


_QUIET_S = 2.0


def is_written(path: Path, *, now: Callable[[], float] = time.time) -> bool:
    """Whether the file has rested for two seconds, or is gone. `now` is the time of day."""
    try:
        return _age_s(path, now) >= _QUIET_S
    except OSError:
        return True


async def wait_until_written(
    path: Path, *, quiet_s: float = _QUIET_S, now: Callable[[], float] = time.time, poll_s: float = 0.2
) -> None:
    """Wait while the file is being written: until it has not changed for `quiet_s`. `now` is the time of day.

    Raises OSError when it goes away meanwhile.
    """
    while await asyncio.to_thread(_age_s, path, now) < quiet_s:  # noqa: ASYNC110 - a file tells nobody when it is whole
        await asyncio.sleep(poll_s)


def _age_s(path: Path, now: Callable[[], float]) -> float:
    """Since the last change. A time ahead of ours came from elsewhere, and is as good as old."""
    return abs(now() - path.stat().st_mtime)

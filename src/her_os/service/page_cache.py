"""Bring files into the kernel's page cache, so that who loads them next does not wait for the disk."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path

_CHUNK = 1 << 20


def touch_by_mapping(files: Iterable[Path]) -> int:
    """Map each file and read one byte of each page: for models, which are mapped by who loads them.

    Returns how many bytes are in memory now. Blocks: call it in a thread. A file that cannot be read is left out.
    """
    total = 0
    for file in files:
        try:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                mapped.madvise(mmap.MADV_WILLNEED)
                sum(mapped[:: mmap.PAGESIZE])
                total += len(mapped)
        except (OSError, ValueError):  # an empty file cannot be mapped
            continue
    return total


def touch_by_reading(files: Iterable[Path]) -> int:
    """Read each file through: for small ones such as tokenizers. See `touch_by_mapping`."""
    total = 0
    for file in files:
        try:
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                while chunk := opened.read(_CHUNK):
                    total += len(chunk)
        except OSError:
            continue
    return total

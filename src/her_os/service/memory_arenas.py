"""Few heaps for many threads: glibc gives each thread that allocates a heap of its own, and keeps what it once held.

A phone loop starts threads for every call; with glibc's default of eight heaps a core it grew by 25 MiB from 88 over 54
calls, with two by 4 over 36 (`scripts/soak.py`). See `mallopt(3)`; the environment's MALLOC_ARENA_MAX wins where it is
set.
"""

from __future__ import annotations

import ctypes
import os

_M_ARENA_MAX = -8
_ARENAS = 2


def share_memory_arenas() -> None:
    """Call before the first thread starts. Does nothing where the C library is not glibc."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)

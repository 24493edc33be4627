"""A daemon's memory over many calls: few heaps for many threads, and what a call leaves is found soon.

glibc gives each thread that allocates a heap of its own and keeps what it once held; a phone loop starts threads for
every call. See `mallopt(3)`; the environment's MALLOC_ARENA_MAX wins where it is set. And what a call leaves is one
big reference cycle, which Python finds when it looks at its oldest generation: seldom, and with all imports in it. What
was there at the start is taken out, and it is looked at three times as often.
"""

from __future__ import annotations

import ctypes
import gc
import os

_M_ARENA_MAX = -8
_ARENAS = 2
_OLDEST_AFTER = 3
"""Looks at the middle generation before one at the oldest (Python's default: 10)."""


def share_memory_arenas() -> None:
    """Call before the first thread starts. Does nothing where the C library is not glibc."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def keep_what_is_loaded() -> None:
    """Call once, when all is loaded: the garbage collector never looks at it again."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _OLDEST_AFTER)

"""A daemon's memory over many calls: few heaps for many threads, and what a call leaves is found soon.

glibc gives each thread that allocates a heap of its own and keeps what it once held; a phone loop starts threads for
every call. See `mallopt(3)`; the environment's MALLOC_ARENA_MAX wins where it is set. And Python looks for dropped
reference cycles in its oldest generation only when that has grown by a quarter, which after the imports of a daemon is
many calls: what was there at the start is taken out of it, which makes those looks short as well as frequent.
"""

from __future__ import annotations

import ctypes
import gc
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


def keep_what_is_loaded() -> None:
    """Call once, when all is loaded: the garbage collector never looks at it again."""
    gc.collect()
    gc.freeze()

"""Threads that allocate share two heaps."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALLOCATE = """
import ctypes, sys, threading
from her_os.service.memory import share_memory_arenas
if sys.argv[1] == "shared":
    share_memory_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
both = threading.Barrier(6)
def work():
    both.wait()
    libc.malloc(1_000)
    both.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_six_threads_share_two_heaps() -> None:
    def arenas(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", ALLOCATE, how], capture_output=True, text=True, check=True)
        return done.stderr.count("Arena ")

    assert arenas("shared") == 2
    assert arenas("apart") > 2


LOADED = """
import gc
from her_os.service.memory import keep_what_is_loaded
keep_what_is_loaded()
print(gc.get_freeze_count() > 1_000, len(gc.get_objects(2)) < 100, gc.get_threshold()[2] < 10)
"""


def test_what_is_loaded_is_never_looked_at_again() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 3

"""`python -m her_os.service.cuda_largest_block [INDEX]`: the largest piece of the card's memory to be had, in MB.

By the driver's own library (libcuda.so.1), no torch: halving until the difference is a few MB. The context it makes
takes some memory itself, and goes with the process. Exit status 1 where there is no library or no card.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_MIB = 1 << 20
_STEP = 8 * _MIB


def largest(free_bytes: int, can_have: Callable[[int], bool], step: int = _STEP) -> int:
    """The largest size up to `free_bytes` that `can_have`, to within `step`."""
    low, high = 0, free_bytes
    if can_have(high):
        return high
    while high - low > step:
        middle = (low + high) // 2
        if can_have(middle):
            low = middle
        else:
            high = middle
    return low


def main(index: int) -> int:
    """Print it. Returns the exit status."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 1
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), index):
        return 1
    if cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device):
        return 1
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)):
        return 1

    def can_have(size: int) -> bool:
        pointer = ctypes.c_uint64()
        if cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size)):
            return False
        cuda.cuMemFree_v2(pointer)
        return True

    sys.stdout.write(f"{largest(free.value, can_have) / _MIB:.1f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))

"""Free ports for daemons that tests start: below the range that the kernel hands out by itself, never one twice.

Every test process begins somewhere else and goes on from there, so that two at once do not take each other's.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket

_LOWEST, _HIGHEST = 10_000, 32_000
_place = random.Random(os.getpid()).randrange(_LOWEST, _HIGHEST)


def free_port() -> int:
    """A port that is free on loopback, for TCP and for UDP."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row; an even one, as RTP wants it, if they are several."""
    global _place
    while True:
        first = _place if count == 1 else _place + _place % 2
        _place = first + count if first + 2 * count < _HIGHEST else _LOWEST
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with contextlib.ExitStack() as probes:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            probe = probes.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True

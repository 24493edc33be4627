"""Datagrams with the kernel's own time of arrival, and a wake-up for the thread that waits for them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time

from her_os.telephony.rtp.latch import Address
from her_os.telephony.rtp.packet import MAX_DATAGRAM_BYTES

_SO_TIMESTAMPNS = 35
"""From asm-generic/socket.h; the socket module has no name for it."""

_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_NICE = -11


def stamp_arrivals(sock: socket.socket) -> None:
    """Ask the kernel to stamp each datagram; without that, the time of reading it is used."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive(sock: socket.socket) -> tuple[bytes, Address, float] | None:
    """The next datagram, its source, and its arrival on the clock of `time.monotonic()`; None when there is none.

    A datagram beyond MAX_DATAGRAM_BYTES comes one byte longer than that, so it is refused by the parser.
    """
    try:
        data, ancillary, _, source = sock.recvmsg(MAX_DATAGRAM_BYTES + 1, _ANCILLARY_BYTES)
    except OSError:
        return None
    now = time.monotonic()
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(value) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            age = time.time() - (seconds + nanoseconds / 1e9)
            if 0 <= age < 1:
                now -= age
    return data, (source[0], source[1]), now


class Waiter:
    """Waits for sockets to be readable until it is woken for good."""

    def __init__(self, *sockets: socket.socket) -> None:
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        for fileno in (*self._sockets, self._wake):
            self._poll.register(fileno, select.POLLIN)

    def wait(self) -> list[socket.socket] | None:
        """The readable sockets; None once woken."""
        ready = {fileno for fileno, _ in self._poll.poll()}
        return None if self._wake in ready else [self._sockets[fileno] for fileno in ready]

    def wake(self) -> None:
        """Every `wait`, now and later, returns None."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        os.close(self._wake)


def favour_this_thread() -> None:
    """Let the scheduler prefer this thread where the process may ask for it; media is small and due."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

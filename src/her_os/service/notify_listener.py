"""The other end of sd_notify: what a supervisor without systemd listens on, one socket a daemon.

Source: sd_notify(3): a datagram of `NAME=value` lines on an AF_UNIX socket. The socket lies in a private
folder, so only processes of this user can speak to it.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from her_os.service.held_start import PREPARED

_MAX_DATAGRAM = 8192


class NotifyListener:
    """Remembers what one daemon said. Event loop only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ready = False
        self.prepared = asyncio.Event()
        """Set when a daemon that is held has done all it can before its turn."""
        self.status = ""
        self.watchdogs = 0
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen, forgetting what an earlier life said."""
        self.close()
        self.ready, self.status, self.watchdogs = False, "", 0
        self.prepared.clear()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.bind(str(self.path))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive, self._socket)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self.path.unlink(missing_ok=True)

    def _receive(self, listening: socket.socket) -> None:
        try:
            datagram = listening.recv(_MAX_DATAGRAM)
        except BlockingIOError:
            return
        for line in datagram.decode(errors="replace").splitlines():
            name, _, value = line.partition("=")
            if name == "READY" and value == "1":
                self.ready = True
            elif name == PREPARED:
                self.prepared.set()
            elif name == "STATUS":
                self.status = value
            elif name == "WATCHDOG":
                self.watchdogs += 1

"""Local UDP ports for media: pairs of an even RTP port and the odd RTCP port above it (RFC 3550 section 11)."""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import dataclass, field

from her_os.contracts.errors import CapacityError, ConfigError

_RECEIVE_BUFFER_BYTES = 64 * 1024
"""A third of a second of G.711 with its headers and the kernel's overhead: an old backlog is worth nothing."""

_TOS_EXPEDITED_FORWARDING = 0xB8
_NOT_OUR_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@dataclass
class PortPair:
    """Two bound, non-blocking sockets. `close` gives the ports back. Idempotent."""

    rtp: socket.socket
    rtcp: socket.socket
    port: int
    _pool: PortPool = field(repr=False)

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()
        self._pool.release(self.port)


class PortPool:
    """The range of ports that media may use. Thread-safe.

    Raises ConfigError for a range without a pair.
    """

    def __init__(self, min_port: int, max_port: int) -> None:
        first = min_port + min_port % 2
        self._ports = list(range(first, max_port, 2))
        if not self._ports or min_port < 1 or max_port > 65_535:
            raise ConfigError(f"RTP needs an even and an odd port, {min_port} to {max_port} has none")
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    def open(self, host: str) -> PortPair:
        """Bind the next free pair on `host`; the longest unused comes first, so that strays of an old call miss.

        Raises CapacityError when every pair is taken (by us or by another program), ConfigError when the host is
        not an address of this machine.
        """
        with self._lock:
            for port in list(self._ports):
                if port in self._taken:
                    continue
                self._ports.remove(port)
                self._ports.append(port)
                sockets = _bind_pair(host, port)
                if sockets is not None:
                    self._taken.add(port)
                    return PortPair(*sockets, port, self)
        raise CapacityError(f"no free pair of RTP ports among {len(self._ports)}; widen phone.rtp_port_min to _max")

    def release(self, port: int) -> None:
        """The pair at `port` is closed. Idempotent."""
        with self._lock:
            self._taken.discard(port)


def _bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    try:
        family, _, _, _, _ = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    except socket.gaierror as error:
        raise ConfigError(f"{host!r} is not a numeric address to bind media to: {error}") from error
    opened: list[socket.socket] = []
    try:
        for number in (port, port + 1):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            opened.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TOS_EXPEDITED_FORWARDING)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TOS_EXPEDITED_FORWARDING)
            sock.bind((host, number))
    except OSError as error:
        for sock in opened:
            sock.close()
        if error.errno in _NOT_OUR_ADDRESS:
            raise ConfigError(f"media cannot be bound to {host}: {error.strerror}") from error
        return None
    return opened[0], opened[1]

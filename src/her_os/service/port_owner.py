"""Is a port free, and if not, whose is it?"""

from __future__ import annotations

import errno
import shlex
import socket
from dataclasses import dataclass
from typing import Literal

import psutil

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True)
class PortOwner:
    """Who holds a port. `pid` is None where the system does not tell us (another user's process)."""

    pid: int | None
    command: str


def port_is_free(host: str, port: int, transport: Transport) -> bool:
    """Whether `host:port` can be bound now. An address that is not ours counts as free: binding will say so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind | socket.SOCK_CLOEXEC) as probe:
        if transport == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return True
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def why_not_ours(host: str, transport: Transport) -> str:
    """Why nothing can listen on the address `host`, whatever the port; empty where it can."""
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=kind, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind | socket.SOCK_CLOEXEC) as probe:
            probe.bind(address)
    except PermissionError:
        return ""  # a sandbox that allows our own port only
    except OSError as error:
        return error.strerror or str(error)
    return ""


def find_port_owner(port: int, transport: Transport) -> PortOwner:
    """The process that holds the port, as far as we may know."""
    for connection in psutil.net_connections(kind=transport):
        listening = transport == "udp" or connection.status == psutil.CONN_LISTEN
        if listening and connection.laddr and connection.laddr.port == port and connection.pid:
            return PortOwner(connection.pid, _command(connection.pid))
    return PortOwner(None, "a process of another user")


def _command(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return shlex.join(process.cmdline()) or process.name()
    except psutil.Error:
        return "a process that has just ended"

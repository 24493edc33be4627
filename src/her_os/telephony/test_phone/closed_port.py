"""Whether a port of this machine is closed: it says so at once, where a SIP timeout takes half a minute."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket

_NOTHING = b"\r\n\r\n"
"""A keep-alive (RFC 5626, section 3.5.1), which every SIP endpoint ignores."""
_PATIENCE_MS = 20


def nobody_listens(host: str, port: int) -> bool:
    """True when the kernel refuses datagrams for this UDP port of loopback; False where it cannot be known."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if not address.is_loopback:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((host, port))
        probe.send(_NOTHING)
        poll = select.poll()
        poll.register(probe, 0)  # errors are always told
        poll.poll(_PATIENCE_MS)
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
    return False

"""Where phones reach this machine: the addresses that SIP listens on, as seen from the house."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from her_os.settings.schema import Phone

_WIDE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
_SOMEWHERE_ELSE = ("198.51.100.1", 9)
"""Of TEST-NET-2 (RFC 5737): asks the routing table, reaches nobody."""


def house_addresses(phone: Phone) -> list[str]:
    """Addresses that a phone in the house can be pointed at, the likeliest first."""
    if listens_here_only(phone):
        return []
    if phone.advertised_host:
        return [phone.advertised_host]
    if phone.sip_host in _WIDE:
        outward = _outward_address()
        return sorted(_own_addresses(), key=lambda address: address != outward)
    return [phone.sip_host]


def listens_here(phone: Phone) -> bool:
    """Whether a phone on this machine can call 127.0.0.1."""
    return phone.sip_host in {*_WIDE, "127.0.0.1", "localhost"}


def listens_here_only(phone: Phone) -> bool:
    """Whether no other machine can reach SIP, whatever is advertised."""
    return _is_loopback(phone.sip_host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_addresses() -> list[str]:
    """This machine's IPv4 addresses that other machines may reach."""
    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET
    ]
    return [a for a in found if not (ip := ipaddress.ip_address(a)).is_loopback and not ip.is_link_local]


def _outward_address() -> str:
    """The address that routes away from here; empty without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE_ELSE)
        except OSError:
            return ""
        return str(probe.getsockname()[0])

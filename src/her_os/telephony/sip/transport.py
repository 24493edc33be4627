"""One UDP socket that SIP messages come in and go out by."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from her_os.contracts.errors import ConfigError
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
_WILDCARDS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound


class UdpTransport(asyncio.DatagramProtocol):
    """Hands every datagram with its source to `on_datagram`, on the event loop."""

    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self.host, self.port = "", 0

    async def open(self, host: str, port: int) -> None:
        """Bind; port 0 takes a free one. Raises ConfigError when the port is taken or the address not ours."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise explain(error, host, port) from error
        self._transport = transport
        self.host, self.port = transport.get_extra_info("sockname")[:2]

    def send(self, data: bytes, destination: Address) -> None:
        """Send now; the network may lose it, which retransmissions make good."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, destination)

    async def close(self) -> None:
        """Close and wait until the socket is gone. Idempotent."""
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def local_host_for(self, peer: str) -> str:
        """Our address as the peer sees it: the bound one, or the one that routes there."""
        if self.host not in _WILDCARDS:
            return self.host
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((peer, 9))
            except OSError:
                return "::1" if family == socket.AF_INET6 else "127.0.0.1"
            return probe.getsockname()[0]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        log.debug("SIP socket: %s", exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()


def explain(error: OSError, host: str, port: int, kind: str = "udp", field: str = "phone.sip_port") -> ConfigError:
    """Why we cannot listen there, and what to do."""
    what = f"cannot listen on {host}:{port}/{kind}: {error.strerror or error}"
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        return ConfigError(f"{what}; stop the program that has it, or choose another port", field=field)
    return ConfigError(f"{what}; expected an address of this machine, or 0.0.0.0", field="phone.sip_host")

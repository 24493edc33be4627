"""SIP over TCP and TLS: connections that phones open to us, and those that we open to a PBX (RFC 3261, section 18).

A request's answer goes back on the connection it came by, and so do our own requests to that peer: a phone behind a
router can be reached in no other way.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable

from her_os.contracts.errors import ConfigError, ProtocolError
from her_os.telephony.sip.framing import PONG, MessageFramer
from her_os.telephony.sip.via import Address, StreamAddress, StreamProtocol

log = logging.getLogger(__name__)

MAX_CONNECTIONS, MAX_A_HOST = 500, 20
FIRST_MESSAGE_S = 20.0
"""Who connects and says nothing is let go."""
IDLE_S = 2 * 3600.0
CONNECT_S = 5.0
MAX_UNSENT_BYTES = 1 << 20
"""A peer that does not read any more is cut off."""
OnMessage = Callable[[bytes, Address], None]


class StreamTransport:
    """All TCP and TLS connections of one user agent. Event loop only."""

    def __init__(self, on_message: OnMessage, *, client_tls: ssl.SSLContext | None = None) -> None:
        self._on_message = on_message
        self.client_tls = client_tls
        """How peers that we connect to by TLS must prove who they are; None: by the system's certificates."""
        self._servers: list[asyncio.Server] = []
        self._connections: dict[StreamAddress, _Connection] = {}
        self._opening: dict[StreamAddress, tuple[asyncio.Task[None], list[bytes]]] = {}
        self._hosts: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        """Where we listen, by protocol."""

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        """Take connections, by TLS where a context is given. Raises OSError."""
        protocol: StreamProtocol = "tls" if context else "tcp"
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self, protocol), host, port, ssl=context)
        self._servers.append(server)
        self.ports[protocol] = server.sockets[0].getsockname()[1]

    def send(self, data: bytes, destination: StreamAddress) -> None:
        """Send on the connection to that peer, which is opened where there is none. What fails is logged only."""
        if connection := self._connections.get(destination):
            connection.write(data)
        elif opening := self._opening.get(destination):
            opening[1].append(data)
        else:
            task = asyncio.create_task(self._open(destination), name=f"connect {destination.protocol} {destination[0]}")
            self._opening[destination] = (task, [data])

    async def close(self) -> None:
        """Close everything. Idempotent."""
        for server in self._servers:
            server.close()
        tasks = [task for task, _ in self._opening.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        gone = [connection.gone for connection in self._connections.values()]
        for connection in list(self._connections.values()):
            connection.close()
        if gone:
            await asyncio.wait([asyncio.ensure_future(one.wait()) for one in gone], timeout=1)
        self._servers.clear()

    async def _open(self, destination: StreamAddress) -> None:
        context: ssl.SSLContext | None = None
        if destination.protocol == "tls":
            context = self.client_tls = self.client_tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self, destination.protocol, destination),
                    *destination,
                    ssl=context,
                    server_hostname=destination.name if context else None,
                )
        except (OSError, TimeoutError) as error:
            log.warning("cannot connect to %s:%d by %s: %s", *destination, destination.protocol, error or "no answer")
        finally:
            _, waiting = self._opening.pop(destination)
            if connection := self._connections.get(destination):
                for data in waiting:
                    connection.write(data)

    # What a connection tells.

    def opened(self, connection: _Connection) -> bool:
        """Whether it may stay."""
        host = connection.peer[0]
        if len(self._connections) >= MAX_CONNECTIONS or self._hosts[host] >= MAX_A_HOST:
            log.warning("a connection from %s is refused: too many", host)
            return False
        self._connections[connection.peer] = connection
        self._hosts[host] += 1
        return True

    def closed(self, connection: _Connection) -> None:
        """It is gone."""
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
            self._hosts[connection.peer[0]] -= 1
            self._hosts += Counter()  # drops hosts with none left

    def received(self, message: bytes, source: StreamAddress) -> None:
        """A whole message."""
        self._on_message(message, source)


class _Connection(asyncio.Protocol):
    """One connection. `destination` is what we called the peer when we opened it ourselves."""

    def __init__(
        self, owner: StreamTransport, protocol: StreamProtocol, destination: StreamAddress | None = None
    ) -> None:
        self._owner = owner
        self._protocol: StreamProtocol = protocol
        self._framer = MessageFramer()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.gone = asyncio.Event()
        self.peer = destination or StreamAddress("", 0, protocol)
        self._ours = destination is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._ours:
            host, port, *_ = transport.get_extra_info("peername")
            self.peer = StreamAddress(host, port, self._protocol)
        if not self._owner.opened(self):
            transport.abort()
            return
        self._close_after(IDLE_S if self._ours else FIRST_MESSAGE_S)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except ProtocolError as error:
            log.warning("the connection from %s:%d is closed: %s", *self.peer, error.message)
            self.close()
            return
        if self._framer.pings:
            self.write(PONG * self._framer.pings)
            self._framer.pings = 0
        for message in messages:
            self._close_after(IDLE_S)
            self._owner.received(message, self.peer)

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            log.warning("%s:%d does not read what it is sent; its connection is closed", *self.peer)
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._owner.closed(self)
        self.gone.set()

    def _close_after(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.close)


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """What we prove ourselves with to phones. Raises ConfigError naming the setting."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot be used ({certificate}: {error}); expected a PEM file with the certificate and its chain, and the "
            "key in it or in phone.sip_tls_key",
            field="phone.sip_tls_certificate",
        ) from error
    return context


def client_context(authorities: str) -> ssl.SSLContext:
    """Whom we believe: the system's authorities and those of a PEM file. Raises ConfigError naming the setting."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot be used ({authorities}: {error}); expected a PEM file of certificates",
            field="phone.sip_tls_authorities",
        ) from error
    return context

"""One HTTP/1.1 exchange on a connection of its own, whose sending half can be closed at any moment.

Why not aiohttp or httpx: a barge-in must reach the server at once, also while its headers are still awaited, and
afterwards we want to see when the server hung up. Both need the bare socket. h11 does the protocol.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Any

import h11

from her_os.clients.network_errors import in_words
from her_os.contracts.errors import SidecarUnavailable

_READ_SIZE = 65_536


class ExchangeCut(SidecarUnavailable):
    """The connection ended before the response did."""


class HttpExchange:
    """One request and its response. Use `open_exchange`; always end with `close`."""

    def __init__(self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service, self._reader, self._writer = service, reader, writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._read_timeout_s = 30.0
        self._half_closed = False

    def send(self, method: str, host: str, path: str, api_key: str, body: bytes, read_timeout_s: float) -> None:
        """Send the request. Never blocks: it fits the socket's buffer, or follows from asyncio's."""
        self._read_timeout_s = read_timeout_s
        headers = [
            ("Host", host),
            ("Connection", "close"),
            ("Authorization", f"Bearer {api_key}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        self._writer.write(
            self._protocol.send(h11.Request(method=method, target=path, headers=headers))
            + self._protocol.send(h11.Data(data=body))
            + (self._protocol.send(h11.EndOfMessage()) or b"")
        )

    async def status(self) -> int:
        """The response's status. Raises ExchangeCut when the server goes away first."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event.status_code

    async def read(self) -> bytes:
        """More of the response's body as it arrives; empty at its end.

        Raises ExchangeCut when it is cut, SidecarUnavailable when nothing comes for the read timeout.
        """
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        return b""

    async def read_all(self) -> bytes:
        """The rest of the response's body."""
        parts: list[bytes] = []
        while part := await self.read():
            parts.append(part)
        return b"".join(parts)

    def half_close(self) -> None:
        """Tell the server, at once, that nobody wants the rest. `wait_hung_up` may follow. Idempotent."""
        if self._half_closed:
            return
        self._half_closed = True
        if self._writer.get_extra_info("ssl_object") is not None:
            self._writer.transport.abort()  # TLS knows no half: the far end sees the connection go, and we no more
            return
        sock = self._writer.get_extra_info("socket")
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._writer.close()

    async def wait_hung_up(self) -> None:
        """Read and discard until the server has closed its side."""
        try:
            while await self._reader.read(_READ_SIZE):
                pass
        except OSError:
            return

    def close(self) -> None:
        """Close the socket. Idempotent, never blocks."""
        self._writer.close()

    async def _next(self) -> object:
        while True:
            try:
                event = self._protocol.next_event()
                if event is not h11.NEED_DATA:
                    return event
                async with asyncio.timeout(self._read_timeout_s):
                    self._protocol.receive_data(await self._reader.read(_READ_SIZE))
            except TimeoutError as error:
                raise SidecarUnavailable(
                    self._service, f"said nothing for {self._read_timeout_s:g} s; is it overloaded?"
                ) from error
            except (OSError, h11.RemoteProtocolError) as error:
                raise ExchangeCut(self._service, f"went away in the middle ({error or 'connection closed'})") from error


async def open_exchange(
    service: str, host: str, port: int, connect_timeout_s: float = 2.0, tls: ssl.SSLContext | None = None
) -> HttpExchange:
    """Connect, with `tls` where it is given. Raises SidecarUnavailable when nobody listens."""
    try:
        async with asyncio.timeout(connect_timeout_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except OSError as error:  # TimeoutError is one
        reason = in_words(error, f"no connection within {connect_timeout_s:g} s", f"{host}:{port}")
        raise SidecarUnavailable(service, f"cannot be reached ({reason})") from error
    return HttpExchange(service, reader, writer)


async def exchange_json(
    service: str,
    host: str,
    port: int,
    method: str,
    path: str,
    api_key: str,
    content: Any,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, Any]:
    """A whole exchange: status, and the answer as JSON (None when it is not). Raises SidecarUnavailable."""
    status, raw = await exchange_bytes(service, host, port, method, path, api_key, content, timeout_s, tls)
    return status, decode_json(raw)


async def exchange_bytes(
    service: str,
    host: str,
    port: int,
    method: str,
    path: str,
    api_key: str,
    content: Any,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """The same, the answer as it is."""
    exchange = await open_exchange(service, host, port, tls=tls)
    try:
        body = b"" if content is None else json.dumps(content).encode()
        exchange.send(method, f"{host}:{port}", path, api_key, body, timeout_s)
        status = await exchange.status()
        raw = await exchange.read_all()
    finally:
        exchange.close()
    return status, raw


def decode_json(raw: bytes) -> Any:
    """JSON, or None for anything else."""
    try:
        return json.loads(raw)
    except ValueError:
        return None

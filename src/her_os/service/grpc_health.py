"""Ask the standard gRPC health service whether it is SERVING, over one HTTP/2 request written by hand.

grpcio is 6 MB of C++ for one question with an empty body, so this speaks just as much HTTP/2 as that needs: headers
are sent as literals without compression, and of the answer only DATA is read, which holds the status.
Sources: RFC 9113 (frames), RFC 7541 (literal headers), grpc.io "gRPC over HTTP2", grpc.health.v1.Health.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _PADDED, _END_HEADERS = 1, 1, 8, 4
_STREAM = 1
_MAX_FRAME = 1 << 14
_SERVING = b"\x08\x01"
"""HealthCheckResponse {status: SERVING}, field 1, varint 1."""
_EMPTY_MESSAGE = b"\0\0\0\0\0"
"""HealthCheckRequest {service: ""}: not compressed, no bytes."""


async def is_serving(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether `Health/Check` of the whole server says SERVING. Never raises for a server that is down or odd."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_request(f"{host}:{port}"))
                return _message(await _read_data(reader, writer)) == _SERVING
            finally:
                writer.close()
    except (OSError, EOFError, ValueError):  # TimeoutError is an OSError
        return False


def _request(authority: str) -> bytes:
    headers = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    return b"".join(
        (
            _PREFACE,
            _frame(_SETTINGS, 0, 0, b""),
            _frame(_HEADERS, _END_HEADERS, _STREAM, _literals(headers)),
            _frame(_DATA, _END_STREAM, _STREAM, _EMPTY_MESSAGE),
        )
    )


def _literals(headers: Iterable[tuple[str, str]]) -> bytes:
    """Literal header fields without indexing, new names, no Huffman code (RFC 7541, 6.2.2); each below 127 bytes."""
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in headers
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


async def _read_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What our stream carries until its end. Raises EOFError when the server gives it up."""
    data = b""
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = struct.unpack(">I", head[5:])[0] & 0x7FFF_FFFF
        if length > _MAX_FRAME:
            raise ValueError("a frame larger than we allowed")
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY or (kind == _RST_STREAM and stream == _STREAM):
            raise EOFError("the server gave the request up")
        elif kind in {_DATA, _HEADERS} and stream == _STREAM:
            if kind == _DATA:
                data += payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
            if flags & _END_STREAM:
                return data


def _message(data: bytes) -> bytes:
    """The one message of a unary answer: a flag, a length, the message. Empty where there is none."""
    if len(data) < 5 or data[0] != 0:
        return b""
    return data[5 : 5 + int.from_bytes(data[1:5], "big")]

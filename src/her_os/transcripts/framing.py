"""Messages on a pipe: four bytes of length (big endian), then msgpack of a typed message. Never pickle."""

from __future__ import annotations

import asyncio
import os
import struct
from typing import TypeVar

import msgspec

from her_os.contracts.errors import ProtocolError
from her_os.contracts.transcripts import WorkerEvent, WorkerRequest

T = TypeVar("T")
_LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 64 << 20
"""Some hundred hours of transcript; a length beyond is garbage."""

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[WorkerRequest] = msgspec.msgpack.Decoder(WorkerRequest)
_events: msgspec.msgpack.Decoder[WorkerEvent] = msgspec.msgpack.Decoder(WorkerEvent)


def frame(message: WorkerRequest | WorkerEvent) -> bytes:
    """A message as it goes over the pipe."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def write_message(pipe: int, message: WorkerRequest | WorkerEvent) -> None:
    """Write all of a message; blocks while the pipe is full. Raises BrokenPipeError when nobody reads."""
    left = memoryview(frame(message))
    while left:
        left = left[os.write(pipe, left) :]


def read_request(pipe: int) -> WorkerRequest:
    """The one request of a worker. Blocks. Raises ProtocolError."""
    return _decode(_requests, _read(pipe, _length(_read(pipe, _LENGTH.size))))


async def read_event(reader: asyncio.StreamReader) -> WorkerEvent | None:
    """The next event; None at the end of the stream. Raises ProtocolError for garbage or half a message."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        body = await reader.readexactly(_length(head))
    except asyncio.IncompleteReadError as error:
        if error.partial or error.expected != _LENGTH.size:
            raise ProtocolError("the worker's last message is cut short") from error
        return None
    return _decode(_events, body)


def _length(head: bytes) -> int:
    length: int = _LENGTH.unpack(head)[0]
    if not 0 < length <= MAX_MESSAGE_BYTES:
        raise ProtocolError(f"garbage instead of a message (a length of {length} bytes)")
    return length


def _decode(decoder: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"garbage instead of a message ({error})") from error


def _read(pipe: int, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(pipe, count - len(parts))
        if not part:
            raise ProtocolError("the request is cut short")
        parts += part
    return bytes(parts)

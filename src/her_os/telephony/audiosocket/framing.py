"""AudioSocket messages (Asterisk, res_audiosocket): type u8, length u16 big endian, payload. Pure."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum

from her_os.contracts.errors import ProtocolError

_HEADER = struct.Struct("!BH")
MAX_PAYLOAD = 4_000
"""125 ms of 16 kHz; what is announced beyond that is no AudioSocket."""


class Kind(IntEnum):
    """Message types. Sound is slin, little endian: at 8 kHz, or at 16 kHz where both ends have it (slin16)."""

    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    SLIN = 0x10
    SLIN16 = 0x12
    ERROR = 0xFF


RATES = {Kind.SLIN: 8_000, Kind.SLIN16: 16_000}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `kind` may be a number that we do not know, which is skipped."""

    kind: int
    payload: bytes = b""


def build(kind: int, payload: bytes = b"") -> bytes:
    """One message as bytes."""
    return _HEADER.pack(kind, len(payload)) + payload


class Deframer:
    """Cuts a stream into messages. Holds at most one unfinished message."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. Raises ProtocolError for a length that cannot be."""
        self._rest += data
        found: list[Message] = []
        while len(self._rest) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._rest)
            if length > MAX_PAYLOAD:
                raise ProtocolError(f"an AudioSocket message of {length} bytes")
            end = _HEADER.size + length
            if len(self._rest) < end:
                break
            found.append(Message(kind, self._rest[_HEADER.size : end]))
            self._rest = self._rest[end:]
        return found


def uuid_of(message: Message) -> str:
    """The call's UUID. Raises ProtocolError when this is not the message that begins a call."""
    if message.kind != Kind.UUID or len(message.payload) != 16:
        raise ProtocolError("an AudioSocket call begins with its UUID")
    return str(uuid.UUID(bytes=message.payload))

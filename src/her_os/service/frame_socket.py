"""Frames on a local socket: two lengths (four bytes each, big endian), a JSON header, raw bytes. Blocking."""

from __future__ import annotations

import os
import socket
import struct
import time

from her_os.contracts.errors import ProtocolError

_LENGTHS = struct.Struct(">II")
MAX_HEADER_BYTES = 16 << 20
MAX_PAYLOAD_BYTES = 1 << 30
"""Nine hours of sound; a length beyond is garbage."""


class FrameSocket:
    """One end of a connected stream socket. One thread at a time.

    Both methods raise TimeoutError at the deadline (of `time.monotonic()`) and OSError when the far end is gone, and
    after either the socket is good for nothing but `close`.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    @classmethod
    def inherited(cls, descriptor: int) -> FrameSocket:
        """The end that a parent process has left open for us; our own children do not get it."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def send(self, header: bytes, payload: bytes = b"", deadline_s: float | None = None) -> None:
        for part in (_LENGTHS.pack(len(header), len(payload)), header, payload):
            left = memoryview(part)
            while left:
                self._wait_until(deadline_s)
                left = left[self._socket.send(left) :]

    def receive(self, deadline_s: float | None = None) -> tuple[bytes, bytes] | None:
        """The next header and payload; None at the end of the stream. Raises ProtocolError for garbage or a half."""
        lengths = self._read(_LENGTHS.size, deadline_s)
        if not lengths:
            return None
        header, payload = _LENGTHS.unpack(lengths) if len(lengths) == _LENGTHS.size else (0, 0)
        if not 0 < header <= MAX_HEADER_BYTES or payload > MAX_PAYLOAD_BYTES:
            raise ProtocolError(f"garbage instead of a frame (lengths {lengths.hex()})")
        body = self._read(header + payload, deadline_s)
        if len(body) < header + payload:
            raise ProtocolError("the last frame is cut short")
        return body[:header], body[header:]

    def close(self) -> None:
        self._socket.close()

    def _read(self, count: int, deadline_s: float | None) -> bytes:
        """`count` bytes, or fewer at the end of the stream."""
        parts = bytearray()
        while len(parts) < count:
            self._wait_until(deadline_s)
            part = self._socket.recv(min(count - len(parts), 1 << 20))
            if not part:
                break
            parts += part
        return bytes(parts)

    def _wait_until(self, deadline_s: float | None) -> None:
        left_s = None if deadline_s is None else deadline_s - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)

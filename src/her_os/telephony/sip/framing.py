"""Cuts a byte stream into SIP messages: head, empty line, as many bytes as Content-Length says (RFC 3261, 18.3).

Pure. Between messages a peer may send line ends: two of them ask whether we are still there (RFC 5626, section 4.4.1).
"""

from __future__ import annotations

import re

from her_os.contracts.errors import ProtocolError

MAX_HEAD_BYTES = 16_384
MAX_BODY_BYTES = 65_535
PING, PONG = b"\r\n\r\n", b"\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*$", re.IGNORECASE | re.MULTILINE)


class MessageFramer:
    """One direction of one connection. `pings` counts what waits for a PONG; whoever answers takes it back to 0."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises ProtocolError when the stream can no longer be understood."""
        self._data += data
        messages: list[bytes] = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        self._skip_line_ends()
        end = self._data.find(_HEAD_END)
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(self._data) > MAX_HEAD_BYTES:
                raise ProtocolError(f"a message head of more than {MAX_HEAD_BYTES} bytes")
            return None
        head = bytes(self._data[:end]).replace(b"\r\n", b"\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if length > MAX_BODY_BYTES:
            raise ProtocolError(f"a message body of {length} bytes")
        whole = end + len(_HEAD_END) + length
        if len(self._data) < whole:
            return None
        message = bytes(self._data[:whole])
        del self._data[:whole]
        return message

    def _skip_line_ends(self) -> None:
        while self._data.startswith(PING):
            self.pings += 1
            del self._data[: len(PING)]
        if self._data.startswith(PONG) and len(self._data) > len(PONG) and self._data[2] != PONG[0]:
            del self._data[: len(PONG)]  # a PONG, or a stray line end

"""Server-sent events, as far as llama-server speaks them: `data:` lines, a blank line ends an event.

Source: the HTML standard, 9.2 Server-sent events. Chunks may be cut anywhere, inside a character too.
"""

from __future__ import annotations


class EventParser:
    """Bytes in, the data of complete events out."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The events that `chunk` completes, in order. Comments and other fields are skipped."""
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        events: list[str] = []
        for line in lines:
            text = line.removesuffix(b"\r").decode("utf-8", errors="replace")
            if text.startswith("data:"):
                self._data.append(text[5:].removeprefix(" "))
            elif not text and self._data:
                events.append("\n".join(self._data))
                self._data.clear()
        return events

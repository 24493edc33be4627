"""One readable log out of many processes: whole lines, each with its unit, in colour only on a terminal."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TextIO

_OURS = re.compile(
    r"^(?P<time>\d\d:\d\d:\d\d\.\d{3} )?(?P<unit>[A-Z][\w-]*) +(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) = "
)
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


class LineSink:
    """Writes lines of several units to one stream. Also a stream itself, for `logging`. Any thread."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._colour = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._lock = threading.Lock()

    def line(self, unit: str, text: str) -> None:
        """One line that `unit` printed. One that does not carry a unit (a traceback, a library) gets it."""
        text = text.rstrip("\r")
        if text and not _OURS.match(text):
            text = f"{unit.upper():<8} | {text}"
        self.write(f"{text}\n")

    def write(self, text: str) -> int:
        """Write whole lines."""
        with self._lock:
            self._stream.write(self._painted(text))
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: every write is flushed."""

    def _painted(self, text: str) -> str:
        match = _OURS.match(text) if self._colour else None
        code = _COLOURS.get(match["level"]) if match else None
        return f"\x1b[{code}m{text.rstrip(chr(10))}\x1b[0m\n" if code else text

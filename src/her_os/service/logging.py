"""One line a record on stderr: `LOADER   INFO = All services running`. journald adds the time."""

from __future__ import annotations

import logging
import os
import sys
from typing import Protocol

from her_os.service.journal import JournalHandler, stderr_is_the_journal


class LineStream(Protocol):
    """Where lines go: stderr, or a sink that several processes share."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class _LineFormatter(logging.Formatter):
    def __init__(self, unit: str, with_time: bool) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._unit, self._with_time = unit.upper(), with_time

    def format(self, record: logging.LogRecord) -> str:
        time = f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03d} " if self._with_time else ""
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return f"{time}{self._unit:<8} {record.levelname} = {text}"


def setup_logging(unit: str, level: str = "INFO", stream: LineStream | None = None) -> None:
    """Send every record of this process to `stream` (default stderr) as one line, named by its unit."""
    under_journald = "JOURNAL_STREAM" in os.environ
    handler: logging.Handler = logging.StreamHandler(stream or sys.stderr)
    if stream is None and stderr_is_the_journal(os.environ):
        handler = JournalHandler(unit)
    handler.setFormatter(_LineFormatter(unit, with_time=not under_journald))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("aiohttp.access", "httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

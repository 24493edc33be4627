"""Records in journald's own protocol, so that a call or a turn is a field one can ask for.

`journalctl CALL_ID=...` then tells a call's story across units. The fields come from the task (`call_context`) or from
the message itself. Source: systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import struct
import sys
from collections.abc import Mapping

from her_os.service.call_context import current_fields

SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_CALL = re.compile(r"\bcall (?P<id>[A-Za-z0-9_.:@-]{6,120}?)(?=[\s:,]|$)")
_SESSION = re.compile(r"\bsession (?P<call>[A-Za-z0-9_.:@-]+)\.(?P<turn>\d+)\b")
_TURN = re.compile(r"\bturn (?P<turn>\d+)\b")
_RECORDING = re.compile(r"\b\d{8}-\d{6}-(?P<id>[0-9a-f]{12})\.wav\b")


def priority(level: int) -> int:
    """The syslog priority of a logging level."""
    return next((number for limit, number in _PRIORITIES if level >= limit), 7)


def stderr_is_the_journal(environ: Mapping[str, str]) -> bool:
    """Whether stderr is the stream that systemd connected, and not a file or pipe it was redirected to."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError, ValueError):
        status = os.fstat(sys.stderr.fileno())
        return (str(status.st_dev), str(status.st_ino)) == (device, inode)
    return False


class JournalHandler(logging.Handler):
    """Sends records to journald; where it does not listen, to stderr with a priority prefix (sd-daemon(3))."""

    def __init__(self, unit: str, address: str = SOCKET) -> None:
        super().__init__()
        self._unit, self._address = unit, address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            fields = {
                "MESSAGE": text,
                "PRIORITY": str(priority(record.levelno)),
                "SYSLOG_IDENTIFIER": f"her-os-{self._unit}",
                "LOGGER": record.name,
                "CODE_FILE": record.pathname,
                "CODE_LINE": str(record.lineno),
                "CODE_FUNC": record.funcName or "",
                **call_fields(record.getMessage()),
            }
            try:
                self._socket.sendto(encode(fields), self._address)
            except OSError:  # no journal, or a record larger than a datagram
                prefix = f"<{priority(record.levelno)}>"
                sys.stderr.write("".join(f"{prefix}{line}\n" for line in text.splitlines()))
        except Exception:  # noqa: BLE001 - what logging does with every handler's failure
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()


def call_fields(message: str) -> dict[str, str]:
    """CALL_ID and TURN_ID of a record: what its task works for, then what the message says.

    A message says it by `call ID`, `session CALL.TURN`, `turn NUMBER` or the name of a call's recording.
    """
    fields = dict(current_fields())
    if session := _SESSION.search(message):
        return {"CALL_ID": session["call"], "TURN_ID": session["turn"]}
    call = _CALL.search(message)
    if call is None or not any(c.isdigit() for c in call["id"]):
        call = _RECORDING.search(message)
    if call is not None:
        fields["CALL_ID"] = call["id"]
    if "CALL_ID" in fields and (turn := _TURN.search(message)):
        fields["TURN_ID"] = turn["turn"]
    return fields


def encode(fields: Mapping[str, str]) -> bytes:
    """One datagram: `NAME=value`, or name, length and value where the value has lines."""
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)

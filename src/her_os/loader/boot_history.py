"""How long the last boots took, in a file of one JSON line each, and what follows for the next.

The file may be truncated, garbage or gone: lines that cannot be read are left out, and the rest is used.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

KEPT_BOOTS = 20
P95_BOOTS = 5
_TRUSTED_BOOTS = 3
"""Boots that are needed before a timeout is fitted to them."""
_HEADROOM = 2.0
_LONGEST = 4.0
_SHORTEST = 0.5
"""A fitted timeout is twice the p95, within half and four times the configured one."""
_SANE_S = 86_400.0


class BootRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One boot. Where a service timed out, its timeout stands for its time: it took at least so long."""

    total_boot_s: float | None = None
    """None: it was given up."""
    ready_s: dict[str, float] = {}
    vram_mb: dict[str, float] = {}


class BootHistory:
    """Reads the file once; `add` writes it anew, whole or not at all."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.boots: list[BootRecord] = []

    def load(self) -> None:
        """Read what can be read. Blocks: call it in a thread."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("boot history %s cannot be read (%s); going on without", self._file, error.strerror)
            return
        read = [_decode(line) for line in lines if line.strip()]
        self.boots = [boot for boot in read if boot is not None][-KEPT_BOOTS:]
        if len(self.boots) < min(len(read), KEPT_BOOTS):
            log.warning("boot history %s is damaged; %d boots could be read", self._file, len(self.boots))

    def add(self, boot: BootRecord) -> None:
        """Remember a boot. Blocks: call it in a thread."""
        self.boots = [*self.boots, boot][-KEPT_BOOTS:]
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in self.boots))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("boot history %s cannot be written (%s)", self._file, error.strerror)
            fresh.unlink(missing_ok=True)

    def total_p95_s(self) -> float | None:
        """The p95 of the last boots' total times."""
        return p95([boot.total_boot_s for boot in self.boots if boot.total_boot_s is not None][-P95_BOOTS:])

    def timeout_s(self, service: str, configured_s: float) -> float:
        """The time a service may take until it is ready, fitted to this machine."""
        times = [boot.ready_s[service] for boot in self.boots if service in boot.ready_s]
        usual = p95(times)
        if usual is None or len(times) < _TRUSTED_BOOTS:
            return configured_s
        return round(min(max(_HEADROOM * usual, _SHORTEST * configured_s), _LONGEST * configured_s), 1)

    def vram_mb(self, service: str) -> float | None:
        """Graphics memory that a service took when it was last measured."""
        return next((boot.vram_mb[service] for boot in reversed(self.boots) if service in boot.vram_mb), None)


def p95(values: Sequence[float]) -> float | None:
    """The nearest-rank 95th percentile; None of nothing."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else None


def _decode(line: bytes) -> BootRecord | None:
    try:
        boot = msgspec.json.decode(line, type=BootRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    times = [boot.total_boot_s or 0.0, *boot.ready_s.values()]
    return boot if all(math.isfinite(t) and 0 <= t <= _SANE_S for t in times) else None

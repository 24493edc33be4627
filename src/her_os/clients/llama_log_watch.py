"""Reads the log of llama.cpp's server: when a slot was taken and when it was freed, to the microsecond.

The most exact way to time a release, and one that cannot delay it; for whoever owns the server's process
(benchmarks, tests). The phone loop, which does not, uses `slot_release`. The lines look like this:

    0.03.985.974 I slot      release: id  0 | task 311 | stop processing: n_tokens = 64, truncated = 0

with minutes, seconds, milliseconds and microseconds since the server's start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RELEASE = re.compile(
    r"(?:(?P<time>[\d.]+) \w )?slot +release: id +(?P<slot>\d+) \| task (?P<task>-?\d+) \| "
    r"stop processing: n_tokens = (?P<tokens>\d+)"
)
_UNITS = (60.0, 1.0, 1e-3, 1e-6)


@dataclass(frozen=True, slots=True)
class Release:
    """A slot was freed. `at_s` is on the server's own clock, None where it does not print one."""

    slot: int
    task: int
    tokens: int
    at_s: float | None


def parse_release(line: str) -> Release | None:
    """The release that a line of the log tells of, if it does."""
    match = _RELEASE.search(line)
    if match is None:
        return None
    return Release(int(match["slot"]), int(match["task"]), int(match["tokens"]), _seconds(match["time"]))


def _seconds(text: str | None) -> float | None:
    parts = (text or "").split(".")
    if len(parts) != len(_UNITS):
        return None
    return sum(int(part) * unit for part, unit in zip(parts, _UNITS, strict=True))

"""The record of live calls that barge-in must pass before it becomes the default, and what it proves.

Three stable calls within 24 h, at least one of them with a live interruption and its cancel trace, and after each a
synthesis that was checked byte by byte: mute is not crash. One JSON line a call; the file only grows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from her_os.contracts.call_journal import CancelTrace
from her_os.contracts.errors import HerOsError

WINDOW_S = 24 * 3600.0
STABLE_CALLS = 3
SHORTEST_S = 20.0
"""A call must last as long to prove anything."""


class LiveCall(msgspec.Struct, frozen=True):
    """One validated call. Times in seconds since 1970. No complaints: it was stable, and the voice could be heard."""

    call_id: str
    started_at: float
    ended_at: float
    complaints: tuple[str, ...]
    interruptions: tuple[CancelTrace, ...]
    voice_bytes: int
    """Size of the synthesis that was checked after it."""


@dataclass(frozen=True)
class LiveVerdict:
    """What the calls prove so far; `missing` is in words, empty when `validated`."""

    validated: bool
    stable: int
    """Stable calls in the best 24 hours."""
    interruptions: int
    missing: tuple[str, ...]


def examine(call: Mapping[str, Any], voice_bytes: int, voice_complaints: Sequence[str]) -> LiveCall:
    """A finished call of the call log (see `read_call`), and what the check of the voice after it found."""
    turns = call["turns"]
    traces = tuple(msgspec.json.decode(turn["cancel"], type=CancelTrace) for turn in turns if turn["cancel"])
    return LiveCall(
        call_id=call["id"],
        started_at=call["started_at"],
        ended_at=call["ended_at"],
        complaints=(*_unstable(call), *(f"the voice after it: {complaint}" for complaint in voice_complaints)),
        interruptions=traces,
        voice_bytes=voice_bytes,
    )


def judge(calls: Sequence[LiveCall]) -> LiveVerdict:
    """The best 24 hours of all that were recorded."""
    stable = sorted((call for call in calls if not call.complaints), key=lambda call: call.ended_at)
    windows = [[c for c in stable if 0 <= c.ended_at - first.ended_at <= WINDOW_S] for first in stable]
    score = [(len(window), sum(len(call.interruptions) for call in window)) for window in windows]
    count, interruptions = max(
        score, key=lambda found: (min(found[0], STABLE_CALLS), found[1] > 0, found), default=(0, 0)
    )
    missing: list[str] = []
    if count < STABLE_CALLS:
        missing.append(f"{STABLE_CALLS - count} more stable call(s) within 24 hours, each checked right after it")
    if not interruptions:
        missing.append("a call in which you interrupt the assistant")
    return LiveVerdict(not missing, count, interruptions, tuple(missing))


def read_live_calls(path: Path) -> list[LiveCall]:
    """All that were recorded, oldest first. Raises HerOsError naming the line that cannot be read."""
    calls: list[LiveCall] = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else (), 1):
        try:
            calls.append(msgspec.json.decode(line, type=LiveCall))
        except msgspec.MsgspecError as error:
            raise HerOsError(
                f"{path}, line {number}, is no record of a call ({error}); remove that line, the others stay good"
            ) from error
    return calls


def add_live_call(path: Path, call: LiveCall) -> None:
    """Write one more line, and see it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(call) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _unstable(call: Mapping[str, Any]) -> list[str]:
    """Why a call proves nothing."""
    complaints: list[str] = []
    seconds = call["ended_at"] - call["started_at"]
    if call["mode"] != "full duplex":
        complaints.append(f"it was held in {call['mode']}; set ENABLE_BARGE_IN=1 and restart")
    if call["outcome"] == "crashed":
        complaints.append("the daemon ended during the call")
    if seconds < SHORTEST_S:
        complaints.append(f"it took only {seconds:.0f} s, expected at least {SHORTEST_S:.0f}")
    spoken = [turn for turn in call["turns"] if turn["caller_text"]]
    if not any(turn["outcome"] == "answered" for turn in spoken):
        complaints.append("nothing that the caller said was answered to its end")
    for turn in call["turns"]:
        if turn["outcome"] in ("failed", "unfinished"):
            complaints.append(f"turn {turn['turn']} {turn['outcome']}: {turn['error'] or 'no reason is known'}")
        if turn["cancel"]:
            trace = msgspec.json.decode(turn["cancel"], type=CancelTrace)
            complaints += [f"turn {turn['turn']}: leg {leg.name}: {leg.detail}" for leg in trace.legs if not leg.ok]
    return complaints

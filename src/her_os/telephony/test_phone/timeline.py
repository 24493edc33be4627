"""What happened in a call, in order, from the packets of both directions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from her_os.telephony.test_phone.spans import speech_spans
from her_os.telephony.test_phone.wire_log import LoggedPacket


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """`at_ms` since the call was answered; `who` is caller, assistant or line; `ms` a length where there is one."""

    at_ms: float
    who: str
    event: str
    detail: str = ""
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something the script did or the line said, `at` on the clock of `time.monotonic()`."""

    at: float
    who: str
    event: str
    detail: str = ""


def make_timeline(
    answered_at: float, sent: Sequence[LoggedPacket], received: Sequence[LoggedPacket], notes: Sequence[Note] = ()
) -> list[TimelineEntry]:
    """Speech and silence of both sides, interruptions, and the notes, in order of time.

    An interruption is the caller's speech beginning while the assistant is audible; its `silent` entry tells how long
    the assistant was still audible after it.
    """
    mine, theirs = speech_spans(sent), speech_spans(received)
    entries = [_entry(answered_at, note.at, note.who, note.event, note.detail) for note in notes]
    for who, spans in (("caller", mine), ("assistant", theirs)):
        for span in spans:
            entries.append(_entry(answered_at, span.first, who, "speech begins"))
            length = (span.last - span.first) * 1000
            entries.append(_entry(answered_at, span.last, who, "speech ends", ms=length))
    for span in mine:
        over = next((other for other in theirs if other.first < span.first <= other.last), None)
        answer = next((other for other in theirs if other.first > span.last), None)
        if over is not None:
            silent = (over.last - span.first) * 1000
            entries.append(_entry(answered_at, over.last, "assistant", "silent", "after the caller's onset", ms=silent))
        if answer is not None and not any(span.last < other.first < answer.first for other in mine):
            wait = (answer.first - span.last) * 1000
            entries.append(_entry(answered_at, answer.first, "assistant", "answers", "after the caller's end", ms=wait))
    return sorted(entries, key=lambda entry: entry.at_ms)


def _entry(
    start: float, at: float, who: str, event: str, detail: str = "", *, ms: float | None = None
) -> TimelineEntry:
    return TimelineEntry(round((at - start) * 1000, 1), who, event, detail, None if ms is None else round(ms, 1))


def wire_statistics(sent: Sequence[LoggedPacket], received: Sequence[LoggedPacket]) -> dict[str, float]:
    """Numbers of both directions: packets, audible ones, and the gaps between packets in ms."""
    numbers: dict[str, float] = {}
    for name, packets in (("sent", sent), ("received", received)):
        gaps = sorted((after.at - before.at) * 1000 for before, after in pairwise(packets))
        numbers[f"{name}_packets"] = len(packets)
        numbers[f"{name}_audible"] = sum(packet.audible for packet in packets)
        if gaps:
            numbers[f"{name}_gap_p50_ms"] = round(gaps[len(gaps) // 2], 2)
            numbers[f"{name}_gap_p99_ms"] = round(gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))], 2)
            numbers[f"{name}_gap_max_ms"] = round(gaps[-1], 2)
    return numbers


def to_json(entries: Sequence[TimelineEntry]) -> list[dict[str, Any]]:
    """As plain dictionaries."""
    return [asdict(entry) for entry in entries]


def to_text(entries: Sequence[TimelineEntry]) -> str:
    """One line an entry: seconds, who, what."""
    lines: list[str] = []
    for entry in entries:
        length = "" if entry.ms is None else f"{entry.ms:.0f} ms"
        words = " ".join(word for word in (entry.event, length, entry.detail) if word)
        lines.append(f"{entry.at_ms / 1000:9.3f}  {entry.who:<10} {words}")
    return "\n".join(lines)

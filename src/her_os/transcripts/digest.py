"""The generated summary: a model reads the transcript in pieces that fit its context, and its notes are checked.

Map: each piece gives notes, one a line. Reduce: where there are many points, the model chooses, until they are few.
A note must carry a time that its piece has, and a task's person must be somebody who was named: what the model made
up is dropped. Tasks and decisions are never reduced away.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from her_os.contracts.errors import LanguageModelError
from her_os.contracts.transcripts import Segment, Summary, SummaryPoint, SummaryTask, Transcript

Complete = Callable[[str, str], Awaitable[str]]
"""(system message, user message) -> the model's answer. Raises SidecarUnavailable, LanguageModelError."""

NOTICE = "Written by a language model from the transcript; each point's time tells where to check it."
_MAP = (
    "You take notes of a recorded conversation. Each line is: [time] speaker: words. Write one note a line, nothing "
    "else, each with the time of the line it comes from:\n"
    "POINT [time] what was said\nDECISION [time] what was decided\n"
    "TASK [time] what is to be done | who does it | by when\nLeave who or when empty if nobody said it. Keep names. "
    "Write only what is there."
)
_REDUCE = (
    "Here are notes of one conversation. Choose the {count} most important ones and repeat them exactly as they are, "
    "one a line, nothing else."
)
_NOTE = re.compile(r"^[\s*-]*(POINT|DECISION|TASK)\s*:?\s*\[(?:(\d+):)?(\d+):(\d\d)\]\s*(.+?)\s*$", re.IGNORECASE)
_MOST_POINTS = 15
_LONGEST_TURN = 400
"""Words of a line; a longer segment is given in parts, each with its own time."""


@dataclass
class _Notes:
    points: list[SummaryPoint] = field(default_factory=list)
    decisions: list[SummaryPoint] = field(default_factory=list)
    tasks: list[SummaryTask] = field(default_factory=list)


async def digest(
    transcript: Transcript, complete: Complete, piece_chars: int, tell: Callable[[int, int], None]
) -> Summary:
    """Summarise. `piece_chars` of transcript fit the context beside the instructions; `tell(done, total)` of pieces."""
    names = {speaker.id: speaker.name for speaker in transcript.speakers}
    pieces = _pieces([part for segment in transcript.segments for part in _parts(segment)], names, piece_chars)
    notes = _Notes()
    for number, piece in enumerate(pieces):
        tell(number, len(pieces) + 1)
        answer = await complete(_MAP, "\n".join(_line(segment, names) for segment in piece))
        _take(answer, piece, _spoken_names(transcript), notes)
    if pieces and not (notes.points or notes.decisions or notes.tasks):
        raise LanguageModelError("the model's notes had nothing that could be used; is it fit for summaries?")
    tell(len(pieces), len(pieces) + 1)
    points = await _reduce(notes.points, complete, piece_chars)
    return Summary(
        kind="generated",
        points=tuple(points),
        decisions=tuple(notes.decisions),
        tasks=tuple(notes.tasks),
        notice=NOTICE,
    )


async def _reduce(points: list[SummaryPoint], complete: Complete, piece_chars: int) -> list[SummaryPoint]:
    """Fewer points, each one of those given, in their order. A model that cannot choose changes nothing."""
    while len(points) > _MOST_POINTS:
        kept: list[SummaryPoint] = []
        lines = [f"POINT [{_clock(point.at_ms)}] {point.text}" for point in points]
        for first, last in _groups([len(line) + 1 for line in lines], piece_chars):
            share = max(1, _MOST_POINTS * (last - first) // len(points))
            answer = await complete(_REDUCE.format(count=share), "\n".join(lines[first:last]))
            chosen = {line.strip() for line in answer.splitlines()}
            kept += [point for point, line in zip(points[first:last], lines[first:last], strict=True) if line in chosen]
        if not kept or len(kept) >= len(points):
            break
        points = kept
    return points


def _take(answer: str, piece: Sequence[Segment], known: set[str], notes: _Notes) -> None:
    by_clock = {_clock(segment.start_ms): segment for segment in reversed(piece)}
    for line in answer.splitlines():
        match = _NOTE.match(line)
        if match is None:
            continue
        kind, hours, minutes, seconds, text = match.groups()
        segment = by_clock.get(_clock(((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000))
        if segment is None:
            continue
        if kind.upper() == "TASK":
            what, who, when = [*(part.strip() for part in text.split("|")), "", ""][:3]
            who = who if who and set(_words(who)) <= known else ""
            when = when if set(_words(when)) <= {word for part in piece for word in _words(part.text)} else ""
            notes.tasks.append(SummaryTask(at_ms=segment.start_ms, what=what, who=who, when=when))
        else:
            point = SummaryPoint(at_ms=segment.start_ms, text=text, speaker=segment.speaker)
            (notes.decisions if kind.upper() == "DECISION" else notes.points).append(point)


def _spoken_names(transcript: Transcript) -> set[str]:
    """Every word of a speaker's name and of what was said: nobody else can have been given a task."""
    names = {word for speaker in transcript.speakers for word in _words(speaker.name)}
    return names | {word for segment in transcript.segments for word in _words(segment.text)}


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def _parts(segment: Segment) -> list[Segment]:
    """A segment that would fill a piece alone, cut between its words."""
    words = segment.words
    if len(words) <= _LONGEST_TURN:
        return [segment]
    cuts = [words[at : at + _LONGEST_TURN] for at in range(0, len(words), _LONGEST_TURN)]
    return [
        msgspec.structs.replace(
            segment,
            start_ms=cut[0].start_ms,
            end_ms=cut[-1].end_ms,
            words=cut,
            text=" ".join(word.text for word in cut),
        )
        for cut in cuts
    ]


def _pieces(segments: list[Segment], names: dict[str, str], piece_chars: int) -> list[list[Segment]]:
    lengths = [len(_line(segment, names)) + 1 for segment in segments]
    return [segments[first:last] for first, last in _groups(lengths, piece_chars)]


def _groups(lengths: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Ranges whose lengths add up to at most `most`; one that is longer stands alone."""
    groups: list[tuple[int, int]] = []
    first = total = 0
    for number, length in enumerate(lengths):
        if number > first and total + length > most:
            groups.append((first, number))
            first, total = number, 0
        total += length
    return [*groups, (first, len(lengths))] if lengths else []


def _line(segment: Segment, names: dict[str, str]) -> str:
    return f"[{_clock(segment.start_ms)}] {names.get(segment.speaker, segment.speaker)}: {segment.text}"


def _clock(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"

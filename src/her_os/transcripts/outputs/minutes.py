"""Minutes in Markdown: summary first, then every word, each with a link to its second in the recording."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from urllib.parse import quote

from her_os.contracts.transcripts import Summary, SummaryPoint, SummaryTask, Transcript
from her_os.transcripts.outputs.words import clock, names, one_line

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&:@$^=])")


def render(transcript: Transcript, summary: Summary, *, folder: Path | None = None, zone: tzinfo | None = None) -> str:
    """The minutes. Links are relative to `folder`, where the file will lie (default: beside the recording)."""
    source = Path(transcript.source)
    audio = quote(os.path.relpath(source, folder) if folder else source.name)
    called = names(transcript)
    lines = [f"# {escape(source.stem)}", "", *_head(transcript, zone)]
    for notice in (summary.notice, summary.warning, *transcript.notices):
        if notice:
            lines += ["", f"> {escape(notice)}"]
    lines += _points("Summary", summary.points, called, audio)
    lines += _points("Decisions", summary.decisions, called, audio)
    lines += _tasks(summary.tasks, audio)
    lines += ["", "## Transcript"]
    for segment in transcript.segments:
        if text := escape(segment.text):
            speaker = escape(called.get(segment.speaker, segment.speaker))
            lines += ["", f"{_link(segment.start_ms, audio)} **{speaker}** {text}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` shown by Markdown letter by letter: whatever could be markup, HTML or a link has a backslash."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def _head(transcript: Transcript, zone: tzinfo | None) -> Iterator[str]:
    moment = datetime.fromtimestamp(transcript.recorded_at, tz=zone).astimezone(zone)
    speakers = ", ".join(escape(name) for name in names(transcript).values()) or "nobody"
    yield f"{moment:%Y-%m-%d %H:%M}, {clock(transcript.duration_ms)} long. Heard: {speakers}"


def _points(title: str, points: tuple[SummaryPoint, ...], called: dict[str, str], audio: str) -> Iterator[str]:
    if points:
        yield from ("", f"## {title}", "")
    for point in points:
        speaker = f"**{escape(called.get(point.speaker, point.speaker))}** " if point.speaker else ""
        yield f"- {_link(point.at_ms, audio)} {speaker}{escape(point.text)}"


def _tasks(tasks: tuple[SummaryTask, ...], audio: str) -> Iterator[str]:
    if tasks:
        yield from ("", "## To do", "")
    for task in tasks:
        details = "".join(f", {escape(part)}" for part in (task.who, task.when) if part)
        yield f"- [ ] {_link(task.at_ms, audio)} {escape(task.what)}{details}"


def _link(at_ms: int, audio: str) -> str:
    """A media fragment (W3C): browsers and most players begin there."""
    return f"[{clock(at_ms)}]({audio}#t={max(0, at_ms) / 1000:.1f})"

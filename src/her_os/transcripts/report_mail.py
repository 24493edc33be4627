"""The mail that tells what became of recordings: what was done, what failed and why, each summary in full."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path

from her_os.contracts.mail import Mail
from her_os.contracts.transcripts import RecordingResult, Summary, SummaryPoint
from her_os.transcripts.outputs.words import clock, names, one_line

MOST_ATTACHED_BYTES = 10 << 20
"""Of one mail: beyond it many servers refuse."""
_STATUS = {"done": "transcribed", "failed": "failed", "quarantined": "given up"}


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """From whom, to whom, and which files go with it (suffixes such as `.md`). `zone` None is the machine's own."""

    sender: str
    recipients: tuple[str, ...]
    attach: tuple[str, ...] = ()
    zone: tzinfo | None = None


def compose(results: Sequence[RecordingResult], head: Letterhead, now: datetime) -> Mail:
    """One mail about all of `results`, done first; without results, a test. `now` is aware.

    Reads the files to attach; one that cannot be read is named instead.
    """
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = head.sender, ", ".join(head.recipients)
    message["Subject"] = "her-os: " + (_counts(results) or "test")
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=head.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice answers it
    attached, left_out = _attachments(results, head.attach)
    message.set_content("\n".join(_body(results, left_out, head.zone)) + "\n")
    for path, content in attached:
        kind = (mimetypes.guess_type(path.name)[0] or "application/octet-stream").split("/")
        message.add_attachment(content, maintype=kind[0], subtype=kind[1], filename=one_line(path.name))
    return Mail(
        id=message["Message-ID"],
        sender=head.sender,
        recipients=head.recipients,
        content=message.as_bytes(),
    )


def _counts(results: Sequence[RecordingResult]) -> str:
    counts = {word: sum(result.status == status for result in results) for status, word in _STATUS.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _body(results: Sequence[RecordingResult], left_out: Sequence[str], zone: tzinfo | None) -> Iterator[str]:
    yield f"Recordings: {_counts(results)}." if results else "This is a test: mail from her-os arrives."
    for result in (each for each in results if each.status == "done"):
        yield from ("", *_done(result, zone))
    for result in (each for each in results if each.status != "done"):
        yield from ("", *_failed(result))
    if left_out:
        yield from ("", "Not attached:", *(f"  {one_line(name)}" for name in left_out))


def _done(result: RecordingResult, zone: tzinfo | None) -> Iterator[str]:
    yield f"DONE  {one_line(result.source)}"
    transcript, summary = result.transcript, result.summary or Summary()
    called: dict[str, str] = {}
    if transcript:
        called = names(transcript)
        when = datetime.fromtimestamp(transcript.recorded_at, tz=zone).astimezone(zone)
        yield f"{when:%Y-%m-%d %H:%M}, {clock(transcript.duration_ms)} long. Heard: {', '.join(called.values())}"
    for title, points in (("Summary", summary.points), ("Decisions", summary.decisions)):
        yield from _points(title, points, called)
    if summary.tasks:
        yield from ("", "To do:")
    for task in summary.tasks:
        details = ", ".join(one_line(part) for part in (task.what, task.who, task.when) if part)
        yield f"  [{clock(task.at_ms)}] {details}"
    notes = [note for note in (summary.notice, *result.warnings) if note]
    yield from ("", *(f"({one_line(note)})" for note in notes)) if notes else ()
    for output in result.outputs:
        yield f"  {one_line(output)}"


def _points(title: str, points: Sequence[SummaryPoint], called: dict[str, str]) -> Iterator[str]:
    if points:
        yield from ("", f"{title}:")
    for point in points:
        speaker = f"{called.get(point.speaker, point.speaker)}: " if point.speaker else ""
        yield f"  [{clock(point.at_ms)}] {speaker}{one_line(point.text)}"


def _failed(result: RecordingResult) -> Iterator[str]:
    yield f"{_STATUS[result.status].upper()}  {one_line(result.source)}"
    yield f"Why: {one_line(result.reason)}"
    if result.status == "quarantined":
        yield f"After {result.attempts} tries it is left alone; `her-os transcribe --again FILE` takes it up once more."
    else:
        yield "The next run tries it again."


def _attachments(
    results: Sequence[RecordingResult], suffixes: Sequence[str]
) -> tuple[list[tuple[Path, bytes]], list[str]]:
    """Files with their content, and why others are not with them."""
    attached: list[tuple[Path, bytes]] = []
    left_out: list[str] = []
    room = MOST_ATTACHED_BYTES
    for path in (Path(output) for result in results for output in result.outputs):
        if path.suffix not in suffixes:
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            left_out.append(f"{path.name}: {error.strerror}")
            continue
        if len(content) > room:
            left_out.append(f"{path.name}: too large for a mail")
            continue
        room -= len(content)
        attached.append((path, content))
    return attached, left_out

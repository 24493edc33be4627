"""What is older than it may be, and its complete removal: sound, transcript files, index, queue, call log.

Only calls of this house are taken. Recordings that lie elsewhere are their owner's, and so are their transcripts.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from her_os.daemons.transcript_batch import open_queue
from her_os.daemons.transcript_mail import open_outbox
from her_os.household.call_index import CallIndex
from her_os.household.call_log import calls_before, delete_call
from her_os.settings import Settings
from her_os.transcripts.outputs import json_file
from her_os.transcripts.outputs.atomic import sweep
from her_os.transcripts.outputs.writer import SUFFIXES


@dataclass(frozen=True)
class Expired:
    """A call to be removed. `source` may be gone already, `call_ids` empty where it is not in the log."""

    source: str
    files: tuple[Path, ...]
    call_ids: tuple[str, ...]


def find_expired(settings: Settings, before: float) -> list[Expired]:
    """Calls that are over and began before `before` (seconds since 1970). Changes nothing."""
    state = settings.environment.state_dir
    folder = (state / "recordings").resolve()
    files: dict[str, set[Path]] = {}
    calls: dict[str, list[str]] = {}
    for call in calls_before(state / "calls.sqlite3", before):
        source = str(Path(call["recording"]).resolve()) if call["recording"] else f"call {call['id']}"
        calls.setdefault(source, []).append(call["id"])
        files.setdefault(source, set())
    for path in folder.glob("*.wav") if folder.is_dir() else ():
        if path.stat().st_mtime < before:  # a call that goes on is written to
            files.setdefault(str(path), set())
    for source, written in _index(settings).sources_before(before).items():
        if Path(source).parent == folder:
            files.setdefault(source, set()).update(Path(file) for file in written)
    for source, written in _transcripts(state / "transcripts"):
        if source in files:
            files[source].update(written)
    for source, written in files.items():
        written.add(Path(source))
    return [
        Expired(source, tuple(sorted(path for path in written if path.is_file())), tuple(calls.get(source, ())))
        for source, written in sorted(files.items())
    ]


def remove(settings: Settings, expired: Expired) -> None:
    """Remove all of it: sound, files, what a mail would have told, index, log row.

    Raises OSError; run again, it goes on: the log row, which leads to the rest, goes last.
    """
    queue, source = open_queue(settings), Path(expired.source)
    if not queue.forget(source):
        raise OSError(errno.EBUSY, "it is being transcribed right now", expired.source)
    for file in expired.files:
        file.unlink(missing_ok=True)
        sweep(file.parent)
    queue.forget(source)  # in case the dispatcher came upon it meanwhile
    open_outbox(settings).forget(expired.source)
    _index(settings).remove(expired.source)
    for call_id in expired.call_ids:
        delete_call(settings.environment.state_dir / "calls.sqlite3", call_id)


def _transcripts(folder: Path) -> list[tuple[str, list[Path]]]:
    """Also what the index has lost is found."""
    found: list[tuple[str, list[Path]]] = []
    for file in folder.glob("*.json") if folder.is_dir() else ():
        with suppress(OSError, ValueError):
            source = json_file.parse(file.read_bytes()).transcript.source
            found.append((source, [file.with_name(file.name.removesuffix(".json") + suffix) for suffix in SUFFIXES]))
    return found


def _index(settings: Settings) -> CallIndex:
    return CallIndex(settings.environment.state_dir / "call-index.sqlite3")

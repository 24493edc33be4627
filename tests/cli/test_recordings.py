"""Old calls go completely, dry run first; young ones, open ones and other people's files stay."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.call_line import CallerInfo
from her_os.contracts.transcripts import RecordingResult, Summary, SummaryPoint
from her_os.household.call_index import CallIndex
from her_os.household.call_log import CallLog, read_calls
from her_os.transcripts.outbox import Outbox
from her_os.transcripts.outputs.writer import FileWriter
from her_os.transcripts.queue import RecordingQueue
from tests.cli.test_commands import her_os
from tests.transcripts.outputs.samples import segment, transcript


@pytest.fixture
def state() -> Path:
    """Three calls: an old one, an old one that goes on, a young one."""
    folder = Path(os.environ["HER_OS_STATE_DIR"])
    (folder / "recordings").mkdir(parents=True)
    log, index = CallLog(folder / "calls.sqlite3"), CallIndex(folder / "call-index.sqlite3")
    for name in ("old", "open", "young"):
        recording = folder / "recordings" / f"{name}.wav"
        recording.write_bytes(b"RIFF")
        record = log.begin(name, CallerInfo(uri="sip:a@b"), mode="half duplex", recording=str(recording))
        if name != "open":
            record.end("hung up", "G722")
            RecordingQueue(folder / "transcripts.sqlite3").add(recording)
            made = transcript(segment("caller", 0, f"secret {name}"), source=str(recording), call_id=name)
            outputs = FileWriter(folder / "transcripts", index.put).write(made, Summary())
            summary = Summary(points=(SummaryPoint(at_ms=0, text=f"secret {name}"),))
            Outbox(folder / "outbox.sqlite3").note(
                RecordingResult(source=str(recording), status="done", summary=summary, outputs=tuple(map(str, outputs)))
            )
            record.turn_finished(TurnRecord(1, f"secret {name}", "", "", "answered", ()))
    log.close()
    with closing(sqlite3.connect(folder / "calls.sqlite3")) as db, db:
        db.execute("UPDATE calls SET started_at = 5 WHERE id <> 'young'")
        db.execute("UPDATE calls SET started_at = ? WHERE id = 'young'", (time.time(),))
    with closing(sqlite3.connect(folder / "call-index.sqlite3")) as db, db:
        db.execute("UPDATE transcripts SET recorded_at = ? WHERE call_id = 'young'", (time.time(),))
    os.utime(folder / "recordings" / "old.wav", (5, 5))
    return folder


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "sqlite3" not in path.name}


def test_dry_run_first_and_then_complete(state: Path) -> None:
    before = everything(state)
    dry = her_os("recordings", "prune", "--days", "30", "--json")
    rows = [json.loads(line) for line in dry.stdout.splitlines()]
    assert [(Path(row["source"]).name, row["removed"], len(row["files"])) for row in rows] == [("old.wav", False, 6)]
    assert everything(state) == before
    assert her_os("recordings", "prune", "--days", "30", "--delete").returncode == 0
    assert {path.stem for path in everything(state)} == {"open", "young"}
    assert {call["id"] for call in read_calls(state / "calls.sqlite3")} == {"open", "young"}
    assert [hit.call_id for hit in CallIndex(state / "call-index.sqlite3").search("secret")] == ["young"]
    assert [entry.path.stem for entry in RecordingQueue(state / "transcripts.sqlite3").entries()] == ["young"]
    left = [path.name for path in state.rglob("*") if path.is_file() and b"secret old" in path.read_bytes()]
    assert left == [], "not a byte of it, in the databases and their logs either"
    assert any(b"secret young" in path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert her_os("recordings", "prune", "--days", "30").stderr == "No call is older than 30 days.\n"


def test_without_an_age_nothing_is_removed(state: Path) -> None:
    result = her_os("recordings", "prune", "--delete")
    assert result.returncode == 1
    assert "transcripts.keep_days is 0" in result.stderr

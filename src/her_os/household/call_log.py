"""The call log: calls, turns, timings and outcomes in SQLite, written by a thread of its own.

Every record is committed as it happens (WAL), so what a call had said survives kill -9. A call that was open
when the process died is closed as "crashed" at the next start.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import HerOsError
from her_os.household.damage import is_damage, move_aside, refuse_damage

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id TEXT PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, caller_uri TEXT NOT NULL, caller_name TEXT NOT NULL,
    account TEXT NOT NULL, kind TEXT NOT NULL, mode TEXT NOT NULL, codec TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT 'open', recording TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS turns (
    call_id TEXT NOT NULL REFERENCES calls(id) ON DELETE CASCADE, turn INTEGER NOT NULL, at REAL NOT NULL,
    caller_text TEXT NOT NULL, reply_text TEXT NOT NULL, heard_text TEXT NOT NULL, outcome TEXT NOT NULL,
    tools TEXT NOT NULL, first_audio_ms REAL, cancel TEXT, error TEXT NOT NULL, PRIMARY KEY (call_id, turn)
);
CREATE TABLE IF NOT EXISTS notes (
    call_id TEXT NOT NULL REFERENCES calls(id) ON DELETE CASCADE, at REAL NOT NULL,
    kind TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_call ON notes(call_id);
"""

_CLOSE_CRASHED = """
UPDATE calls SET outcome = 'crashed',
    ended_at = (SELECT max(at) FROM (
        SELECT started_at AS at UNION ALL SELECT at FROM turns WHERE call_id = calls.id
        UNION ALL SELECT at FROM notes WHERE call_id = calls.id))
WHERE outcome = 'open'
"""

_WHAT_TO_DO = "see who owns it and whether the disk is full, or switch it off: phone.call_log"

Statement = tuple[str, tuple[Any, ...]]


class CallLog:
    """Opens (and creates) the log at `path`. `close` writes what is left.

    A damaged log is moved aside and a new one begun: calls are worth more than their record. Raises HerOsError where
    there can be no log at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _prepare_or_begin_anew(path)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise HerOsError(f"the call log {path} cannot be opened ({error}); {_WHAT_TO_DO}") from error
        self._queue: queue.SimpleQueue[Statement | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="call-log", daemon=True)
        self._thread.start()

    def begin(self, call_id: str, caller: CallerInfo, *, mode: str, recording: str, codec: str = "") -> CallRecord:
        """A call was answered."""
        who = (caller.uri, caller.display_name, caller.account, caller.kind)
        self._put(
            "INSERT INTO calls (id, started_at, caller_uri, caller_name, account, kind, mode, recording, codec) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (call_id, time.time(), *who, mode, recording, codec),
        )
        return CallRecord(call_id, self._put)

    def close(self) -> None:
        """Write what is queued and stop. Idempotent."""
        self._queue.put(None)
        self._thread.join(timeout=5)

    def _put(self, sql: str, values: tuple[Any, ...]) -> None:
        self._queue.put((sql, values))

    def _write(self) -> None:
        with closing(_connect(self._path)) as db:
            while (statement := self._queue.get()) is not None:
                try:
                    with db:
                        db.execute(*statement)
                except Exception as error:  # noqa: BLE001 - one record that cannot be kept must not cost the next
                    log.error("the call log could not be written (%s): %s", self._path, error)  # noqa: TRY400


class CallRecord:
    """The journal of one call. Implements CallJournal."""

    def __init__(self, call_id: str, put: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._call_id, self._put = call_id, put

    def turn_begun(self, turn: int, caller_text: str) -> None:
        """Keep what is about to be answered."""
        self._put(
            "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, '', '', 'unfinished', '', NULL, NULL, '')",
            (self._call_id, turn, time.time(), caller_text),
        )

    def turn_finished(self, record: TurnRecord) -> None:
        """Keep a turn, in the place of its beginning."""
        cancel = msgspec.json.encode(record.cancel).decode() if record.cancel else None
        self._put(
            "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._call_id,
                record.turn,
                time.time(),
                record.caller_text,
                record.reply_text,
                record.heard_text,
                record.outcome,
                " ".join(record.tools),
                record.first_audio_ms,
                cancel,
                record.error,
            ),
        )

    def note(self, kind: str, text: str) -> None:
        """Keep anything else."""
        self._put("INSERT INTO notes VALUES (?, ?, ?, ?)", (self._call_id, time.time(), kind, text))

    def end(self, outcome: str, codec: str) -> None:
        """The call is over."""
        self._put(
            "UPDATE calls SET ended_at = ?, outcome = ?, codec = ? WHERE id = ?",
            (time.time(), outcome, codec, self._call_id),
        )


class SilentJournal:
    """The journal of a house that keeps no call log."""

    def turn_begun(self, turn: int, caller_text: str) -> None:
        """Nothing is kept."""

    def turn_finished(self, record: TurnRecord) -> None:
        """Nothing is kept."""

    def note(self, kind: str, text: str) -> None:
        """Nothing is kept."""

    def end(self, outcome: str, codec: str) -> None:
        """Nothing is kept."""


def read_calls(path: Path, limit: int = 20) -> list[dict[str, Any]]:
    """The latest calls, newest first, each with its number of turns. Empty where there is no log yet."""
    return list(
        _rows(
            path,
            "SELECT calls.*, (SELECT count(*) FROM turns WHERE call_id = calls.id) AS turns "
            "FROM calls ORDER BY started_at DESC LIMIT ?",
            (limit,),
        )
    )


def find_calls(path: Path, beginning: str) -> list[dict[str, Any]]:
    """The calls whose id is `beginning`, or begins with it, letter by letter; the newest first."""
    sql = "SELECT * FROM calls WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id <> ?1, started_at DESC"
    return list(_rows(path, sql, (beginning,)))


def read_call(path: Path, call_id: str) -> dict[str, Any] | None:
    """One call with its `turns` and `notes`; None when there is none."""
    call = next(_rows(path, "SELECT * FROM calls WHERE id = ?", (call_id,)), None)
    if call is None:
        return None
    key = (call["id"],)
    call["turns"] = list(_rows(path, "SELECT * FROM turns WHERE call_id = ? ORDER BY turn", key))
    call["notes"] = list(_rows(path, "SELECT * FROM notes WHERE call_id = ? ORDER BY at", key))
    return call


def find_call_of_recording(path: Path, recording: Path) -> dict[str, Any] | None:
    """The call that was recorded there, with its `turns` and `notes`; None for a stranger's file.

    The file's name is enough, for it holds time and call: the state folder may have moved since.
    """
    name = f"/{recording.name}"
    row = next(_rows(path, "SELECT id FROM calls WHERE substr(recording, -length(?)) = ?", (name, name)), None)
    return read_call(path, row["id"]) if row else None


def calls_before(path: Path, moment: float) -> list[dict[str, Any]]:
    """Calls that began before `moment` (seconds since 1970) and are over, oldest first."""
    return list(
        _rows(path, "SELECT * FROM calls WHERE started_at < ? AND outcome <> 'open' ORDER BY started_at", (moment,))
    )


def delete_call(path: Path, call_id: str) -> None:
    """Remove a call with its turns and notes; their bytes in the database are overwritten."""
    with closing(_connect(path)) as db:
        db.execute("PRAGMA secure_delete=ON")
        with db:
            db.execute("DELETE FROM calls WHERE id = ?", (call_id,))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepare_or_begin_anew(path: Path) -> None:
    try:
        _prepare(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        aside = move_aside(path)
        log.error("the call log %s is damaged (%s): moved to %s, a new one is begun", path, error, aside)  # noqa: TRY400
        _prepare(path)


def _prepare(path: Path) -> None:
    """Make the tables where there are none, and close what a crash left open."""
    with closing(_connect(path)) as db:
        refuse_damage(db)
        with db:
            db.executescript(_SCHEMA)
            db.execute(_CLOSE_CRASHED)


def _rows(path: Path, sql: str, values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Raises HerOsError where the log cannot be read."""
    if not path.exists():
        return
    try:
        with closing(_connect(path)) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute(sql, values):
                yield dict(row)
    except sqlite3.Error as error:
        if is_damage(error):
            what = f"is damaged ({error}); the phone daemon moves it aside when it starts: restart her-os"
        else:
            what = f"cannot be read ({error}); {_WHAT_TO_DO}"
        raise HerOsError(f"the call log {path} {what}") from error


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA foreign_keys=ON")
    return db

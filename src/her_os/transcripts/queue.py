"""The durable queue of recordings, in SQLite.

    waiting --claim--> claimed --finish--> done        claimed --release (interrupted)--> waiting
                          |--fail--> waiting           ... after `attempts` failures --> quarantined

A claim belongs to a process. When that is gone (kill -9), the claim is anybody's again, with what was already done:
a transcript that was made is kept, so only the summary is made anew. A file that changed after it was done or
quarantined waits again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from her_os.contracts.transcripts import Transcript
from her_os.transcripts.database import Database
from her_os.transcripts.process_identity import is_alive, own_identity

State = Literal["waiting", "claimed", "done", "quarantined"]

_NOT_ITS_FAULT = ("config", "sidecar_unavailable")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS recordings (
    path TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', added_at REAL NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '', transcript BLOB
);
CREATE INDEX IF NOT EXISTS recordings_by_state ON recordings(state, added_at);
"""
_ADD = """
INSERT INTO recordings (path, fingerprint, added_at) VALUES (?, ?, ?) ON CONFLICT(path) DO UPDATE SET
    state = 'waiting', fingerprint = excluded.fingerprint, failures = 0, code = '', reason = '', transcript = NULL
    WHERE fingerprint <> excluded.fingerprint AND state <> 'claimed'
"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A recording that is ours for now. `transcript` is there when an earlier run got so far."""

    path: Path
    failures: int
    transcript: Transcript | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A recording as the queue knows it."""

    path: Path
    state: State
    failures: int
    code: str
    reason: str


class RecordingQueue:
    """Opens (and creates) the queue at `path`. Every method is one transaction, quick enough for the event loop."""

    def __init__(self, path: Path, *, attempts: int = 3) -> None:
        self._database, self._attempts, self._owner = Database(path, _SCHEMA), attempts, own_identity()

    def add(self, path: Path, *, again: bool = False) -> State:
        """A recording is there. Returns its state; `again` makes one wait that was done or quarantined."""
        key, info = str(path), path.stat()
        with self._database.transaction() as db:
            _free_the_orphaned(db)
            db.execute(_ADD, (key, f"{info.st_size}:{info.st_mtime_ns}", time.time()))
            if again:
                db.execute(
                    "UPDATE recordings SET state = 'waiting', failures = 0, transcript = NULL "
                    "WHERE path = ? AND state IN ('done', 'quarantined')",
                    (key,),
                )
            state: State = db.execute("SELECT state FROM recordings WHERE path = ?", (key,)).fetchone()[0]
            return state

    def claim(self, among: Sequence[Path] | None = None) -> Claim | None:
        """The recording that has waited longest, now ours; None when none waits. `among` limits the choice."""
        with self._database.transaction() as db:
            _free_the_orphaned(db)
            rows = db.execute("SELECT * FROM recordings WHERE state = 'waiting' ORDER BY added_at, path").fetchall()
            wanted = None if among is None else {str(path) for path in among}
            row = next((row for row in rows if wanted is None or row["path"] in wanted), None)
            if row is None:
                return None
            db.execute("UPDATE recordings SET state = 'claimed', owner = ? WHERE path = ?", (self._owner, row["path"]))
        kept = row["transcript"]
        transcript = msgspec.msgpack.decode(kept, type=Transcript) if kept else None
        return Claim(path=Path(row["path"]), failures=row["failures"], transcript=transcript)

    def keep(self, path: Path, transcript: Transcript) -> None:
        """The speech stage is done; its work is not to be done twice."""
        self._update(path, "transcript = ?", msgspec.msgpack.encode(transcript))

    def finish(self, path: Path) -> None:
        """All outputs are written."""
        self._update(path, "state = 'done', owner = '', transcript = NULL, code = '', reason = ''")

    def fail(self, path: Path, code: str, reason: str) -> State:
        """It failed. Returns `waiting` (another run tries again) or `quarantined`.

        A mistake in the configuration, or a machine that is away, is not the recording's fault and does not count.
        """
        with self._database.transaction() as db:
            db.execute(
                "UPDATE recordings SET failures = failures + ?1, owner = '', code = ?2, reason = ?3, "
                "state = CASE WHEN failures + ?1 >= ?4 THEN 'quarantined' ELSE 'waiting' END WHERE path = ?5",
                (int(code not in _NOT_ITS_FAULT), code, reason, self._attempts, str(path)),
            )
            state: State = db.execute("SELECT state FROM recordings WHERE path = ?", (str(path),)).fetchone()[0]
            return state

    def release(self, path: Path) -> None:
        """We were interrupted: it waits again, and that counts as no failure."""
        self._update(path, "state = 'waiting', owner = ''")

    def forget(self, path: Path) -> bool:
        """The recording and what was made of it go, their bytes too. False while a live process works at it."""
        with self._database.transaction() as db:
            _free_the_orphaned(db)
            db.execute("DELETE FROM recordings WHERE path = ? AND state <> 'claimed'", (str(path),))
            gone = db.execute("SELECT 1 FROM recordings WHERE path = ?", (str(path),)).fetchone() is None
        self._database.wipe_log()
        return gone

    def entries(self) -> list[Entry]:
        """Everything in the queue, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT * FROM recordings ORDER BY added_at, path").fetchall()
        return [_entry(row) for row in rows]

    def entry(self, path: Path) -> Entry | None:
        """One recording; None for a stranger."""
        with self._database.transaction() as db:
            row = db.execute("SELECT * FROM recordings WHERE path = ?", (str(path),)).fetchone()
        return _entry(row) if row else None

    def _update(self, path: Path, assignment: str, *values: Any) -> None:
        with self._database.transaction() as db:
            db.execute(f"UPDATE recordings SET {assignment} WHERE path = ?", (*values, str(path)))  # noqa: S608


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        path=Path(row["path"]), state=row["state"], failures=row["failures"], code=row["code"], reason=row["reason"]
    )


def _free_the_orphaned(db: sqlite3.Connection) -> None:
    owners = [row[0] for row in db.execute("SELECT DISTINCT owner FROM recordings WHERE state = 'claimed'")]
    for owner in owners:
        if not is_alive(owner):
            db.execute("UPDATE recordings SET state = 'waiting', owner = '' WHERE owner = ?", (owner,))

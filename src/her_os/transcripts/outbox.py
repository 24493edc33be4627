"""What mails shall tell and the mails that wait to be sent, in SQLite: a restart loses neither.

    result --note--> told by no mail yet --post--> waiting --claim--> in hand --sent--> gone
                                                      ^---postpone (server away)---|--give_up--> gone

A mail in hand belongs to a process; when that is gone, it waits again. So a mail is sent at least once: where the
process dies between the server's "taken" and ours, twice, under the same Message-ID.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from her_os.contracts.mail import Mail
from her_os.contracts.transcripts import RecordingResult
from her_os.transcripts.database import Database
from her_os.transcripts.process_identity import is_alive, own_identity

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (source TEXT PRIMARY KEY, result BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mails (
    id TEXT PRIMARY KEY, sender TEXT NOT NULL, recipients TEXT NOT NULL, content BLOB NOT NULL, sources TEXT NOT NULL,
    posted_at REAL NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT ''
)
"""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that was not sent yet. Times in seconds since 1970; `reason` is why the last try failed."""

    id: str
    recipients: tuple[str, ...]
    posted_at: float
    due_at: float
    tries: int
    reason: str


class Outbox:
    """Opens (and creates) the outbox at `path`. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self._database, self._owner = Database(path, _SCHEMA), own_identity()

    def note(self, result: RecordingResult) -> None:
        """The next mail is to tell of this. The words of the transcript are not kept here."""
        if result.transcript:
            brief = msgspec.structs.replace(result.transcript, segments=())
            result = msgspec.structs.replace(result, transcript=brief)
        with self._database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (result.source, msgspec.msgpack.encode(result)))

    def untold(self) -> list[RecordingResult]:
        """What no mail tells of yet, in the order of noting."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT result FROM results ORDER BY rowid").fetchall()
        return [msgspec.msgpack.decode(row["result"], type=RecordingResult) for row in rows]

    def post(self, mail: Mail, results: Sequence[RecordingResult], now: float) -> None:
        """A mail is written that tells of `results`."""
        sources = [result.source for result in results]
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO mails (id, sender, recipients, content, sources, posted_at, due_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (mail.id, mail.sender, _json(mail.recipients), mail.content, _json(sources), now, now),
            )
            db.executemany("DELETE FROM results WHERE source = ?", [(source,) for source in sources])

    def claim(self, now: float, but: Collection[str] = ()) -> tuple[Mail, Waiting] | None:
        """The mail that has been due longest, in our hand now; None when none is. `but` not those."""
        with self._database.transaction() as db:
            for owner in [row[0] for row in db.execute("SELECT DISTINCT owner FROM mails WHERE owner <> ''")]:
                if not is_alive(owner):
                    db.execute("UPDATE mails SET owner = '' WHERE owner = ?", (owner,))
            due = db.execute("SELECT * FROM mails WHERE owner = '' AND due_at <= ? ORDER BY due_at", (now,))
            row = next((row for row in due.fetchall() if row["id"] not in but), None)
            if row is None:
                return None
            db.execute("UPDATE mails SET owner = ? WHERE id = ?", (self._owner, row["id"]))
        waiting = _waiting(row)
        mail = Mail(id=row["id"], sender=row["sender"], recipients=waiting.recipients, content=row["content"])
        return mail, waiting

    def postpone(self, mail: Mail, due_at: float, reason: str) -> None:
        """It could not be sent now."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE mails SET owner = '', tries = tries + 1, due_at = ?, reason = ? WHERE id = ?",
                (due_at, reason, mail.id),
            )

    def release(self, mail: Mail) -> None:
        """We were interrupted while we sent it, which is no failed try."""
        with self._database.transaction() as db:
            db.execute("UPDATE mails SET owner = '' WHERE id = ?", (mail.id,))

    def drop(self, mail: Mail) -> None:
        """It was sent, or never will be. Its bytes go."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM mails WHERE id = ?", (mail.id,))
        self._database.wipe_log()

    def forget(self, source: str) -> None:
        """A recording is being removed: so is what a mail would have told of it. What was sent is out of our reach."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM results WHERE source = ?", (source,))
            db.execute("DELETE FROM mails WHERE ? IN (SELECT value FROM json_each(mails.sources))", (source,))
        self._database.wipe_log()

    def waiting(self) -> list[Waiting]:
        """Every mail that was not sent yet, the one due next first."""
        with self._database.transaction() as db:
            return [_waiting(row) for row in db.execute("SELECT * FROM mails ORDER BY due_at")]


def _waiting(row: sqlite3.Row) -> Waiting:
    return Waiting(
        id=row["id"],
        recipients=msgspec.json.decode(row["recipients"], type=tuple[str, ...]),
        posted_at=row["posted_at"],
        due_at=row["due_at"],
        tries=row["tries"],
        reason=row["reason"],
    )


def _json(value: Sequence[str]) -> str:
    return msgspec.json.encode(list(value)).decode()

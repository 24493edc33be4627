"""Full-text index of what was said (SQLite FTS5), beside the call log: a word finds call, speaker and second.

The index holds nothing that the transcript files do not hold: it can be rebuilt from them at any time.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from her_os.contracts.transcripts import Transcript

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transcripts (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, call_id TEXT NOT NULL, recorded_at REAL NOT NULL,
    files TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY, transcript INTEGER NOT NULL REFERENCES transcripts(id), speaker TEXT NOT NULL,
    start_ms INTEGER NOT NULL, word_starts TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS segments_of_transcript ON segments(transcript);
CREATE VIRTUAL TABLE IF NOT EXISTS segment_words USING fts5(
    text, content='segments', content_rowid='id', tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER IF NOT EXISTS segment_added AFTER INSERT ON segments BEGIN
    INSERT INTO segment_words(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER IF NOT EXISTS segment_removed AFTER DELETE ON segments BEGIN
    INSERT INTO segment_words(segment_words, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""
_SEARCH = """
SELECT source, call_id, recorded_at, speaker, start_ms, word_starts, segments.text,
    highlight(segment_words, 0, char(1), char(2)) AS marked
FROM segment_words JOIN segments ON segments.id = segment_words.rowid JOIN transcripts ON transcripts.id = transcript
WHERE segment_words MATCH ? ORDER BY recorded_at DESC, start_ms LIMIT ?
"""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """Where words were said. `at_ms` is the first of them in the recording; `call_id` is empty for other files."""

    call_id: str
    source: str
    recorded_at: float
    speaker: str
    at_ms: int
    text: str


class CallIndex:
    """Opens (and creates) the index at `path`. Every change is one transaction; safe from several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(_connect(path)) as db, db:
            db.executescript(_SCHEMA)
        path.chmod(0o600)

    def put(self, transcript: Transcript, files: tuple[Path, ...] = ()) -> None:
        """Index a transcript; an earlier one of the same recording is replaced."""
        names = {speaker.id: speaker.name for speaker in transcript.speakers}
        with self._transaction() as db:
            _remove(db, transcript.source)
            number = db.execute(
                "INSERT INTO transcripts (source, call_id, recorded_at, files) VALUES (?, ?, ?, ?)",
                (
                    transcript.source,
                    transcript.call_id,
                    transcript.recorded_at,
                    msgspec.json.encode([str(file) for file in files]).decode(),
                ),
            ).lastrowid
            db.executemany(
                "INSERT INTO segments (transcript, speaker, start_ms, word_starts, text) VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        number,
                        names.get(segment.speaker) or segment.speaker,
                        segment.start_ms,
                        msgspec.json.encode([word.start_ms for word in segment.words]).decode(),
                        segment.text,
                    )
                    for segment in transcript.segments
                ),
            )

    def remove(self, source: str) -> None:
        """Forget a recording, its words included: the file's pages and the index's own are overwritten."""
        with self._transaction() as db:
            _remove(db, source)
            db.execute("INSERT INTO segment_words(segment_words) VALUES ('optimize')")
        with closing(_connect(self._path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def clear(self) -> None:
        """Forget everything, before a rebuild."""
        with self._transaction() as db:
            db.execute("DELETE FROM segments")
            db.execute("DELETE FROM transcripts")

    def sources_before(self, moment: float) -> dict[str, tuple[str, ...]]:
        """Recordings made before `moment` (seconds since 1970), each with the files written of it."""
        with closing(_connect(self._path)) as db:
            rows = db.execute("SELECT source, files FROM transcripts WHERE recorded_at < ?", (moment,))
            return {row["source"]: msgspec.json.decode(row["files"], type=tuple[str, ...]) for row in rows}

    def search(self, query: str, limit: int = 20) -> list[Hit]:
        """Where all words of `query` were said in one go, newest first.

        "Words in quotes" are looked for side by side; `den*` finds what begins so. Anything else has no meaning.
        """
        wanted = _match(query)
        if not wanted:
            return []
        with closing(_connect(self._path)) as db:
            return [_hit(row) for row in db.execute(_SEARCH, (wanted, limit))]

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with closing(_connect(self._path)) as db, db:
            db.execute("BEGIN IMMEDIATE")
            yield db


def _remove(db: sqlite3.Connection, source: str) -> None:
    db.execute("DELETE FROM segments WHERE transcript = (SELECT id FROM transcripts WHERE source = ?)", (source,))
    db.execute("DELETE FROM transcripts WHERE source = ?", (source,))


def _hit(row: sqlite3.Row) -> Hit:
    starts = msgspec.json.decode(row["word_starts"], type=list[int])
    before = str(row["marked"]).partition("\x01")[0]
    number = len(before.split()) - (1 if before and not before[-1].isspace() else 0)
    aligned = len(starts) == len(str(row["text"]).split())
    return Hit(
        call_id=row["call_id"],
        source=row["source"],
        recorded_at=row["recorded_at"],
        speaker=row["speaker"],
        at_ms=starts[number] if aligned and 0 <= number < len(starts) else row["start_ms"],
        text=row["text"],
    )


def _match(query: str) -> str:
    """An FTS5 expression in which nothing that was typed is an operator."""
    parts = [phrase or word for phrase, word in re.findall(r'"([^"]+)"|([^\s"]+)', query.replace("\0", " "))]
    return " ".join(f'"{part.rstrip("*")}"' + ("*" if part.endswith("*") else "") for part in parts if _has_word(part))


def _has_word(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA secure_delete=ON")
    return db

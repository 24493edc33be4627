"""A small SQLite file of ours: one transaction at a time, private, and what is deleted is overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


class Database:
    """Opens (and creates) the file at `path` with the tables of `schema`, statements that may run again."""

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        with self.transaction() as db:
            for statement in schema.split(";"):
                db.execute(statement)
        path.chmod(0o600)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Everything in it happens or nothing does; other processes wait. Rows are named. Raises sqlite3.Error."""
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def wipe_log(self) -> None:
        """Empty the write-ahead log, which may still hold what was deleted. Left to the next one while it is read."""
        with closing(self._connect()) as db, suppress(sqlite3.OperationalError):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA secure_delete=ON")
        return db

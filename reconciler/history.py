"""History of syncs in SQLite: the intent before the first effect, the result after the last.

A restart marks what was left running as Interrupted. Losing this file loses nothing but history.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.plan import Plan
from reconciler.status import SyncRecord
from schemas.codec import decode
from schemas.errors import StopError
from schemas.resource import ResourceKey

KEPT = 50
"""Syncs kept per application."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS syncs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application TEXT NOT NULL, revision TEXT NOT NULL, author TEXT NOT NULL, message TEXT NOT NULL,
    reason TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL, phase TEXT NOT NULL,
    digest TEXT NOT NULL, basis TEXT NOT NULL, results TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS syncs_by_application ON syncs (application, id);
CREATE TABLE IF NOT EXISTS created (key TEXT PRIMARY KEY, at TEXT NOT NULL);
"""
_FIELDS = tuple(field.name for field in fields(SyncRecord))
_COLUMNS = ", ".join(_FIELDS)


class History:
    """The history file. Used from one thread. Raises StopError ``HistoryUnreadable`` where it is none."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            hint = "move the file away; nothing but history is lost"
            raise StopError("HistoryUnreadable", f"{file}: {error}", hint) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def interrupt(self, now: datetime) -> None:
        """Mark what an earlier process left running."""
        self._db.execute(
            "UPDATE syncs SET phase = 'Interrupted', finished = ? WHERE phase = 'Running'", (_iso(now),)
        )

    def begin(self, plan: Plan, author: str, message: str, now: datetime) -> int:
        """Write down that ``plan`` is about to be executed; returns the sync's id."""
        row = (plan.application, plan.revision, author, message, plan.reason, _iso(now), "", "Running")
        cursor = self._db.execute(
            "INSERT INTO syncs (application, revision, author, message, reason, started, finished, phase,"
            " digest, basis, results) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')",
            (*row, plan.digest, plan.basis),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def finish(self, sync: int, failed: Sequence[tuple[str, str]], now: datetime) -> None:
        """Write down how a sync ended; ``failed`` are steps and why they failed."""
        phase = "Failed" if failed else "Succeeded"
        self._db.execute(
            "UPDATE syncs SET phase = ?, finished = ?, results = ? WHERE id = ?",
            (phase, _iso(now), json.dumps(list(failed)), sync),
        )
        self._db.execute(
            "DELETE FROM syncs WHERE application = (SELECT application FROM syncs WHERE id = :sync)"
            " AND id NOT IN (SELECT id FROM syncs WHERE application ="
            " (SELECT application FROM syncs WHERE id = :sync) ORDER BY id DESC LIMIT :kept)",
            {"sync": sync, "kept": KEPT},
        )

    def syncs(self, application: str, limit: int = KEPT) -> tuple[SyncRecord, ...]:
        """The syncs of an application, newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM syncs WHERE application = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 (constant columns)
            (application, limit),
        )
        return tuple(_record(row) for row in rows)

    def note_created(self, keys: Sequence[ResourceKey], now: datetime) -> None:
        """Remember when resources were first applied; what is known already stays."""
        rows = [(str(key), _iso(now)) for key in keys]
        self._db.executemany("INSERT OR IGNORE INTO created (key, at) VALUES (?, ?)", rows)

    def forget_created(self, keys: Sequence[ResourceKey]) -> None:
        """Forget deleted resources."""
        self._db.executemany("DELETE FROM created WHERE key = ?", [(str(key),) for key in keys])

    def created(self) -> Mapping[str, str]:
        """When each resource was first applied, ISO 8601 by the key's text."""
        return dict(self._db.execute("SELECT key, at FROM created").fetchall())


def _record(row: tuple[Any, ...]) -> SyncRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    values["results"] = json.loads(values["results"])
    return decode(SyncRecord, values)


def _iso(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds")

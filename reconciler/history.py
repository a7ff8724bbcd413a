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

from reconciler.control.approval import NOTHING_SHOWN, PlanStanding
from reconciler.control.rollback import Trial
from reconciler.planning.plan import Plan
from reconciler.status import Phase, SyncRecord
from schemas.codec import decode, encode_terse
from schemas.errors import StopError
from schemas.resource import ResourceKey

KEPT = 50
"""Syncs kept per application."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS syncs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application TEXT NOT NULL, revision TEXT NOT NULL, author TEXT NOT NULL, message TEXT NOT NULL,
    reason TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL, phase TEXT NOT NULL,
    digest TEXT NOT NULL, basis TEXT NOT NULL, results TEXT NOT NULL, who TEXT NOT NULL,
    resources TEXT NOT NULL, preview TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS syncs_by_application ON syncs (application, id);
CREATE TABLE IF NOT EXISTS created (key TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agreed (application TEXT PRIMARY KEY, revision TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (application TEXT PRIMARY KEY, trial TEXT NOT NULL);
"""
_ADDED = {"who": "", "resources": "[]", "preview": "{}"}
"""Columns that version 0.1.0 had not, with their defaults."""
_FIELDS = tuple(field.name for field in fields(SyncRecord))
_COLUMNS = ", ".join(_FIELDS)


class History:
    """The history file. Used from one thread. Raises StopError ``HistoryUnreadable`` where it is none."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._last: dict[str, SyncRecord | None] = {}
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
            self._add_columns()
        except sqlite3.DatabaseError as error:
            self._db.close()
            hint = "move the file away; nothing but history is lost"
            raise StopError("HistoryUnreadable", f"{file}: {error}", hint) from error

    def _add_columns(self) -> None:
        """Bring a file of an earlier version up to date."""
        known = {row[1] for row in self._db.execute("PRAGMA table_info(syncs)")}
        for column, default in _ADDED.items():
            if column not in known:
                self._db.execute(f"ALTER TABLE syncs ADD COLUMN {column} TEXT NOT NULL DEFAULT '{default}'")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def interrupt(self, now: datetime) -> None:
        """Mark what an earlier process left running."""
        self._last.clear()
        self._db.execute(
            "UPDATE syncs SET phase = 'Interrupted', finished = ? WHERE phase = 'Running'", (_iso(now),)
        )

    def begin(
        self,
        plan: Plan,
        author: str,
        message: str,
        who: str,
        now: datetime,
        preview: PlanStanding = NOTHING_SHOWN,
    ) -> int:
        """Write down that ``plan`` is about to be executed, who started it, and how it stands to what a pull
        request showed; returns the sync's id."""
        row = (plan.application, plan.revision, author, message, plan.reason, _iso(now), "", "Running")
        resources = json.dumps([[str(change.key), change.action, ""] for change in plan.changes])
        self._last.pop(plan.application, None)
        cursor = self._db.execute(
            "INSERT INTO syncs (application, revision, author, message, reason, started, finished, phase,"
            " digest, basis, results, who, resources, preview)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?, ?, ?)",
            (*row, plan.digest, plan.basis, who, resources, json.dumps(encode_terse(preview))),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def note_results(self, sync: int, resources: Sequence[tuple[str, str, str]]) -> None:
        """Write down what became of each resource: (key, action, result)."""
        rows = json.dumps(list(resources))
        self._db.execute("UPDATE syncs SET resources = ? WHERE id = ?", (rows, sync))

    def finish(self, sync: int, phase: Phase, failed: Sequence[tuple[str, str]], now: datetime) -> SyncRecord:
        """Write down how a sync ended; ``failed`` are steps and why they failed. Returns all of it."""
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
        record = self.sync(sync)
        assert record is not None
        self._last.pop(record.application, None)
        return record

    def sync(self, sync: int) -> SyncRecord | None:
        """One sync by its id."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM syncs WHERE id = ?", (sync,)).fetchone()  # noqa: S608 (constant columns)
        return _record(row) if row else None

    def last(self, application: str) -> SyncRecord | None:
        """The newest sync of an application; remembered, because every status shows it."""
        if application not in self._last:
            self._last[application] = next(iter(self.syncs(application, limit=1)), None)
        return self._last[application]

    def agreed(self, application: str) -> str:
        """The revision at which Git and live agreed last, empty where they never did."""
        row = self._db.execute("SELECT revision FROM agreed WHERE application = ?", (application,)).fetchone()
        return row[0] if row else ""

    def note_agreed(self, application: str, revision: str) -> None:
        """Remember that Git and live agree at ``revision``."""
        self._db.execute("INSERT OR REPLACE INTO agreed VALUES (?, ?)", (application, revision))

    def trial(self, application: str) -> Trial | None:
        """How what an application wants has fared; None where nobody has looked."""
        row = self._db.execute("SELECT trial FROM trials WHERE application = ?", (application,)).fetchone()
        return decode(Trial, json.loads(row[0])) if row else None

    def note_trial(self, application: str, trial: Trial) -> None:
        """Remember how what an application wants has fared."""
        text = json.dumps(encode_terse(trial))
        self._db.execute("INSERT OR REPLACE INTO trials VALUES (?, ?)", (application, text))

    def syncs(self, application: str, limit: int = KEPT) -> tuple[SyncRecord, ...]:
        """The syncs of an application, newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM syncs WHERE application = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 (constant columns)
            (application, limit),
        )
        return tuple(_record(row) for row in rows)

    def note_created(self, keys: Sequence[ResourceKey], now: datetime) -> None:
        """Remember when resources were first applied; what is known already stays."""
        names = json.dumps([str(key) for key in keys])  # one statement is one write to disk
        self._db.execute(
            "INSERT OR IGNORE INTO created (key, at) SELECT value, ? FROM json_each(?)", (_iso(now), names)
        )

    def forget_created(self, keys: Sequence[ResourceKey]) -> None:
        """Forget deleted resources."""
        names = json.dumps([str(key) for key in keys])
        self._db.execute("DELETE FROM created WHERE key IN (SELECT value FROM json_each(?))", (names,))

    def created(self) -> Mapping[str, str]:
        """When each resource was first applied, ISO 8601 by the key's text."""
        return dict(self._db.execute("SELECT key, at FROM created").fetchall())


def _record(row: tuple[Any, ...]) -> SyncRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    values["results"] = json.loads(values["results"])
    # What was written before there were results has two parts.
    values["resources"] = [[*row, ""][:3] for row in json.loads(values["resources"])]
    values["preview"] = json.loads(values["preview"])
    return decode(SyncRecord, values)


def _iso(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds")

"""Intent on disk: one row per application, written through before anything acts on it.

A file of its own beside record and history, because it is neither: it must not be lost, and it is not
what runs. A file that cannot be read stops the controller; going on as if nobody had said anything
could move a pinned application.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from cattrs import BaseValidationError

from reconciler.control.intent import NOTHING_SAID, Intent
from schemas.codec import decode, encode_terse
from schemas.errors import StopError

_SCHEMA = "CREATE TABLE IF NOT EXISTS intents (application TEXT PRIMARY KEY, intent TEXT NOT NULL)"


class IntentStore:
    """The intent file. Used from one thread; every write is on disk when it returns.

    Raises StopError ``IntentUnreadable`` where the file is none, or says what this version cannot read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(_SCHEMA)
            self._intents = {name: self._read(text) for name, text in self._rows()}
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._unreadable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def intent(self, application: str) -> Intent:
        """What was decided about an application."""
        return self._intents.get(application, NOTHING_SAID)

    def intents(self) -> Mapping[str, Intent]:
        """Everything that was decided, by application."""
        return dict(sorted(self._intents.items()))

    def change(self, application: str, decide: Callable[[Intent], Intent]) -> Intent:
        """Replace an application's intent by what ``decide`` makes of it."""
        intent = decide(self.intent(application))
        if intent == NOTHING_SAID:
            self._db.execute("DELETE FROM intents WHERE application = ?", (application,))
            self._intents.pop(application, None)
            return intent
        text = json.dumps(encode_terse(intent), ensure_ascii=False)
        self._db.execute("INSERT OR REPLACE INTO intents VALUES (?, ?)", (application, text))
        self._intents[application] = intent
        return intent

    def _rows(self) -> list[tuple[str, str]]:
        return self._db.execute("SELECT application, intent FROM intents").fetchall()

    def _read(self, text: str) -> Intent:
        try:
            return decode(Intent, json.loads(text))
        except (BaseValidationError, TypeError, ValueError) as error:
            self._db.close()
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> StopError:
        hint = "restore it from a backup; moving it away forgets pins, suspensions and approvals"
        return StopError("IntentUnreadable", f"{self._file}: {type(error).__name__}: {error}", hint)

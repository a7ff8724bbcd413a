"""What was previewed, on disk: one row per pull request, so that a restart neither writes comments anew nor
forgets which plan was shown.

Neither record nor history: losing it costs a round of previews, and a plan that was shown has to be approved.
Full previews are not kept; they are made anew.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cattrs import BaseValidationError

from reconciler.control.approval import Previewed
from reconciler.preview.pulls.pull_requests import PullRequest
from schemas.codec import decode, encode_terse
from schemas.errors import StopError

KEPT = 200
"""Pull requests that are merged or closed and still remembered, per repository."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS previews (
    repository TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, preview TEXT NOT NULL,
    PRIMARY KEY (repository, number)
)
"""


@dataclass(frozen=True)
class Published:
    """What the provider was told: the id of our comment, and digests of what it, the status and the label say."""

    comment: int | None = None
    text: str = ""
    status: str = ""
    label: str = ""


@dataclass(frozen=True)
class Previewing:
    """How the preview of one pull request stands. ``key`` is a digest of all that it was planned from;
    ``verdict`` and ``digest`` are those of the preview, empty where there is none, and then ``reason`` and
    ``message`` say why. ``plans`` are what it showed, by application; ``syncs`` how those went that executed them,
    sorted; ``outcome`` is what the comment says of it all."""

    repository: str
    pull: PullRequest
    at: datetime
    key: str = ""
    verdict: str = ""
    digest: str = ""
    basis: str = ""
    reason: str = ""
    message: str = ""
    plans: tuple[Previewed, ...] = ()
    published: Published = Published()
    outcome: str = ""
    syncs: tuple[str, ...] = ()


class PreviewStore:
    """The file of previews, from one thread. A file that cannot be read is begun anew: nothing but comfort is
    lost. Raises StopError ``PreviewsUnreadable`` where it cannot be written either."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._db = self._open()
        except sqlite3.DatabaseError:
            file.unlink(missing_ok=True)
            self._db = self._opened_anew()
        self._known = {(each.repository, each.pull.number): each for each in self._read()}

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def of(self, repository: str) -> tuple[Previewing, ...]:
        """Those of one repository, by number."""
        return tuple(each for each in self.all() if each.repository == repository)

    def all(self) -> tuple[Previewing, ...]:
        """Every one, by repository and number."""
        return tuple(self._known[at] for at in sorted(self._known))

    def get(self, repository: str, number: int) -> Previewing | None:
        """One of them."""
        return self._known.get((repository, number))

    def put(self, preview: Previewing) -> None:
        """Keep it in place of what was known of that pull request."""
        at = (preview.repository, preview.pull.number)
        if self._known.get(at) == preview:
            return
        self._known[at] = preview
        text = json.dumps(encode_terse(preview), ensure_ascii=False)
        row = (*at, preview.pull.state, text)
        self._db.execute("INSERT OR REPLACE INTO previews VALUES (?, ?, ?, ?)", row)
        self._forget(self._ended(preview.repository))

    def previewed(self, application: str) -> tuple[Previewed, ...]:
        """What open and merged pull requests showed of one application."""
        open_or_merged = (each for each in self._known.values() if each.pull.state != "closed")
        return tuple(
            plan for each in open_or_merged for plan in each.plans if plan.application == application
        )

    def _ended(self, repository: str) -> Sequence[Previewing]:
        ended = [each for each in self.of(repository) if each.pull.state != "open"]
        return sorted(ended, key=lambda each: (each.at, each.pull.number))[:-KEPT]

    def _forget(self, previews: Sequence[Previewing]) -> None:
        for each in previews:
            at = (each.repository, each.pull.number)
            del self._known[at]
            self._db.execute("DELETE FROM previews WHERE repository = ? AND number = ?", at)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(_SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _opened_anew(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            hint = "move the file away; previews are made anew"
            raise StopError("PreviewsUnreadable", f"{self._file}: {error}", hint) from error

    def _read(self) -> list[Previewing]:
        """Rows that another release wrote, or nobody of ours, are left out."""
        found = []
        for (text,) in self._db.execute("SELECT preview FROM previews").fetchall():
            try:
                found.append(decode(Previewing, json.loads(text)))
            except (BaseValidationError, TypeError, ValueError):
                continue
        return found

"""The newest notices, numbered, for whoever asks what has happened since."""

from collections import deque
from dataclasses import dataclass

from reconciler.observability.notices import Notice

KEPT = 1_000
"""Notices kept; some hundred bytes each."""


@dataclass(frozen=True)
class Entry:
    """``id`` counts from 1 at the start of the controller."""

    id: int
    notice: Notice


class Feed:
    """The last :data:`KEPT` notices."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self.last = 0

    def add(self, notice: Notice) -> None:
        """Number it; the oldest goes where there are too many."""
        self.last += 1
        self._entries.append(Entry(self.last, notice))

    def since(self, seen: int, application: str | None = None) -> tuple[Entry, ...]:
        """What came after number ``seen``, of one application or of all; by id."""
        return tuple(
            entry
            for entry in self._entries
            if entry.id > seen and application in (None, entry.notice.application)
        )

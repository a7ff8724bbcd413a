"""What people do at a provider, and what they see there: the one side of the contract of all adapters.

A double keeps a :class:`Repository` in memory and answers for it as its provider does; the real Gitea keeps
one of its own.
"""

from dataclasses import dataclass, field
from hashlib import sha1
from typing import Protocol

from reconciler.preview.pulls.pull_requests import PullRequests

TOKEN = "a-token-of-forty-characters-0123456789ab"


@dataclass(frozen=True)
class Person:
    """A user, or a program that writes as one."""

    number: int
    name: str
    bot: bool = False


MOORAGE = Person(7, "moorage")
EVE = Person(8, "eve")


@dataclass(frozen=True)
class Seen:
    """A commit status as people see it."""

    state: str
    description: str
    url: str


@dataclass
class Note:
    id: int
    author: Person | None
    text: str
    deleted: bool = False


@dataclass
class Pull:
    """``fork`` is ``""``, ``"there"`` or ``"gone"``."""

    number: int
    title: str
    branch: str
    head: str
    base: str
    fork: str = ""
    draft: bool = False
    state: str = "open"
    merge_commit: str = ""
    labels: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


class Side(Protocol):
    """A provider with one repository, whose default branch is main."""

    name: str
    statuses: dict[str, str]
    """The provider's word for each state."""

    def adapter(self) -> PullRequests:
        """As Moorage, whose token may do all that it needs."""

    def open(self, title: str, *, fork: str = "", draft: bool = False) -> int:
        """Open a pull request of a branch of its own; its number."""

    def head(self, number: int) -> str:
        """The commit of its branch."""

    def tip(self) -> str:
        """The commit of main."""

    def merge(self, number: int) -> None: ...

    def close(self, number: int) -> None: ...

    def say(self, number: int, text: str) -> int:
        """Write a comment as somebody else; its id."""

    def comments(self, number: int) -> list[tuple[str, str]]:
        """Author and text, the oldest first."""

    def delete_comment(self, number: int, comment: int) -> None: ...

    def status(self, commit: str) -> Seen | None:
        """What holds under Moorage's name."""

    def labels(self, number: int) -> list[str]: ...

    def publish(self) -> None:
        """Let everybody read the repository."""


def commit_of(text: str) -> str:
    """A commit id that is this text's alone."""
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


class Repository:
    """One in memory, without Git."""

    def __init__(self) -> None:
        self.pulls: dict[int, Pull] = {}
        self.known_labels: list[str] = []
        self.said: dict[str, list[tuple[str, Seen]]] = {}
        self.public = False
        self.main = commit_of("main")
        self.me = MOORAGE
        self.may_ask_who = True
        self._ids = iter(range(101, 1_000_000))

    def open(self, title: str, *, fork: str = "", draft: bool = False) -> int:
        number = len(self.pulls) + 1
        head = commit_of(f"head of {number}")
        self.pulls[number] = Pull(number, title, f"change/{number}", head, self.main, fork, draft)
        return number

    def head(self, number: int) -> str:
        return self.pulls[number].head

    def tip(self) -> str:
        return self.main

    def merge(self, number: int) -> None:
        self.main = commit_of(f"merge of {number}")
        self.pulls[number].state, self.pulls[number].merge_commit = "merged", self.main

    def close(self, number: int) -> None:
        self.pulls[number].state = "closed"

    def write(self, number: int, author: Person | None, text: str) -> Note:
        note = Note(next(self._ids), author, text)
        self.pulls[number].notes.append(note)
        return note

    def say(self, number: int, text: str) -> int:
        return self.write(number, EVE, text).id

    def comments(self, number: int) -> list[tuple[str, str]]:
        notes = [note for note in self.pulls[number].notes if not note.deleted]
        return [(note.author.name if note.author else "", note.text) for note in notes]

    def delete_comment(self, number: int, comment: int) -> None:
        self.note(comment).deleted = True

    def note(self, comment: int) -> Note:
        """Raises LookupError."""
        found = (note for pull in self.pulls.values() for note in pull.notes if note.id == comment)
        note = next(found, None)
        if note is None or note.deleted:
            raise LookupError(comment)
        return note

    def say_of(self, commit: str, name: str, seen: Seen) -> None:
        self.said.setdefault(commit, []).append((name, seen))

    def status(self, commit: str) -> Seen | None:
        return next(
            (seen for name, seen in reversed(self.said.get(commit, [])) if name == "moorage/plan"), None
        )

    def labels(self, number: int) -> list[str]:
        return self.pulls[number].labels

    def label(self, number: int, name: str, *, present: bool) -> None:
        labels = self.pulls[number].labels
        if present and name not in labels:
            labels.append(name)
        elif not present:
            labels.remove(name)
        if name not in self.known_labels:
            self.known_labels.append(name)

    def publish(self) -> None:
        self.public = True

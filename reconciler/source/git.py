"""One Git source: a repository, a revision to follow and a path, read through Git objects.

Never a checkout: what is read are trees and blobs, so nothing in the repository can run, and no link
leads out of it. Blobs are asked for by id and only when somebody has not seen them. Everything here
blocks; callers run it in a thread. Watching and polling live beside this module.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pygit2
from pygit2.enums import FileMode

from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.fetching import REMOTE_HEAD, fetch
from reconciler.source.opening import open_mirror, open_repository, reading
from reconciler.source.revisions import find, verify
from reconciler.source.trees import Leaf, changes
from reconciler.source.urls import local_path, redacted
from reconciler.source.verification import OFF, Verification
from schemas.errors import InputError
from schemas.problem import Problem

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILES = 100_000
MAX_BLOB = 1 << 20
"""Bytes of one manifest file; a larger one is refused unread."""
MAX_TEXT = 2_000
"""Characters of a commit's message that are kept."""
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
"""What may be the id of a commit, and so one that no branch or tag names."""


@dataclass(frozen=True)
class Entry:
    """One manifest file of a tree: Git's mode and blob id."""

    mode: int
    blob: str


@dataclass(frozen=True)
class Snapshot:
    """What a source holds at one commit: manifest files by path, sorted.

    ``digest`` covers (path, mode, blob) and what is refused, and nothing of the commit; ``refused`` are
    problems of entries that are never read (symlinks, submodules, oversized files), by path. Author and
    message are whatever somebody wrote.
    """

    revision: str
    author: str
    message: str
    tree: str
    digest: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    refused: tuple[Problem, ...] = ()


class _Contents(NamedTuple):
    """What a tree holds, entries and what is refused, each sorted by path."""

    entries: Mapping[str, Entry]
    refused: tuple[Problem, ...]


class GitSource:
    """A local repository (bare or not) or a remote one, mirrored below ``mirror``."""

    def __init__(
        self,
        repository: str,
        revision: str,
        path: str,
        mirror: Path,
        credentials: Credentials = AGENT,
        verification: Verification = OFF,
    ) -> None:
        self.repository = repository
        self.revision = revision
        self.path = path.strip("/")
        self.path = "" if self.path == "." else self.path
        self.local = local_path(repository)
        self._mirror = mirror
        self._credentials = credentials
        self._verification = verification
        self._opened: pygit2.Repository | None = None

    def fetch(self) -> None:
        """Bring the mirror of a remote repository up to date; nothing to do for a local one.

        Raises what :func:`reconciler.source.fetching.fetch` raises.
        """
        if self.local is None:
            fetch(self._open(), self.repository, self._credentials)

    def snapshot(self, previous: Snapshot | None = None, revision: str | None = None) -> Snapshot:
        """What the source holds now, or at another ``revision`` than it follows. The same commit gives
        ``previous`` back, the same tree its entries.

        Raises InputError ``RevisionNotFound``, ``RepositoryNotFound``, ``PathNotFound`` or
        ``UnverifiedRevision``, TransientError ``RepositoryUnreadable``.
        """
        with reading(self.repository):
            name = revision or self.revision
            found = self._named(name)
            commit = found.peel(pygit2.Commit)
            if previous is not None and previous.revision == str(commit.id):
                return previous
            verify(self._open(), self._read, self._verification, name, found)
            return self._snapshot(previous, commit)

    def _snapshot(self, previous: Snapshot | None, commit: pygit2.Commit) -> Snapshot:
        revision = str(commit.id)
        tree = self._subtree(commit)
        author, message = _words(commit.author.raw_name), _words(commit.raw_message)
        if previous is not None and previous.tree == str(tree.id):
            return Snapshot(
                revision, author, message, previous.tree, previous.digest, previous.entries, previous.refused
            )
        found = self._contents(str(tree.id), previous)
        same = previous is not None and (
            previous.entries is found.entries and previous.refused == found.refused
        )
        digest = previous.digest if previous is not None and same else _digest(found)
        return Snapshot(revision, author, message, str(tree.id), digest, found.entries, found.refused)

    def blob(self, blob: str) -> bytes:
        """The bytes of one blob. Raises TransientError ``RepositoryUnreadable``."""
        with reading(self.repository):
            return self._read(blob)

    def _open(self) -> pygit2.Repository:
        if self._opened is None:
            self._opened = (
                open_repository(self.local, self.repository)
                if self.local is not None
                else open_mirror(self._mirror, self.repository)
            )
        return self._opened

    def _named(self, revision: str) -> pygit2.Object:
        fallback = REMOTE_HEAD if self.local is None and revision == "HEAD" else revision
        found = find(self._open(), revision, fallback)
        if found is None and self.local is None and self._open().is_shallow and _COMMIT.fullmatch(revision):
            fetch(self._open(), self.repository, self._credentials, whole=True)
            found = find(self._open(), revision, fallback)
        if found is None:
            raise InputError(
                "RevisionNotFound",
                f"{redacted(self.repository)} has no branch, tag or commit {revision[:200]!r}",
                "push it, or change the application's revision",
            )
        return found

    def _subtree(self, commit: pygit2.Commit) -> pygit2.Tree:
        if not self.path:
            return commit.tree
        try:
            entry = commit.tree[self.path]
        except KeyError:
            entry = None
        if not isinstance(entry, pygit2.Tree):
            raise InputError(
                "PathNotFound",
                f"{redacted(self.repository)} has no folder {self.path!r} at {str(commit.id)[:7]}",
                "change the application's path, or add the folder",
            )
        return entry

    def _contents(self, tree: str, previous: Snapshot | None) -> _Contents:
        if previous is not None:
            try:
                return self._changed(_Contents(previous.entries, previous.refused), previous.tree, tree)
            except KeyError:  # a force push whose old objects are gone
                pass
        return self._changed(_Contents({}, ()), None, tree)

    def _changed(self, known: _Contents, before: str | None, after: str) -> _Contents:
        """What ``after`` holds; ``known.entries`` itself where no manifest file changed."""
        entries = dict(known.entries)
        refused = {problem.file: problem for problem in known.refused}
        for path, leaf in changes(self._read, before, after, self.path):
            entries.pop(path, None)
            refused.pop(path, None)
            problem = self._refusal(path, leaf) if leaf is not None else None
            if problem is not None:
                refused[path] = problem
            elif leaf is not None and path.endswith(SUFFIXES):
                entries[path] = Entry(leaf.mode, leaf.id)
        if len(entries) > MAX_FILES:
            raise InputError("TooManyFiles", f"more than {MAX_FILES} manifest files below {self.path!r}")
        same = entries == known.entries
        return _Contents(
            known.entries if same else dict(sorted(entries.items())),
            tuple(problem for _, problem in sorted(refused.items())),
        )

    def _refusal(self, path: str, leaf: Leaf) -> Problem | None:
        if leaf.mode == FileMode.LINK:
            found = "SymlinkRefused", "symbolic links are not followed", "commit the file itself"
        elif leaf.mode == FileMode.COMMIT:
            found = "SubmoduleRefused", "submodules are not read", "commit the files themselves"
        elif path.endswith(SUFFIXES) and self._size(leaf.id) > MAX_BLOB:
            found = "FileTooLarge", f"larger than {MAX_BLOB} bytes", "split it"
        else:
            return None
        code, message, hint = found
        return Problem("error", code, path, 0, 0, "", "", "", "", message, hint)

    def _size(self, blob: str) -> int:
        return int(self._open().odb.read_header(pygit2.Oid(hex=blob))[1])

    def _read(self, identity: str) -> bytes:
        return bytes(self._open().odb.read(pygit2.Oid(hex=identity))[1])


def _words(raw: bytes | None) -> str:
    """What somebody wrote into a commit, whatever its encoding is said to be."""
    return (raw or b"")[: 4 * MAX_TEXT].decode("utf-8", "replace")[:MAX_TEXT]


def _digest(contents: _Contents) -> str:
    lines = [f"{entry.mode:o} {entry.blob} {path}\0" for path, entry in contents.entries.items()]
    lines.extend(f"{problem.code} {problem.file}\0" for problem in contents.refused)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

"""One Git source: a repository, a revision to follow and a path, read through Git objects.

Never a checkout: what is read are trees and blobs, so nothing in the repository can run, and no link
leads out of it. Blobs are asked for by id and only when somebody has not seen them. Everything here
blocks; callers run it in a thread. Watching and polling live beside this module.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pygit2
from pygit2.enums import DeltaStatus, FileMode

from schemas.errors import InputError, TransientError
from schemas.problem import Problem

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILES = 100_000
MAX_DEPTH = 64
MAX_BLOB = 1 << 20
"""Bytes of one manifest file; a larger one is refused unread."""


@dataclass(frozen=True)
class Entry:
    """One manifest file of a tree: Git's mode and blob id."""

    mode: int
    blob: str


@dataclass(frozen=True)
class Snapshot:
    """What a source holds at one commit: manifest files by path, sorted.

    ``digest`` covers (path, mode, blob) and nothing of the commit; ``refused`` are problems of entries
    that are never read (symlinks, submodules, oversized files).
    """

    revision: str
    author: str
    message: str
    tree: str
    digest: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    refused: tuple[Problem, ...] = ()


class GitSource:
    """A local repository (bare or not) or a remote one, mirrored below ``mirror``."""

    def __init__(self, repository: str, revision: str, path: str, mirror: Path) -> None:
        self.repository = repository
        self.revision = revision
        self.path = path.strip("/")
        self.path = "" if self.path == "." else self.path
        self.local = local_path(repository)
        self._mirror = mirror
        self._opened: pygit2.Repository | None = None

    def fetch(self) -> None:
        """Bring the mirror of a remote repository up to date; nothing to do for a local one.

        Raises TransientError ``FetchFailed``; the message never holds credentials of the URL.
        """
        if self.local is not None:
            return
        try:
            repository = self._open()
            remote = repository.remotes.create_anonymous(self.repository)
            remote.fetch(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], prune=_PRUNE)
        except (pygit2.GitError, ValueError) as error:
            message = _without_credentials(str(error), self.repository)
            raise TransientError("FetchFailed", f"{redacted(self.repository)}: {message}") from error

    def head(self) -> str:
        """The commit that the revision (branch, tag or SHA) names now.

        Raises InputError ``RevisionNotFound`` or ``RepositoryNotFound``.
        """
        return str(self._commit().id)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        """What the source holds now. The same commit gives ``previous`` back, the same tree its entries.

        Raises InputError ``RevisionNotFound``, ``RepositoryNotFound`` or ``PathNotFound``.
        """
        commit = self._commit()
        revision = str(commit.id)
        if previous is not None and previous.revision == revision:
            return previous
        tree = self._subtree(commit)
        author, message = commit.author.name or "", commit.message
        if previous is not None and previous.tree == str(tree.id):
            return Snapshot(
                revision, author, message, previous.tree, previous.digest, previous.entries, previous.refused
            )
        entries, refused = self._entries(tree, previous)
        same = previous is not None and entries is previous.entries
        digest = previous.digest if previous is not None and same else _digest(entries)
        return Snapshot(revision, author, message, str(tree.id), digest, entries, refused)

    def blob(self, blob: str) -> bytes:
        """The bytes of one blob."""
        return bytes(self._open().odb.read(pygit2.Oid(hex=blob))[1])

    def _open(self) -> pygit2.Repository:
        if self._opened is None:
            try:
                if self.local is not None:
                    self._opened = pygit2.Repository(str(self.local))
                else:
                    self._mirror.mkdir(parents=True, exist_ok=True)
                    self._opened = pygit2.init_repository(str(self._mirror), bare=True)
            except pygit2.GitError as error:
                raise InputError(
                    "RepositoryNotFound",
                    f"{redacted(self.repository)}: {error}",
                    "name a Git repository: a path or an https, ssh or file URL",
                ) from error
        return self._opened

    def _commit(self) -> pygit2.Commit:
        repository = self._open()
        for name in (f"refs/heads/{self.revision}", f"refs/tags/{self.revision}", self.revision):
            try:
                return repository.revparse_single(name).peel(pygit2.Commit)
            except (KeyError, ValueError, pygit2.GitError):
                continue
        raise InputError(
            "RevisionNotFound",
            f"{redacted(self.repository)} has no branch, tag or commit {self.revision!r}",
            "push it, or change the application's revision",
        )

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

    def _entries(
        self, tree: pygit2.Tree, previous: Snapshot | None
    ) -> tuple[Mapping[str, Entry], tuple[Problem, ...]]:
        if previous is None or previous.refused:
            return self._walk(tree)
        try:
            before = self._open()[previous.tree]
        except KeyError:  # a force push whose old objects are gone
            return self._walk(tree)
        assert isinstance(before, pygit2.Tree)
        return self._changed(before, tree, previous.entries)

    def _walk(self, tree: pygit2.Tree) -> tuple[Mapping[str, Entry], tuple[Problem, ...]]:
        entries: dict[str, Entry] = {}
        refused: list[Problem] = []
        for path, item in _files(tree, self.path, 0):
            self._admit(path, int(item.filemode), str(item.id), entries, refused)
        return dict(sorted(entries.items())), tuple(refused)

    def _changed(
        self, before: pygit2.Tree, after: pygit2.Tree, known: Mapping[str, Entry]
    ) -> tuple[Mapping[str, Entry], tuple[Problem, ...]]:
        """``known`` itself where no manifest file changed."""
        entries = dict(known)
        refused: list[Problem] = []
        prefix = f"{self.path}/" if self.path else ""
        for delta in before.diff_to_tree(after).deltas:
            entries.pop(prefix + _text(delta.old_file.raw_path), None)
            if delta.status != DeltaStatus.DELETED:
                new = delta.new_file
                self._admit(prefix + _text(new.raw_path), int(new.mode), str(new.id), entries, refused)
        same = entries == known
        return known if same else dict(sorted(entries.items())), tuple(refused)

    def _admit(
        self, path: str, mode: int, blob: str, entries: dict[str, Entry], refused: list[Problem]
    ) -> None:
        if mode == FileMode.LINK:
            refused.append(_refusal(path, "SymlinkRefused", "symbolic links are not followed"))
        elif mode == FileMode.COMMIT:
            refused.append(_refusal(path, "SubmoduleRefused", "submodules are not read"))
        elif path.endswith(SUFFIXES):
            if len(entries) >= MAX_FILES:
                raise InputError("TooManyFiles", f"more than {MAX_FILES} manifest files below {self.path!r}")
            if self._open().odb.read_header(pygit2.Oid(hex=blob))[1] > MAX_BLOB:
                refused.append(_refusal(path, "FileTooLarge", f"larger than {MAX_BLOB} bytes"))
            else:
                entries[path] = Entry(mode, blob)


_PRUNE = pygit2.enums.FetchPrune.PRUNE


def local_path(repository: str) -> Path | None:
    """The folder of a repository that is on this machine, or None for a remote URL."""
    url = urlsplit(repository)
    if url.scheme == "file":
        return Path(url.path)
    if url.scheme or _is_scp(repository):
        return None
    return Path(repository).expanduser()


def redacted(repository: str) -> str:
    """The URL without user name, password and query: safe to show."""
    url = urlsplit(repository)
    if not url.scheme or not url.netloc:
        return repository
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def _is_scp(repository: str) -> bool:
    """``git@host:path``, the short form of an ssh URL."""
    head, colon, _ = repository.partition(":")
    return bool(colon) and "@" in head and "/" not in head


def _without_credentials(message: str, repository: str) -> str:
    return message.replace(repository, redacted(repository))


def _files(tree: pygit2.Tree, prefix: str, depth: int) -> Iterator[tuple[str, pygit2.Object]]:
    if depth > MAX_DEPTH:
        raise InputError("TreeTooDeep", f"more than {MAX_DEPTH} folders deep at {prefix[:80]!r}")
    for item in tree:
        name = _text(item.raw_name)
        path = f"{prefix}/{name}" if prefix else name
        if isinstance(item, pygit2.Tree):
            yield from _files(item, path, depth + 1)
        else:
            yield path, item


def _text(name: bytes | None) -> str:
    """A path as text; bytes that are not UTF-8 are shown escaped."""
    return (name or b"").decode("utf-8", "backslashreplace")


def _digest(entries: Mapping[str, Entry]) -> str:
    lines = "".join(f"{entry.mode:o} {entry.blob} {path}\0" for path, entry in entries.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _refusal(path: str, code: str, message: str) -> Problem:
    return Problem("error", code, path, 0, 0, "", "", "", "", message, "commit the file itself")

"""Branches that a commit of ours is put on: of a repository on this machine, or of a remote one by a push.

A branch only ever moves forward from where it was last seen, so nobody's push is lost. Work trees are not
touched. Objects for a remote repository are written into a folder of their own that is thrown away
afterwards; what its mirror has is borrowed, never changed. Blocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pygit2

from reconciler.source.borrowing import borrow
from reconciler.source.credentials import Credentials
from reconciler.source.fetching import Dealings, fetch, heads, words
from reconciler.source.opening import open_repository
from reconciler.source.revisions import commit_of_id
from reconciler.source.urls import local_path, redacted, without_credentials
from schemas.errors import InputError, MoorageError

MAX_WORDS = 1_000
"""Characters that are kept of what a server says to a push."""
CHECKED_OUT_MOVES = frozenset({"ignore", "warn", "false", "no", "off", "0"})
"""Values of ``receive.denyCurrentBranch`` with which Git lets a push move a branch that is checked out."""
_MADE = "refs/moorage/restored"


class Branches(Protocol):
    """The branches of one repository; ``git`` is where objects are read and written."""

    git: pygit2.Repository

    def default(self) -> str | None:
        """The branch that HEAD names."""

    def head(self, branch: str) -> pygit2.Commit | None:
        """Where a branch is now; None where there is none."""

    def commit(self, revision: str) -> pygit2.Commit | None:
        """A commit by its whole id."""

    def move(self, branch: str, old: pygit2.Oid, new: pygit2.Oid) -> bool:
        """Move a branch from ``old`` to ``new``, which follows it; False where it is at ``old`` no more.

        Raises InputError ``PushRefused``.
        """


@contextmanager
def branches(repository: str, credentials: Credentials, mirror: Path) -> Iterator[Branches]:
    """The branches of ``repository``; ``mirror`` is its mirror, which need not exist.

    Raises InputError ``RepositoryNotFound``.
    """
    local = local_path(repository)
    if local is not None:
        yield LocalBranches(local)
        return
    with TemporaryDirectory(prefix="moorage-") as folder:
        yield RemoteBranches(repository, credentials, _private(Path(folder), mirror))


class LocalBranches:
    """Branches of a repository on this machine. Its hooks are not run."""

    def __init__(self, folder: Path) -> None:
        self.git = open_repository(folder, str(folder))

    def default(self) -> str | None:
        """The branch that HEAD names, whether or not it has a commit."""
        return _branch(str(self.git.references["HEAD"].target))

    def head(self, branch: str) -> pygit2.Commit | None:
        """Where a branch is now."""
        return _head(self.git, branch)

    def commit(self, revision: str) -> pygit2.Commit | None:
        """A commit by its whole id."""
        return commit_of_id(self.git, revision)

    def move(self, branch: str, old: pygit2.Oid, new: pygit2.Oid) -> bool:
        """Compare and swap. A branch that is checked out is moved where Git would let a push do it."""
        reference = self.git.branches.local[branch]
        if reference.is_checked_out() and not self._moves_checked_out():
            hint = "check out another branch there, or set receive.denyCurrentBranch to warn there"
            message = (
                f"{branch} is checked out in {redacted(str(self.git.path))}, and its files would not follow"
            )
            raise InputError("PushRefused", message, hint)
        if reference.target != old:
            return False
        try:
            reference.set_target(new, "moorage rollback")
        except (pygit2.GitError, OSError, ValueError) as error:
            if self.git.branches.local[branch].target != old:
                return False
            raise InputError("PushRefused", f"{branch} cannot be written: {error}") from error
        return True

    def _moves_checked_out(self) -> bool:
        return configured(self.git, "receive.denyCurrentBranch").lower() in CHECKED_OUT_MOVES


class RemoteBranches:
    """Branches of the repository at ``address``; ``git`` is a private one that is thrown away."""

    def __init__(self, address: str, credentials: Credentials, git: pygit2.Repository) -> None:
        self.git = git
        self._address = address
        self._credentials = credentials

    def default(self) -> str | None:
        """The branch that the remote's HEAD names."""
        return next((_branch(str(each.symref_target)) for each in self._heads() if each.name == "HEAD"), None)

    def head(self, branch: str) -> pygit2.Commit | None:
        """Where a branch is now; fetches."""
        fetch(self.git, self._address, self._credentials)
        return _head(self.git, branch)

    def commit(self, revision: str) -> pygit2.Commit | None:
        """A commit by its whole id; fetches the history where it is left out."""
        found = commit_of_id(self.git, revision)
        if found is None and self.git.is_shallow:
            fetch(self.git, self._address, self._credentials, whole=True)
            found = commit_of_id(self.git, revision)
        return found

    def move(self, branch: str, old: pygit2.Oid, new: pygit2.Oid) -> bool:
        """Push. Where that fails, the remote is asked where its branch is: it may be there already, or
        have moved meanwhile."""
        name = f"refs/heads/{branch}"
        self.git.references.create(_MADE, new, force=True)
        said = _Push(self._address, self._credentials).send(self.git, name)
        if said is None:
            return True
        tip = next((each.oid for each in self._heads() if each.name == name), None)
        if tip == old:
            hint = "ask whoever looks after the repository, or commit to another branch with --branch"
            raise InputError("PushRefused", f"{redacted(self._address)} {branch}: {said}", hint)
        return tip == new

    def _heads(self) -> list[pygit2.remotes.RemoteHead]:
        return heads(self.git, self._address, self._credentials)


class _Push(Dealings):
    """One push, and what the server says to it."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        super().__init__(address, credentials)
        self._said = ""
        self._refusal: str | None = None

    def send(self, git: pygit2.Repository, name: str) -> str | None:
        """Push what was made to ``name``; None where the server took it, else why not."""
        try:
            git.remotes.create_anonymous(self._address).push([f"{_MADE}:{name}"], callbacks=self)
        except MoorageError as error:
            return self._told(error.message)
        except (pygit2.GitError, ValueError) as error:
            return self._told(words(error, self._address))
        return None if self._refusal is None else self._told(self._refusal)

    def push_update_reference(self, refname: str, message: str | None) -> None:  # noqa: ARG002 (libgit2 passes it)
        """Called once per reference, with the reason where it was refused."""
        self._refusal = message

    def sideband_progress(self, string: str) -> None:
        """Called with what the server's hooks print."""
        self._said = (self._said + string)[:MAX_WORDS]

    def _told(self, refusal: str) -> str:
        """Why it was refused, with what was printed before; a server may repeat who we are."""
        text = " ".join(f"{refusal}: {self._said}".split()).rstrip(": ")
        password = self._credentials.password
        if password is not None:
            text = text.replace(password.read(), "***")
        return without_credentials(text, self._address)[:MAX_WORDS]


def configured(git: pygit2.Repository, name: str) -> str:
    """A setting of Git's for this repository; empty where there is none."""
    return (git.config[name] or "") if name in git.config else ""


def _private(folder: Path, mirror: Path) -> pygit2.Repository:
    """A repository in ``folder`` that sees what the mirror had fetched."""
    if not (mirror / "objects").is_dir():
        return pygit2.init_repository(str(folder), bare=True)
    lender = pygit2.Repository(str(mirror))
    git = borrow(folder, lender)
    for reference in lender.references.objects:
        git.references.create(reference.name, reference.target)
    return git


def _branch(reference: str) -> str | None:
    name = reference.removeprefix("refs/heads/")
    return name if name != reference else None


def _head(git: pygit2.Repository, branch: str) -> pygit2.Commit | None:
    found = git.branches.local.get(branch)
    return found.peel(pygit2.Commit) if found is not None else None

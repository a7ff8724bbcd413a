"""Heads of pull requests, brought from a remote repository with all of their history, or found in one here.

A mirror of its own holds just what is asked for: a source's mirror has no history and no pull requests. Where
the repository is on this machine there is nothing to bring. Blocks; callers run it in a thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pygit2

from reconciler.source.credentials import Credentials
from reconciler.source.fetching import fetch_whole, heads
from reconciler.source.opening import open_mirror, open_repository, reading
from reconciler.source.urls import local_path
from schemas.errors import InputError

MAX_REF = 250
"""Bytes of a ref's name."""
_KEPT = "refs/moorage/pulls/"


class PullMirror:
    """Refs of the repository at ``address``. ``folder`` is where their commits are: of the mirror, or of the
    repository itself where that is on this machine."""

    def __init__(self, address: str, folder: Path, credentials: Credentials) -> None:
        self._address = address
        self._credentials = credentials
        self._local = local_path(address)
        self.folder = folder if self._local is None else self._local

    def fetch(self, refs: Sequence[str]) -> Mapping[str, str]:
        """The commits of ``refs``, which are whole names (``refs/pull/7/head``) or HEAD, by name; sorted, and without
        those that the repository does not have. Others that were asked for before are forgotten.

        Raises InputError ``RevisionNotFound`` for what is no name of a ref, ``RepositoryNotFound``,
        TransientError ``RepositoryUnreadable``, and what :func:`reconciler.source.fetching.fetch` raises.
        """
        wanted = sorted({_checked(ref) for ref in refs})
        if self._local is not None:
            return self._commits(open_repository(self._local, self._address), {ref: ref for ref in wanted})
        git = open_mirror(self.folder, self._address)
        return self._commits(git, self._brought(git, wanted))

    def _brought(self, git: pygit2.Repository, wanted: Iterable[str]) -> Mapping[str, str]:
        """Where the mirror keeps them. What is forgotten goes last: a fetch that fails takes nothing away."""
        there = {each.name for each in heads(git, self._address, self._credentials)}
        kept = {ref: f"{_KEPT}{sha256(ref.encode()).hexdigest()}" for ref in wanted if ref in there}
        if kept:
            refspecs = [f"+{ref}:{name}" for ref, name in kept.items()]
            fetch_whole(git, self._address, self._credentials, refspecs)
        for name in set(git.references) - set(kept.values()):
            if name.startswith(_KEPT):
                git.references.delete(name)
        return kept

    def _commits(self, git: pygit2.Repository, names: Mapping[str, str]) -> Mapping[str, str]:
        with reading(self._address):
            found = {ref: _commit(git, name) for ref, name in names.items()}
        return {ref: commit for ref, commit in found.items() if commit is not None}


@contextmanager
def whole_repository(address: str, folder: Path, credentials: Credentials) -> Iterator[Path]:
    """Where every branch and tag of a repository is with its history: in a mirror in ``folder``, or in the
    repository itself where that is on this machine.

    Raises InputError ``RepositoryNotFound`` and what :func:`reconciler.source.fetching.fetch` raises.
    """
    local = local_path(address)
    if local is None:
        fetch_whole(open_mirror(folder, address), address, credentials)
    yield folder if local is None else local


def is_fetchable(ref: str) -> bool:
    """True for what may be asked for: HEAD (what the remote shows first), and whole names of a bounded length."""
    if ref == "HEAD":
        return True
    return ref.startswith("refs/") and len(ref.encode("utf-8", "replace")) <= MAX_REF and _is_valid(ref)


def _checked(ref: str) -> str:
    if is_fetchable(ref):
        return ref
    hint = "whole names are asked for, as refs/heads/main"
    raise InputError("RevisionNotFound", f"{ref[:200]!r} is no name of a ref", hint)


def _is_valid(ref: str) -> bool:
    """As ``git check-ref-format`` says."""
    try:
        return "\0" not in ref and bool(pygit2.reference_is_valid_name(ref))
    except ValueError:  # no UTF-8
        return False


def _commit(git: pygit2.Repository, name: str) -> str | None:
    """None where the ref is gone meanwhile, or names no commit."""
    try:
        return str(git.references[name].peel(pygit2.Commit).id)
    except (KeyError, pygit2.InvalidSpecError):
        return None

"""Repositories opened, and what libgit2 raises while they are read turned into errors of ours.

Nothing here looks into one; that is the matter of whoever asked for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

from reconciler.source.urls import redacted
from schemas.errors import InputError, TransientError


def open_repository(folder: Path, address: str) -> pygit2.Repository:
    """The repository in ``folder``, which people call ``address``. Raises InputError ``RepositoryNotFound``."""
    with _opening(address):
        return pygit2.Repository(str(folder))


def open_mirror(folder: Path, address: str) -> pygit2.Repository:
    """The bare mirror of ``address`` in ``folder``, made where there is none. Raises InputError
    ``RepositoryNotFound``."""
    folder.mkdir(parents=True, exist_ok=True)
    with _opening(address):
        return pygit2.init_repository(str(folder), bare=True)


@contextmanager
def reading(address: str) -> Iterator[None]:
    """Raises TransientError ``RepositoryUnreadable`` where an object is missing or damaged."""
    try:
        yield
    except (pygit2.GitError, KeyError) as error:
        raise TransientError(
            "RepositoryUnreadable", f"{redacted(address)}: cannot read {error}", "git fsck says more"
        ) from error


@contextmanager
def _opening(address: str) -> Iterator[None]:
    try:
        yield
    except pygit2.GitError as error:
        raise InputError(
            "RepositoryNotFound",
            f"{redacted(address)}: {error}",
            "name a Git repository: a path or an https, ssh or file URL",
        ) from error

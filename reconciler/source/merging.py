"""The merge of two commits as a Git provider would make it, found out without writing to their repository.

What is made goes into a bare repository that is thrown away afterwards and borrows everything else, so a
source reads the merge as it reads any commit. libgit2 merges as ``git merge`` does, but for what a folder's
move does to files that the other side puts into it: Git moves them or asks, libgit2 leaves them where they are.
Attributes (``.gitattributes``) are not looked at. Blocks.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pygit2

from reconciler.source.borrowing import borrow_untouched
from reconciler.source.fetching import REMOTE_HEAD
from reconciler.source.merge_bounds import check_bounds
from reconciler.source.opening import open_repository, reading
from reconciler.source.revisions import commit_of_id, find
from reconciler.source.trees import text
from schemas.errors import InputError

MAX_NAMED = 3
"""Paths that are named of those in conflict, and characters of each."""
MAX_PATH = 200
AUTHOR: Final = pygit2.Signature("Moorage", "moorage@localhost", 0, 0)
"""Fixed, time and all, so that the same merge is the same commit."""
_REFUSED_NAME = "invalid path"
"""What libgit2 1.9 says of a name that it never puts into an index, ``.git`` for example."""


@contextmanager
def scratch(repository: Path) -> Iterator["Scratch"]:
    """Where commits of the repository in that folder are merged. Raises InputError ``RepositoryNotFound``."""
    lender = open_repository(repository, str(repository))
    with TemporaryDirectory(prefix="moorage-") as folder:
        yield Scratch(Path(folder), lender)


class Scratch:
    """``folder`` is a bare repository without refs; it has every commit of the other one and what is merged."""

    def __init__(self, folder: Path, lender: pygit2.Repository) -> None:
        self.folder = folder
        self._lender = lender
        self._git = borrow_untouched(folder, lender)

    def resolve(self, revision: str) -> str:
        """The id of the commit that ``revision`` names in the repository: a branch before a tag before
        anything else. HEAD of a mirror is its remote's. Raises InputError ``RevisionNotFound``."""
        mirrored = revision == "HEAD" and REMOTE_HEAD in self._lender.references
        found = find(self._lender, revision, REMOTE_HEAD if mirrored else revision)
        if found is None:
            return str(self._commit(revision).id)
        return str(found.peel(pygit2.Commit).id)

    def merge(self, base: str, head: str) -> str:
        """The id of a commit that holds ``head`` merged into ``base``, both whole ids of commits.

        Raises InputError ``MergeConflict``, ``NoMergeBase``, ``MergeRefused``, ``RevisionNotFound`` and what
        :func:`~reconciler.source.merge_bounds.check_bounds` raises; TransientError ``RepositoryUnreadable``.
        """
        with reading(self._lender.path):
            ours, theirs = self._commit(base), self._commit(head)
            tree = self._tree(ours, theirs)
            message = f"Merge {head[:7]} into {base[:7]}"
            return str(self._git.create_commit(None, AUTHOR, AUTHOR, message, tree, [ours.id, theirs.id]))

    def _tree(self, ours: pygit2.Commit, theirs: pygit2.Commit) -> pygit2.Oid:
        fork: pygit2.Oid | None = self._git.merge_base(ours.id, theirs.id)
        if fork is None:
            raise self._unrelated(ours, theirs)
        if fork == theirs.id:
            return ours.tree_id
        if fork == ours.id:
            return theirs.tree_id
        check_bounds(self._git, ours, theirs)
        return self._merged(ours, theirs)

    def _merged(self, ours: pygit2.Commit, theirs: pygit2.Commit) -> pygit2.Oid:
        try:
            index = self._git.merge_commits(ours, theirs)
            if index.conflicts is not None:
                raise _conflict(index, ours, theirs)
            return index.write_tree(self._git)
        except pygit2.GitError as error:
            if _REFUSED_NAME not in str(error):
                raise
            message = "the trees hold a name that Git does not put into an index, .git for example"
            raise InputError("MergeRefused", message, "rename it") from error

    def _commit(self, revision: str) -> pygit2.Commit:
        found = commit_of_id(self._git, revision)
        if found is None:
            message = f"the repository has no branch, tag or commit {revision[:200]!r}"
            raise InputError("RevisionNotFound", message, "push it, or name another one")
        return found

    def _unrelated(self, ours: pygit2.Commit, theirs: pygit2.Commit) -> InputError:
        message = f"{str(theirs.id)[:7]} and {str(ours.id)[:7]} have no commit in common"
        hint = "fetch the whole history" if self._git.is_shallow else "start the branch from its base"
        return InputError("NoMergeBase", message, hint)


def _conflict(index: pygit2.index.Index, ours: pygit2.Commit, theirs: pygit2.Commit) -> InputError:
    entries = (each for conflict in index.conflicts for each in conflict if each is not None)
    paths = sorted({text(os.fsencode(each.path)) for each in entries})
    named = ", ".join(path[:MAX_PATH] for path in paths[:MAX_NAMED])
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    message = f"{str(theirs.id)[:7]} does not merge into {str(ours.id)[:7]}: {named}{more}"
    return InputError("MergeConflict", message, "merge the base into the branch and resolve it there")

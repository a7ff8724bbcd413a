"""A commit that restores a folder as it was at an earlier commit, and leaves everything else as it is.

Made of Git objects alone: one folder's tree takes the place of another, so links, submodules and modes
inside are carried as they are, and nothing is checked out or run. Where the commit goes is
:mod:`reconciler.source.pushing`'s work. Blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from itertools import islice

import pygit2
from pygit2.enums import FileMode

from reconciler.source.pushing import Branches, configured
from reconciler.source.trees import changes
from schemas.errors import InputError, TransientError

ATTEMPTS = 3
"""Pushes that are tried where somebody else pushes in between."""
MAX_PATHS = 10_000
"""Paths that are listed of a restoration."""


@dataclass(frozen=True)
class Restoration:
    """What to restore: the folder ``path`` (empty is everything) on ``branch``, as it was at ``revision``, a
    whole commit id. ``author`` as in ``Ada <ada@example.org>``; empty is whoever Git's configuration names."""

    branch: str
    path: str
    revision: str
    message: str
    author: str = ""


@dataclass(frozen=True)
class Restored:
    """What came of it: ``head`` is where the branch was, ``commit`` what was put on it; None where nothing
    was. ``paths`` are files that differ, sorted by folder, with True where they come back and False where
    they go; at most :data:`MAX_PATHS`."""

    head: str
    commit: str | None
    paths: tuple[tuple[str, bool], ...]


def branch_to_restore(branches: Branches, revision: str) -> str:
    """The branch that an application follows by ``revision``. Raises InputError ``BranchNotFound``."""
    name = branches.default() if revision == "HEAD" else revision.removeprefix("refs/heads/")
    if name is None or branches.head(name) is None:
        hint = "name the branch with --branch"
        raise InputError("BranchNotFound", f"{revision[:200]!r} is no branch that could be moved", hint)
    return name


def restore(branches: Branches, wish: Restoration, now: datetime, *, dry_run: bool = False) -> Restored:
    """Make the commit on the branch as it is now, again where it moves meanwhile. Makes none where nothing
    differs, or for a ``dry_run``.

    Raises InputError ``BranchNotFound``, ``RevisionNotFound``, ``PathNotFound``, ``AuthorUnknown`` or
    ``PushRefused``, and TransientError ``BranchMoved``.
    """
    for _ in range(ATTEMPTS):
        head = branches.head(wish.branch)
        if head is None:
            raise InputError("BranchNotFound", f"there is no branch {wish.branch[:200]!r}")
        wanted = _folder_then(branches, wish)
        paths = _differing(branches.git, _folder_now(head.tree, wish), wanted, wish.path)
        if not paths or dry_run:
            return Restored(str(head.id), None, paths)
        made = _commit(branches.git, head, wanted, wish, now)
        if branches.move(wish.branch, head.id, made):
            return Restored(str(head.id), str(made), paths)
    message = f"{wish.branch} moved each of {ATTEMPTS} times that it was to be moved"
    raise TransientError("BranchMoved", message, "ask again")


def _folder_then(branches: Branches, wish: Restoration) -> pygit2.Tree:
    commit = branches.commit(wish.revision)
    if commit is None:
        hint = "it may have been removed by a force push; restore another entry"
        raise InputError("RevisionNotFound", f"the repository has no commit {wish.revision[:200]!r}", hint)
    found = _at(commit.tree, wish.path)
    if not isinstance(found, pygit2.Tree):
        message = f"there was no folder {wish.path!r} at {wish.revision[:7]}"
        raise InputError("PathNotFound", message, "restore another entry")
    return found


def _folder_now(root: pygit2.Tree, wish: Restoration) -> pygit2.Tree | None:
    """What is replaced: None where there is no folder now. What stands in the way of it is not ours."""
    parts = wish.path.split("/") if wish.path else []
    for depth in range(1, len(parts)):
        above = "/".join(parts[:depth])
        if not isinstance(_at(root, above), pygit2.Tree | None):
            message = f"{above!r} is no folder at the head of {wish.branch}"
            raise InputError("PathNotFound", message, "remove it from the branch first")
    found = _at(root, wish.path)
    return found if isinstance(found, pygit2.Tree) else None


def _at(tree: pygit2.Tree, path: str) -> pygit2.Object | None:
    if not path:
        return tree
    try:
        return tree[path]
    except KeyError:
        return None


def _differing(
    git: pygit2.Repository, now: pygit2.Tree | None, then: pygit2.Tree, path: str
) -> tuple[tuple[str, bool], ...]:
    def read(identity: str) -> bytes:
        return bytes(git.odb.read(pygit2.Oid(hex=identity))[1])

    found = changes(read, str(now.id) if now is not None else None, str(then.id), path)
    return tuple((name, leaf is not None) for name, leaf in islice(found, MAX_PATHS))


def _commit(
    git: pygit2.Repository, head: pygit2.Commit, folder: pygit2.Tree, wish: Restoration, now: datetime
) -> pygit2.Oid:
    parts = wish.path.split("/") if wish.path else []
    tree = _with_folder(git, head.tree, parts, folder.id)
    author, committer = _signatures(git, wish.author, now)
    return git.create_commit(None, author, committer, wish.message, tree, [head.id])


def _with_folder(
    git: pygit2.Repository, tree: pygit2.Tree | None, parts: Sequence[str], folder: pygit2.Oid
) -> pygit2.Oid:
    """``tree`` with ``folder`` in the place that ``parts`` lead to."""
    if not parts:
        return folder
    inner = _at(tree, parts[0]) if tree is not None else None
    below = _with_folder(git, inner if isinstance(inner, pygit2.Tree) else None, parts[1:], folder)
    builder = git.TreeBuilder(tree) if tree is not None else git.TreeBuilder()
    builder.insert(parts[0], below, FileMode.TREE)
    return builder.write()


def _signatures(
    git: pygit2.Repository, author: str, now: datetime
) -> tuple[pygit2.Signature, pygit2.Signature]:
    """Author and committer; who is named commits where the configuration names nobody."""
    known = [configured(git, each) for each in ("user.name", "user.email")]
    named = list(parseaddr(author)) if author else known
    if not all(named):
        message = (
            f"{author[:200]!r} is no name and address" if author else "Git knows no user.name and user.email"
        )
        raise InputError("AuthorUnknown", message, "say --author 'Ada <ada@example.org>'")
    offset = now.utcoffset()
    when = int(now.timestamp()), int(offset.total_seconds() // 60) if offset is not None else 0
    try:
        made = [pygit2.Signature(who[0], who[1], *when) for who in (named, known if all(known) else named)]
    except (ValueError, pygit2.GitError) as error:
        raise InputError("AuthorUnknown", str(error), "say --author 'Ada <ada@example.org>'") from error
    return made[0], made[1]

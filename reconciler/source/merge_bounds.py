"""What is refused before it is merged: trees, contents and histories that somebody made to take for ever, or to
end the process.

libgit2 walks the three trees of a merge from end to end, the same folder as often as it stands there; compares
contents in a time that grows with the square of their lines; and merges the bases of a merge first where there
are several. An entry of mode 0 makes it read where nothing is (1.9). So all of them are looked at here beforehand,
each tree once.
"""

from collections.abc import Mapping
from itertools import islice

import pygit2
from pygit2.enums import FileMode, SortMode

from reconciler.source.trees import Leaf, Sizes, changes
from schemas.errors import InputError

MAX_ENTRIES = 200_000
"""Files and folders of one tree; a merge of that size takes some 5 s."""
MAX_BYTES = 512 << 20
"""Of all files that one side changes: what was moved is found by what it holds."""
MAX_BOTH_BYTES = 4 << 20
"""Of all files that both sides change."""
MAX_BOTH_FILE = 1 << 20
"""Bytes of one of them; the worst that could be thought of took 7 s."""
MAX_CROSSINGS = 8
"""Merges of bases that come before one merge."""
MAX_COMMITS = 200_000
"""That one side has and the other one not."""

_Changes = Mapping[str, tuple[Leaf | None, Leaf | None]]
"""What stood at a path and what does now."""


def check_bounds(git: pygit2.Repository, ours: pygit2.Commit, theirs: pygit2.Commit) -> None:
    """Raises InputError ``MergeTooLarge``, ``TooManyFiles``, ``TreeTooDeep`` or ``TreeMalformed`` where ``ours``
    and ``theirs`` are not to be merged, and what ``git`` raises of objects that are missing."""
    bounds = _Bounds(git)
    for _ in range(MAX_CROSSINGS + 1):
        bases = _bases(git, ours, theirs)
        bounds.check(bases[0] if bases else None, ours, theirs)
        if len(bases) < 2:
            return
        if len(bases) > 2:
            break
        ours, theirs = bases
    raise _too_large("their histories cross too often")


class _Bounds:
    def __init__(self, git: pygit2.Repository) -> None:
        self._git = git
        self._sizes = Sizes(self._read)

    def check(self, base: pygit2.Commit | None, ours: pygit2.Commit, theirs: pygit2.Commit) -> None:
        before = str(base.tree_id) if base is not None else None
        trees = [str(ours.tree_id), str(theirs.tree_id)]
        for tree in [*trees, *([before] if before else [])]:
            if self._sizes.size(tree) > MAX_ENTRIES:
                raise _too_large(f"there are more than {MAX_ENTRIES} files and folders")
        sides = [self._changed(before, tree) for tree in trees]
        if any(sum(map(self._size, each.values())) > MAX_BYTES for each in sides):
            raise _too_large(f"the files that one of them changes have more than {MAX_BYTES >> 20} MiB")
        self._check_contents(*sides)

    def _check_contents(self, ours: _Changes, theirs: _Changes) -> None:
        """A file that is moved and changed stands at its old path in both."""
        both = [
            max(self._size(ours[path]), self._size(theirs[path]))
            for path in ours.keys() & theirs.keys()
            if ours[path][1] != theirs[path][1]
        ]
        if sum(both) > MAX_BOTH_BYTES or max(both, default=0) > MAX_BOTH_FILE:
            most = f"{MAX_BOTH_FILE >> 20} MiB, or {MAX_BOTH_BYTES >> 20} MiB together"
            raise _too_large(f"files that both of them change have more than {most}")

    def _changed(self, before: str | None, after: str) -> _Changes:
        old = dict(changes(self._read, after, before))
        return {path: (old[path], leaf) for path, leaf in changes(self._read, before, after)}

    def _size(self, leaves: tuple[Leaf | None, Leaf | None]) -> int:
        """The larger one's bytes; a submodule has none."""
        ids = [each.id for each in leaves if each is not None and each.mode != FileMode.COMMIT]
        return max((int(self._git.odb.read_header(pygit2.Oid(hex=each))[1]) for each in ids), default=0)

    def _read(self, identity: str) -> bytes:
        return bytes(self._git.odb.read(pygit2.Oid(hex=identity))[1])


def _bases(git: pygit2.Repository, ours: pygit2.Commit, theirs: pygit2.Commit) -> list[pygit2.Commit]:
    """The common ancestors that no other one follows; three of them stand for any number."""
    first: pygit2.Oid | None = git.merge_base(ours.id, theirs.id)
    if first is None:
        return []
    found = [first]
    while len(found) < 3:
        common = set(_since(git, theirs.id, found))
        another = next((each for each in _since(git, ours.id, found) if each in common), None)
        if another is None:
            break
        found.append(another)
    return [git[each].peel(pygit2.Commit) for each in found]


def _since(git: pygit2.Repository, tip: pygit2.Oid, hidden: list[pygit2.Oid]) -> list[pygit2.Oid]:
    """The commits of ``tip`` that none of ``hidden`` has, each before those that it follows."""
    walker = git.walk(tip, SortMode.TOPOLOGICAL)
    for each in hidden:
        walker.hide(each)
    found = [commit.id for commit in islice(walker, MAX_COMMITS + 1)]
    if len(found) > MAX_COMMITS:
        raise _too_large(f"more than {MAX_COMMITS} commits lie between them")
    return found


def _too_large(why: str) -> InputError:
    return InputError("MergeTooLarge", why, "bring the branch up to date with its base, or make it smaller")

"""Merges that are refused before they are begun: trees, contents and histories that never come to an end."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.source import merge_bounds
from reconciler.source.merging import scratch
from schemas.errors import InputError, MoorageError
from tests.reconciler.repositories import SUBMODULE, Repository, bomb, git


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


def commit(repository: Repository, tree: str, *parents: str) -> str:
    words = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", "-m", "Make", *words, tree, at=repository.folder)


def tree(repository: Repository, *lines: str) -> str:
    """Of lines as ``git ls-tree`` writes them."""
    given_ = "".join(f"{line}\n" for line in lines).encode()
    return git("mktree", "--missing", at=repository.folder, give=given_)


def raw_tree(repository: Repository, content: bytes) -> str:
    words = ("hash-object", "-t", "tree", "-w", "--stdin", "--literally")
    return git(*words, at=repository.folder, give=content)


def blob(repository: Repository, content: bytes) -> str:
    return git("hash-object", "-w", "--stdin", at=repository.folder, give=content)


def merge(repository: Repository, ours: str, theirs: str) -> str:
    with scratch(repository.folder) as beside:
        return beside.merge(ours, theirs)


def parted(repository: Repository, base: str, ours: str, theirs: str) -> tuple[str, str]:
    """Commits of two trees that were one tree once."""
    first = commit(repository, base)
    return commit(repository, ours, first), commit(repository, theirs, first)


def beside_files(repository: Repository, *entries: str) -> tuple[str, str]:
    """Two sides that each have a file of their own beside the same ``entries``."""
    file = f"100644 blob {blob(repository, b'x')}"
    trees = [tree(repository, *entries, f"{file}\t{name}") for name in ("ours", "theirs")]
    return parted(repository, tree(repository, *entries), *trees)


def refused(repository: Repository, sides: tuple[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        merge(repository, *sides)
    return caught.value.reason


# Trees


def test_a_tree_that_holds_itself_many_times_over_is_not_merged(repository: Repository) -> None:
    """Though neither side changes it: libgit2 would walk through it three times."""
    held = bomb(repository.folder, 32, 6)
    sides = beside_files(repository, f"040000 tree {held}\tbomb")
    assert refused(repository, sides) == "MergeTooLarge"


def test_folders_that_are_too_deep_are_not_merged(repository: Repository) -> None:
    """Before anything recurses too far."""
    held = bomb(repository.folder, 1, 70)
    assert refused(repository, beside_files(repository, f"040000 tree {held}\td")) == "TreeTooDeep"


def test_a_folder_whose_mode_begins_with_zeros_is_looked_into(repository: Repository) -> None:
    """libgit2 takes it for a folder."""
    held = bytes.fromhex(bomb(repository.folder, 32, 6))
    hidden = raw_tree(repository, b"0040000 bomb\0" + held)
    sides = beside_files(repository, f"040000 tree {hidden}\td")
    assert refused(repository, sides) == "MergeTooLarge"


FILE, FOLDER = b"100644 %s\0", b"40000 %s\0"


@pytest.mark.parametrize(
    "heads",
    [
        [b"0 a\0"],
        [b"00 a\0"],
        [b"100600 a\0"],
        [FILE % b"a", FILE % b"a"],
        [FILE % b"a", FILE % b"a.b", FOLDER % b"a"],
        [FILE % b"b", FILE % b"a"],
        [FOLDER % b"a", FILE % b"a.b"],
        [FILE % b"a/b"],
        [FILE % b""],
        [b"9" + FILE % b"a"],
    ],
)
def test_a_tree_that_git_does_not_write_is_not_merged(repository: Repository, heads: list[bytes]) -> None:
    """Modes of nothing, names that are there twice, that are none, or out of order: mode 0 ends libgit2's process."""
    ids = {True: blob(repository, b"x"), False: tree(repository)}
    content = b"".join(head + bytes.fromhex(ids[not head.startswith(b"4")]) for head in heads)
    sides = beside_files(repository, f"040000 tree {raw_tree(repository, content)}\td")
    assert refused(repository, sides) == "TreeMalformed"


def test_what_git_once_wrote_is_merged(repository: Repository) -> None:
    """Zeros before the mode of a folder, and a mode for those that share a group."""
    held, file = bytes.fromhex(tree(repository)), bytes.fromhex(blob(repository, b"x"))
    once = raw_tree(repository, b"100664 a\0" + file + b"040000 b\0" + held)
    merge(repository, *beside_files(repository, f"040000 tree {once}\td"))


def test_a_tree_within_the_bound_is_merged(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more and it is not."""
    sides = beside_files(repository, f"040000 tree {bomb(repository.folder, 3, 3)}\td")
    entries = 1 + 1 + 3 + 9 + 27 + 27
    monkeypatch.setattr(merge_bounds, "MAX_ENTRIES", entries)
    merge(repository, *sides)
    monkeypatch.setattr(merge_bounds, "MAX_ENTRIES", entries - 1)
    assert refused(repository, sides) == "MergeTooLarge"


def test_a_head_that_only_goes_on_is_not_walked_through(repository: Repository) -> None:
    """Nothing is merged then, and a source bounds what it reads itself."""
    first = commit(repository, tree(repository))
    held = bomb(repository.folder, 32, 6)
    merge(repository, first, commit(repository, held, first))


# Contents


def test_contents_that_take_long_to_compare_are_not_merged(repository: Repository) -> None:
    """Lines that stand everywhere: a few megabytes of them would take a minute."""
    chance = random.Random(1)
    texts = [b"".join(chance.choices((b"a\n", b"b\n"), k=lines)) for lines in (5, 1 << 20, 1 << 20)]
    blobs = [blob(repository, text) for text in texts]
    sides = parted(repository, *(tree(repository, f"100644 blob {each}\tf") for each in blobs))
    assert refused(repository, sides) == "MergeTooLarge"


@pytest.mark.parametrize("name", ["f", "moved"])
def test_what_both_change_is_bounded(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where one of them moves it."""
    monkeypatch.setattr(merge_bounds, "MAX_BOTH_FILE", 1000)
    texts = [b"".join(b"%d\n" % (n + (n == at)) for n in range(300)) for at in (-1, 5, 250)]
    lines = [f"100644 blob {blob(repository, text)}" for text in texts]
    sides = parted(
        repository,
        *(tree(repository, f"{line}\t{at}") for line, at in zip(lines, ("f", "f", name), strict=True)),
    )
    assert refused(repository, sides) == "MergeTooLarge"


def test_what_one_side_changes_may_be_larger(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is compared."""
    monkeypatch.setattr(merge_bounds, "MAX_BOTH_FILE", 1000)
    large = f"100644 blob {blob(repository, b'x' * 5000)}\tlarge"
    small = f"100644 blob {blob(repository, b'x')}\tsmall"
    merge(repository, *parted(repository, tree(repository), tree(repository, large), tree(repository, small)))


def test_what_one_side_changes_is_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read to find what was moved."""
    monkeypatch.setattr(merge_bounds, "MAX_BYTES", 4000)
    large = f"100644 blob {blob(repository, b'x' * 5000)}\tlarge"
    small = f"100644 blob {blob(repository, b'x')}\tsmall"
    sides = parted(repository, tree(repository), tree(repository, large), tree(repository, small))
    assert refused(repository, sides) == "MergeTooLarge"


def test_a_submodule_has_no_size(repository: Repository) -> None:
    """Its commit is in another repository."""
    trees = [tree(repository, f"{SUBMODULE:o} commit {each * 40}\ts") for each in "123"]
    assert refused(repository, parted(repository, *trees)) == "MergeConflict"


# Histories


def crossed(repository: Repository, times: int, width: int = 2) -> tuple[str, str]:
    """Two commits with as many common ancestors as ``width`` says, which have them in turn, and so on."""
    empty = tree(repository)
    level = [commit(repository, empty)]
    level = [_numbered(repository, n, level) for n in range(width)]
    for turn in range(1, times + 1):
        level = [_numbered(repository, width * turn + n, level) for n in range(width)]
    return level[0], level[1]


def _numbered(repository: Repository, number: int, parents: list[str]) -> str:
    words = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", "-m", str(number), *words, tree(repository), at=repository.folder)


@pytest.mark.parametrize(
    ("times", "made"), [(merge_bounds.MAX_CROSSINGS, True), (merge_bounds.MAX_CROSSINGS + 1, False)]
)
def test_histories_cross_so_often_and_no_more(repository: Repository, times: int, made: bool) -> None:
    """Each crossing is a merge that comes first."""
    sides = crossed(repository, times)
    assert (merge(repository, *sides) != "") if made else (refused(repository, sides) == "MergeTooLarge")


def test_a_history_with_three_ways_is_not_merged(repository: Repository) -> None:
    """The merges that come first would double with every crossing."""
    assert refused(repository, crossed(repository, 40, 3)) == "MergeTooLarge"


def test_commits_between_are_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are all looked at."""
    ours, theirs = beside_files(repository)
    head = git("rev-parse", f"{theirs}^{{tree}}", at=repository.folder)
    for _ in range(5):
        theirs = commit(repository, head, theirs)
    monkeypatch.setattr(merge_bounds, "MAX_COMMITS", 5)
    assert refused(repository, (ours, theirs)) == "MergeTooLarge"
    monkeypatch.setattr(merge_bounds, "MAX_COMMITS", 6)
    merge(repository, ours, theirs)


# Anything


ENTRIES = st.tuples(
    st.sampled_from([b"100644", b"40000", b"040000", b"120000", b"160000", b"100755", b"0", b"47777"]),
    st.sampled_from([b"a", b"b", b"a/b", b".git", b"..", b"", b"\xff", b"A"]) | st.binary(max_size=5),
    st.integers(0, 5),
)


@given(st.lists(st.lists(ENTRIES, max_size=4), min_size=3, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_trees_are_merged_or_refused(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[tuple[bytes, bytes, int]]]
) -> None:
    """Entries of any mode and name, in any order, that name a file, a folder or nothing; the process lives on."""
    repository = Repository(tmp_path_factory.mktemp("trees") / "r.git")
    ids = [blob(repository, b"x"), blob(repository, b"y"), "1" * 40]
    for entries in made:
        content = b"".join(
            b"%s %s\0%s" % (mode, name, bytes.fromhex(ids[-1 - at % len(ids)])) for mode, name, at in entries
        )
        ids.append(raw_tree(repository, content))
    with suppress(MoorageError):
        merge(repository, *parted(repository, *ids[-3:]))

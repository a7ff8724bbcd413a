"""Merges found out beside a repository: what they hold, how they fail, and that nothing is written there."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.source.fetching import REMOTE_HEAD
from reconciler.source.git import GitSource
from reconciler.source.merging import MAX_NAMED, Scratch, scratch
from schemas.errors import InputError, TransientError
from tests.reconciler.merge_stories import crossed_story, story
from tests.reconciler.repositories import LINK, Content, Repository, git

Files = Mapping[str | bytes, Content]
LINES = [f"line {number}\n" for number in range(20)]
BASE = {"a.yaml": "".join(LINES), "b.yaml": "b"}
OURS = {"a.yaml": "".join(["ours\n", *LINES[1:]]), "b.yaml": "b"}
THEIRS = {"a.yaml": "".join([*LINES[:-1], "theirs\n"]), "c.yaml": "c"}
BOTH = {"a.yaml": "".join(["ours\n", *LINES[1:-1], "theirs\n"]).strip(), "c.yaml": "c"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


def parted(repository: Repository, base: Files = BASE, ours: Files = OURS, theirs: Files = THEIRS) -> None:
    """``main`` and ``side``, which were one once."""
    repository.commit(base)
    git("branch", "side", at=repository.folder)
    repository.commit(ours)
    repository.commit(theirs, branch="side")


def merged(scratch: Scratch, base: str = "main", head: str = "side") -> str:
    return scratch.merge(scratch.resolve(base), scratch.resolve(head))


def held(folder: Path, commit: str) -> dict[str, str]:
    listed = git("ls-tree", "-r", "--name-only", commit, at=folder).splitlines()
    return {path: git("cat-file", "blob", f"{commit}:{path}", at=folder) for path in listed}


def refusal(folder: Path, base: str = "main", head: str = "side") -> InputError:
    with scratch(folder) as beside, pytest.raises(InputError) as caught:
        merged(beside, base, head)
    return caught.value


def state(folder: Path) -> list[tuple[str, int, int]]:
    """Every file and folder with its size and the time of its last change."""
    found = ((str(path), path.lstat()) for path in [folder, *folder.rglob("*")])
    return sorted((path, status.st_size, status.st_mtime_ns) for path, status in found)


# What a merge holds


def test_both_sides_are_in_the_merge(repository: Repository) -> None:
    """Changes of one file in different places, a file that went and one that came."""
    parted(repository)
    with scratch(repository.folder) as beside:
        assert held(beside.folder, merged(beside)) == BOTH


def test_a_source_reads_the_merge(repository: Repository) -> None:
    """The folder is a repository as any other, for as long as it is there."""
    parted(repository)
    with scratch(repository.folder) as beside:
        source = GitSource(str(beside.folder), merged(beside), "", Path("/nonexistent"))
        seen = source.snapshot()
        assert {
            path: source.blob(entry.blob).decode().strip() for path, entry in seen.entries.items()
        } == BOTH
    assert not beside.folder.exists()


def test_a_source_reads_what_was_before_the_merge(repository: Repository) -> None:
    """Both sides are read from one place."""
    parted(repository)
    with scratch(repository.folder) as beside:
        base = beside.resolve("main")
        seen = GitSource(str(beside.folder), base, "", Path("/nonexistent")).snapshot()
    assert (seen.revision, list(seen.entries)) == (base, ["a.yaml", "b.yaml"])


def test_the_merge_follows_both(repository: Repository) -> None:
    """The base first, as a provider has it."""
    parted(repository)
    with scratch(repository.folder) as beside:
        parents = git("log", "-1", "--format=%P", merged(beside), at=beside.folder).split()
        assert parents == [beside.resolve("main"), beside.resolve("side")]


def test_the_same_merge_is_the_same_commit(repository: Repository) -> None:
    """Whenever and wherever it is made."""
    parted(repository)
    made = []
    for _ in range(2):
        with scratch(repository.folder) as beside:
            made.append(merged(beside))
    assert made[0] == made[1]


def test_a_branch_that_only_goes_on_is_merged_as_it_is(repository: Repository) -> None:
    """A commit of its own holds what the head holds."""
    repository.commit(BASE)
    git("branch", "side", at=repository.folder)
    head = repository.commit(THEIRS, branch="side")
    with scratch(repository.folder) as beside:
        made = merged(beside)
        assert made != head
        assert held(beside.folder, made) == held(repository.folder, head)


@pytest.mark.parametrize("head", ["side", "main"])
def test_what_is_merged_already_changes_nothing(repository: Repository, head: str) -> None:
    """The base stays what it is, also where it is its own head."""
    repository.commit(BASE)
    git("branch", "side", at=repository.folder)
    base = repository.commit(OURS)
    with scratch(repository.folder) as beside:
        assert held(beside.folder, merged(beside, head=head)) == held(repository.folder, base)


def test_a_file_that_moved_is_followed(repository: Repository) -> None:
    """What the other side changes in it is changed where it is now."""
    parted(repository, {"a.yaml": BASE["a.yaml"]}, {"a.yaml": OURS["a.yaml"]}, {"d/z.yaml": THEIRS["a.yaml"]})
    with scratch(repository.folder) as beside:
        assert held(beside.folder, merged(beside)) == {"d/z.yaml": BOTH["a.yaml"]}


@pytest.mark.parametrize("seed", range(40))
def test_git_merges_the_same(tmp_path: Path, seed: int) -> None:
    """The same tree, or a conflict in both."""
    repository, ours, theirs = story(f"merge/{seed}", tmp_path / "r.git")
    assert tree_or_conflict(repository, ours, theirs) == tree_or_conflict_of_git(repository, ours, theirs)


@pytest.mark.parametrize("seed", range(15))
def test_git_merges_the_same_across_merges(tmp_path: Path, seed: int) -> None:
    """Where there are two commits to start from, their merge is what both start from."""
    repository, ours, theirs = crossed_story(f"crossed/{seed}", tmp_path / "r.git")
    assert len(git("merge-base", "--all", ours, theirs, at=repository.folder).split()) == 2
    assert tree_or_conflict(repository, ours, theirs) == tree_or_conflict_of_git(repository, ours, theirs)


def tree_or_conflict(repository: Repository, ours: str, theirs: str) -> str:
    with scratch(repository.folder) as beside:
        try:
            return git("rev-parse", f"{beside.merge(ours, theirs)}^{{tree}}", at=beside.folder)
        except InputError as error:
            return error.reason


def tree_or_conflict_of_git(repository: Repository, ours: str, theirs: str) -> str:
    """Git asks where a folder moved and the other side puts a file into it; that is off here."""
    words = ["-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", ours, theirs]
    try:
        return git(*words, at=repository.folder)
    except subprocess.CalledProcessError as error:
        if error.returncode != 1:
            raise
        return "MergeConflict"


# What is no merge


def test_a_conflict_names_the_files(repository: Repository) -> None:
    """Sorted, with what a terminal must not see escaped."""
    names = ("b\x1b.yaml", "a/c.yaml")
    parted(repository, *(dict.fromkeys(names, text) for text in ("1", "2", "3")))
    found = refusal(repository.folder)
    assert found.reason == "MergeConflict"
    assert found.message.endswith(": a/c.yaml, b\\x1b.yaml")


def test_many_conflicts_are_counted(repository: Repository) -> None:
    """Some are named, and however long their names are the message stays short."""
    names = [f"{n:03}{'x' * 200}/{'y' * 200}" for n in range(100)]
    parted(repository, *(dict.fromkeys(names, text) for text in ("1", "2", "3")))
    found = refusal(repository.folder)
    assert found.message.endswith(f" and {100 - MAX_NAMED} more")
    assert len(found.message) < 1000


def test_a_change_of_what_was_deleted_is_a_conflict(repository: Repository) -> None:
    """Nobody but a person knows which of them counts."""
    parted(repository, BASE, {"a.yaml": "x", "b.yaml": "changed"}, {"a.yaml": "x"})
    assert refusal(repository.folder).message.endswith(": b.yaml")


def test_histories_that_never_met_do_not_merge(repository: Repository) -> None:
    """As a provider refuses to merge them."""
    repository.commit(BASE)
    repository.commit(THEIRS, branch="side")
    assert refusal(repository.folder).reason == "NoMergeBase"


def test_a_history_that_is_cut_off_may_lack_what_both_have(repository: Repository, tmp_path: Path) -> None:
    """The hint says so."""
    parted(repository)
    cut = tmp_path / "cut.git"
    address = f"file://{repository.folder}"
    git("clone", "-q", "--bare", "--depth=1", "--no-single-branch", address, str(cut), at=tmp_path)
    found = refusal(cut)
    assert (found.reason, found.hint) == ("NoMergeBase", "fetch the whole history")


def test_a_name_that_git_refuses_does_not_merge(repository: Repository) -> None:
    """Git puts no such tree together, so no provider does."""
    parted(repository, BASE, {**OURS, ".git/config": "x"}, THEIRS)
    assert refusal(repository.folder).reason == "MergeRefused"


def test_an_object_that_is_missing_is_told(repository: Repository) -> None:
    """It may come back: a fetch may be under way."""
    parted(repository)
    blob = git("rev-parse", "side:a.yaml", at=repository.folder)
    (repository.folder / "objects" / blob[:2] / blob[2:]).unlink()
    with scratch(repository.folder) as beside, pytest.raises(TransientError, match="RepositoryUnreadable"):
        merged(beside)


@pytest.mark.parametrize("commit", ["main", "1" * 40, "", "\0", "é" * 300])
def test_only_commits_are_merged(repository: Repository, commit: str) -> None:
    """By their whole ids: what a name means was asked before."""
    head = repository.commit(BASE)
    with scratch(repository.folder) as beside, pytest.raises(InputError, match="RevisionNotFound"):
        beside.merge(head, commit)


def test_what_is_no_repository_is_told(tmp_path: Path) -> None:
    """Before anything is made."""
    with pytest.raises(InputError, match="RepositoryNotFound"), scratch(tmp_path):
        pass


# What a name means


def test_a_branch_comes_before_a_tag(repository: Repository) -> None:
    """As for a source."""
    first = repository.commit(BASE)
    git("tag", "main", first, at=repository.folder)
    git("tag", "-a", "-m", "first", "v1", at=repository.folder)
    second = repository.commit(OURS)
    names = ("main", "v1", "HEAD", "refs/heads/main", "refs/tags/main", first, second[:10], "main~1")
    with scratch(repository.folder) as beside:
        found = {name: beside.resolve(name) for name in names}
    assert found == {
        "main": second,
        "v1": first,
        "HEAD": second,
        "refs/heads/main": second,
        "refs/tags/main": first,
        first: first,
        second[:10]: second,
        "main~1": first,
    }


def test_the_head_of_a_mirror_is_its_remotes(repository: Repository) -> None:
    """The mirror's own names a branch that nobody has."""
    head = repository.commit(BASE, branch="stable")
    git("update-ref", REMOTE_HEAD, head, at=repository.folder)
    with scratch(repository.folder) as beside:
        assert beside.resolve("HEAD") == head


def test_a_merge_can_be_named(repository: Repository) -> None:
    """So that the next branch can be merged into it."""
    parted(repository)
    with scratch(repository.folder) as beside:
        made = merged(beside)
        assert beside.resolve(made) == made


@pytest.mark.parametrize("name", ["gone", "1" * 40, "main:a.yaml", "main^{tree}", "", "\0", "\udc80"])
def test_what_names_no_commit_is_not_found(repository: Repository, name: str) -> None:
    """A file and a folder are none."""
    repository.commit(BASE)
    with scratch(repository.folder) as beside, pytest.raises(InputError, match="RevisionNotFound"):
        beside.resolve(name)


# What is borrowed from


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_changes_in_the_repository(repository: Repository, packed: bool) -> None:
    """Not even the time of an object that the merge has as well."""
    parted(repository, {**BASE, "d/e.yaml": "1"}, {**OURS, "d/e.yaml": "1"}, {**THEIRS, "d/e.yaml": "1"})
    if packed:
        git("gc", "-q", at=repository.folder)
    for path in repository.folder.rglob("*"):
        subprocess.run(["touch", "-h", "-d", "2020-01-01", str(path)], check=True)
    before = state(repository.folder)
    with scratch(repository.folder) as beside:
        source = GitSource(str(beside.folder), merged(beside), "", Path("/nonexistent"))
        for entry in source.snapshot().entries.values():
            source.blob(entry.blob)
    assert state(repository.folder) == before


@pytest.mark.parametrize("kind", ["work tree", "linked work tree", "shared", "shared twice", "relative"])
def test_objects_may_lie_elsewhere(repository: Repository, tmp_path: Path, kind: str) -> None:
    """In the folder of another work tree, or in a repository that this one borrows from itself."""
    parted(repository)
    place = tmp_path / "place"
    bare = kind in ("shared twice", "relative")
    git(
        "clone",
        "-q",
        "--shared",
        *(["--bare"] if bare else []),
        str(repository.folder),
        str(place),
        at=tmp_path,
    )
    if kind == "work tree":
        git("repack", "-q", "-a", "-d", at=place)
        (place / ".git" / "objects" / "info" / "alternates").unlink()
    elif kind == "linked work tree":
        git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked", at=place)
        place = tmp_path / "linked"
    elif kind == "shared twice":
        git("clone", "-q", "--shared", "--bare", str(place), str(tmp_path / "again"), at=tmp_path)
        place = tmp_path / "again"
    elif kind == "relative":
        (place / "objects" / "info" / "alternates").write_text("# beside\n\n../../r.git/objects\n")
    with scratch(place) as beside:
        head = beside.resolve("side" if bare else "origin/side")
        assert held(beside.folder, beside.merge(beside.resolve("HEAD"), head)) == BOTH


def test_repositories_that_borrow_from_each_other_end(repository: Repository, tmp_path: Path) -> None:
    """A circle is gone round once."""
    parted(repository)
    other = Repository(tmp_path / "other.git")
    for one, two in ((repository, other), (other, repository)):
        (one.folder / "objects" / "info" / "alternates").write_text(f"{two.folder}/objects\n")
    with scratch(repository.folder) as beside:
        assert held(beside.folder, merged(beside)) == BOTH


def test_a_history_that_is_cut_off_merges_what_it_has(repository: Repository, tmp_path: Path) -> None:
    """What both sides have is there; what came before it need not be."""
    for n in range(5):
        repository.commit({"a.yaml": str(n)})
    parted(repository)
    cut = tmp_path / "cut.git"
    address = f"file://{repository.folder}"
    git("clone", "-q", "--bare", "--depth=2", "--no-single-branch", address, str(cut), at=tmp_path)
    with scratch(cut) as beside:
        assert held(beside.folder, merged(beside)) == BOTH


def test_a_link_is_merged_as_a_link(repository: Repository) -> None:
    """It leads nowhere, since nothing is checked out."""
    parted(repository, BASE, {**OURS, "l": (LINK, "/etc/passwd")}, THEIRS)
    with scratch(repository.folder) as beside:
        made = merged(beside)
        assert git("ls-tree", made, "l", at=beside.folder).startswith("120000 blob")

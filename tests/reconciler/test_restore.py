"""A folder restored by a commit: on real repositories, beside it and over HTTP."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import pytest

from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.pushing import Branches, branches
from reconciler.source.restore import ATTEMPTS, Restoration, Restored, branch_to_restore, restore
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError
from tests.reconciler.remotes import PASSWORD, USER, web
from tests.reconciler.repositories import EXECUTABLE, LINK, SUBMODULE, Repository, git

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD = {"models/a.yaml": "old", "models/deep/b.yaml": "b", "readme": "1", "other/c.yaml": "c"}
NEW = {"models/a.yaml": "new", "models/d.yaml": "d", "readme": "2", "other/c.yaml": "cc"}
ADA = "Ada <ada@example.org>"
SECRET = PASSWORD.replace("%2F", "/")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


@pytest.fixture
def beside(repository: Repository, tmp_path: Path) -> Iterator[Branches]:
    """The branches of a repository on this machine."""
    with branches(str(repository.folder), AGENT, tmp_path / "mirror") as opened:
        yield opened


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Iterator[Branches]:
    """The branches of the same repository, pushed to over HTTP with a password."""
    git("config", "http.receivepack", "true", at=repository.folder)
    (tmp_path / "password").write_text(SECRET)
    mine = Credentials(USER, SecretFrom(file=tmp_path / "password"))
    with web(tmp_path) as host, branches(f"http://{host}/r.git", mine, tmp_path / "mirror") as opened:
        yield opened


@pytest.fixture(params=["beside", "remote"])
def either(request: pytest.FixtureRequest) -> Branches:
    """Both ways to the same repository."""
    return request.getfixturevalue(request.param)


def wish(revision: str, path: str = "models", **facts: str) -> Restoration:
    return Restoration(facts.pop("branch", "main"), path, revision, "Go back", **{"author": ADA, **facts})


def go_back(to: Branches, revision: str, path: str = "models", **facts: str) -> Restored:
    return restore(to, wish(revision, path, **facts), NOW)


def files(repository: Repository, branch: str = "main") -> dict[str, str]:
    """What a branch holds, by path."""
    listed = git("ls-tree", "-r", "--name-only", branch, at=repository.folder).splitlines()
    return {path: git("show", f"{branch}:{path}", at=repository.folder) for path in listed}


def head(repository: Repository, branch: str = "main") -> str:
    return git("rev-parse", branch, at=repository.folder)


def test_the_folder_is_as_it_was_and_the_rest_as_it_is(repository: Repository, either: Branches) -> None:
    """Files come back, change back and go; outside of the folder the newest stays."""
    old = repository.commit(OLD)
    repository.commit(NEW)
    done = go_back(either, old)
    assert files(repository) == {
        "models/a.yaml": "old",
        "models/deep/b.yaml": "b",
        "readme": "2",
        "other/c.yaml": "cc",
    }
    assert done.paths == (("models/a.yaml", True), ("models/d.yaml", False), ("models/deep/b.yaml", True))
    assert done.commit == head(repository)


def test_history_goes_on(repository: Repository, either: Branches) -> None:
    """One commit on top of what was there, with its words, its author and its time."""
    old = repository.commit(OLD)
    new = repository.commit(NEW)
    done = go_back(either, old)
    assert git("log", "--format=%H", at=repository.folder).splitlines() == [done.commit, new, old]
    said = git("log", "-1", "--format=%s|%an|%ae|%at", at=repository.folder)
    assert said == f"Go back|Ada|ada@example.org|{int(NOW.timestamp())}"
    assert done.head == new


def test_everything_can_be_restored(repository: Repository, either: Branches) -> None:
    """Without a path the whole tree is the application's."""
    old = repository.commit(OLD)
    repository.commit(NEW)
    go_back(either, old, "")
    assert files(repository) == OLD


def test_a_folder_inside_folders_is_restored(repository: Repository, either: Branches) -> None:
    """Its neighbours in every folder above it stay."""
    old = repository.commit({"a/b/c/x": "1", "a/b/y": "1", "a/z": "1"})
    repository.commit({"a/b/c/x": "2", "a/b/y": "2", "a/z": "2"})
    go_back(either, old, "a/b/c")
    assert files(repository) == {"a/b/c/x": "1", "a/b/y": "2", "a/z": "2"}


def test_a_folder_that_is_gone_comes_back(repository: Repository, either: Branches) -> None:
    """Also the folders above it."""
    old = repository.commit({"a/b/x": "1", "y": "1"})
    repository.commit({"y": "2"})
    go_back(either, old, "a/b")
    assert files(repository) == {"a/b/x": "1", "y": "2"}


def test_what_is_as_it_was_is_left_alone(repository: Repository, either: Branches) -> None:
    """No empty commit."""
    old = repository.commit(OLD)
    new = repository.commit({**OLD, "readme": "2"})
    assert go_back(either, old) == Restored(new, None, ())
    assert head(repository) == new


def test_links_submodules_and_modes_are_carried(repository: Repository, either: Branches) -> None:
    """Nothing of the tree is followed, read or run; names need be no text."""
    odd = {
        b"models/link": (LINK, "../../etc/passwd"),
        b"models/run": (EXECUTABLE, "#!/bin/sh"),
        b"models/sub": (SUBMODULE, "1" * 40),
        b"models/\xff": "raw",
        b"\xfe/x": "raw",
    }
    old = repository.commit(odd)
    before = git("ls-tree", "-r", "main", at=repository.folder)
    repository.commit({"models/a": "1", b"\xfe/x": "raw"})
    go_back(either, old)
    assert git("ls-tree", "-r", "main", at=repository.folder) == before


def test_a_dry_run_only_tells(repository: Repository, either: Branches) -> None:
    """The same paths, and nothing moved."""
    old = repository.commit(OLD)
    new = repository.commit(NEW)
    told = restore(either, wish(old), NOW, dry_run=True)
    assert (told.commit, head(repository)) == (None, new)
    assert told.paths == go_back(either, old).paths


def test_a_commit_without_history_here_is_fetched(repository: Repository, remote: Branches) -> None:
    """The first fetch brings the tips alone; what lies deeper comes when it is needed."""
    old = repository.commit(OLD)
    for number in range(5):
        repository.commit({**NEW, "readme": str(number)})
    go_back(remote, old)
    assert files(repository)["models/a.yaml"] == "old"


class Racing:
    """Branches on which somebody else commits right before each of the first ``times`` moves."""

    def __init__(self, inner: Branches, repository: Repository, times: int) -> None:
        self.git = inner.git
        self._inner = inner
        self._repository = repository
        self._left = times

    def default(self) -> str | None:
        return self._inner.default()

    def head(self, branch: str) -> pygit2.Commit | None:
        return self._inner.head(branch)

    def commit(self, revision: str) -> pygit2.Commit | None:
        return self._inner.commit(revision)

    def move(self, branch: str, old: pygit2.Oid, new: pygit2.Oid) -> bool:
        if self._left:
            self._repository.commit({**NEW, "readme": f"push {self._left}"})
            self._left -= 1
        return self._inner.move(branch, old, new)


def test_a_push_in_between_is_kept(repository: Repository, either: Branches) -> None:
    """The commit is made again on top of it."""
    old = repository.commit(OLD)
    repository.commit(NEW)
    go_back(Racing(either, repository, ATTEMPTS - 1), old)
    found = files(repository)
    assert (found["models/a.yaml"], found["readme"]) == ("old", "push 1")
    assert len(git("log", "--format=%H", at=repository.folder).splitlines()) == 2 + (ATTEMPTS - 1) + 1


def test_pushes_without_end_are_told(repository: Repository, either: Branches) -> None:
    """After the third the command gives up, and nothing was moved by it."""
    old = repository.commit(OLD)
    repository.commit(NEW)
    with pytest.raises(TransientError, match="BranchMoved"):
        go_back(Racing(either, repository, ATTEMPTS), old)
    assert files(repository)["models/a.yaml"] == "new"


def test_a_refused_push_is_told_in_the_servers_words(repository: Repository, remote: Branches) -> None:
    """As a protected branch does it; what the server repeats of our password is not shown."""
    hook = repository.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\necho 'main is protected from {USER}:{SECRET}' >&2\nyes long | head -9999 >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    old = repository.commit(OLD)
    new = repository.commit(NEW)
    with pytest.raises(InputError, match=r"PushRefused.*main is protected from ada:\*\*\*") as refused:
        go_back(remote, old)
    assert SECRET not in str(refused.value)
    assert len(refused.value.message) < 1_200
    assert head(repository) == new


def test_who_may_only_read_is_refused(repository: Repository, remote: Branches) -> None:
    """A server that takes no pushes at all."""
    git("config", "http.receivepack", "false", at=repository.folder)
    old = repository.commit(OLD)
    repository.commit(NEW)
    with pytest.raises(InputError, match="PushRefused"):
        go_back(remote, old)


def test_a_wrong_password_is_told(repository: Repository, tmp_path: Path) -> None:
    """Before anything is looked at."""
    old = repository.commit(OLD)
    (tmp_path / "password").write_text("guess")
    mine = Credentials(USER, SecretFrom(file=tmp_path / "password"))
    with (
        web(tmp_path) as host,
        branches(f"http://{host}/r.git", mine, tmp_path / "mirror") as opened,
        pytest.raises(InputError, match="FetchDenied"),
    ):
        go_back(opened, old)


def test_a_commit_that_is_gone_is_told(repository: Repository, either: Branches) -> None:
    """Nothing that merely bears its name is taken for it."""
    repository.commit(NEW)
    gone = "deadbeef" * 5
    repository.commit(OLD, branch=gone)
    with pytest.raises(InputError, match="RevisionNotFound"):
        go_back(either, gone)


def test_a_folder_that_was_not_there_is_told(repository: Repository, either: Branches) -> None:
    """Restoring it would delete everything; nobody asked for that."""
    old = repository.commit({"readme": "1", "models": "a file"})
    repository.commit(NEW)
    with pytest.raises(InputError, match="PathNotFound"):
        go_back(either, old)


def test_a_file_in_the_way_is_not_overwritten(repository: Repository, either: Branches) -> None:
    """It stands outside of what the application owns."""
    old = repository.commit({"a/b/x": "1"})
    repository.commit({"a": "somebody's file"})
    with pytest.raises(InputError, match="PathNotFound"):
        go_back(either, old, "a/b")


def test_a_branch_that_is_not_there_is_told(repository: Repository, either: Branches) -> None:
    """None is made."""
    old = repository.commit(OLD)
    with pytest.raises(InputError, match="BranchNotFound"):
        go_back(either, old, branch="none")


def test_an_author_who_is_nobody_is_told(repository: Repository, either: Branches) -> None:
    """A commit says who made it."""
    old = repository.commit(OLD)
    repository.commit(NEW)
    with pytest.raises(InputError, match="AuthorUnknown"):
        go_back(either, old, author="Ada")


def test_the_repository_says_who_commits(repository: Repository, beside: Branches) -> None:
    """``user.name`` and ``user.email``, as for git itself."""
    git("config", "user.name", "Grace", at=repository.folder)
    git("config", "user.email", "grace@example.org", at=repository.folder)
    old = repository.commit(OLD)
    repository.commit(NEW)
    go_back(beside, old, author=ADA)
    assert git("log", "-1", "--format=%an|%cn", at=repository.folder) == "Ada|Grace"


def test_what_is_followed_names_the_branch(repository: Repository, either: Branches) -> None:
    """HEAD stands for the branch that it names; a tag cannot be moved forward."""
    first = repository.commit(OLD)
    git("tag", "v1", at=repository.folder)
    assert [branch_to_restore(either, each) for each in ("HEAD", "main")] == ["main", "main"]
    for each in ("v1", first):
        with pytest.raises(InputError, match="BranchNotFound"):
            branch_to_restore(either, each)


def test_a_checked_out_branch_is_moved_as_git_moves_it(tmp_path: Path) -> None:
    """Refused, unless ``receive.denyCurrentBranch`` lets pushes move it; its files are never touched."""
    repository = Repository(tmp_path / "work", bare=False)
    old = repository.commit(OLD)
    repository.commit(NEW)
    git("checkout", "-qf", "main", at=repository.folder)
    with branches(str(repository.folder), AGENT, tmp_path / "mirror") as opened:
        with pytest.raises(InputError, match=r"PushRefused.*checked out"):
            go_back(opened, old)
        git("config", "receive.denyCurrentBranch", "warn", at=repository.folder)
        go_back(opened, old)
    assert files(repository)["models/a.yaml"] == "old"
    assert (repository.folder / "models" / "a.yaml").read_text() == "new"


def test_nothing_is_left_of_a_push(repository: Repository, tmp_path: Path) -> None:
    """The mirror of a controller that runs meanwhile is borrowed from, and stays as it was."""
    git("config", "http.receivepack", "true", at=repository.folder)
    (tmp_path / "password").write_text(SECRET)
    mine = Credentials(USER, SecretFrom(file=tmp_path / "password"))
    mirror = tmp_path / "mirror"
    old = repository.commit(OLD)
    subprocess.run(["git", "clone", "-q", "--mirror", str(repository.folder), str(mirror)], check=True)
    git("update-ref", "-d", "refs/heads/main", at=repository.folder)
    git("gc", "-q", "--prune=now", at=repository.folder)
    repository.commit(NEW)  # a force push: the old commit is known to the mirror alone
    before = sorted(path for path in mirror.rglob("*"))
    with web(tmp_path) as host, branches(f"http://{host}/r.git", mine, mirror) as opened:
        go_back(opened, old)
        private = Path(opened.git.path)
    assert files(repository)["models/a.yaml"] == "old"
    assert (sorted(path for path in mirror.rglob("*")), private.exists()) == (before, False)

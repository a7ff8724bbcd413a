"""Heads of pull requests: which refs are brought, with what of their history, and what is left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.source import pulls
from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.merging import scratch
from reconciler.source.pulls import PullMirror, whole_repository
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError
from tests.reconciler.remotes import PASSWORD, USER, daemon, web
from tests.reconciler.repositories import Repository, git

MAIN, PULL = "refs/heads/main", "refs/pull/7/head"


@pytest.fixture
def served(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "served" / "r.git")


@pytest.fixture
def address(served: Repository, tmp_path: Path) -> Iterator[str]:
    """Where a remote has what ``served`` holds."""
    with daemon(tmp_path / "served") as url:
        yield f"{url}/r.git"


@pytest.fixture
def mirror(address: str, tmp_path: Path) -> PullMirror:
    return PullMirror(address, tmp_path / "mirror", AGENT)


def opened(repository: Repository, text: str = "2", ref: str = PULL) -> str:
    """A pull request's head, on no branch."""
    if "refs/heads/change" in repository.git.references:
        git("update-ref", "-d", "refs/heads/change", at=repository.folder)
    git("update-ref", "refs/heads/change", "refs/heads/main", at=repository.folder)
    head = repository.commit({"a.yaml": "1", "b.yaml": text}, branch="change")
    git("update-ref", ref, head, at=repository.folder)
    git("update-ref", "-d", "refs/heads/change", at=repository.folder)
    return head


def commits(folder: Path) -> set[str]:
    """Every commit that some ref leads to."""
    return set(git("rev-list", "--all", at=folder).split())


# Remote


@pytest.mark.real
def test_heads_come_with_their_history(served: Repository, mirror: PullMirror) -> None:
    """Where a pull request began may be long ago."""
    base = [served.commit({"a.yaml": str(n)}) for n in range(5)]
    head = opened(served)
    assert mirror.fetch([PULL, MAIN]) == {MAIN: base[-1], PULL: head}
    assert commits(mirror.folder) == {*base, head}


@pytest.mark.real
def test_nothing_else_comes(served: Repository, mirror: PullMirror) -> None:
    """Neither other branches and tags nor other pull requests."""
    base = served.commit({"a.yaml": "1"})
    git("tag", "v1", served.commit({"a.yaml": "other"}, branch="other"), at=served.folder)
    opened(served, "3", "refs/pull/8/head")
    mirror.fetch([MAIN])
    assert commits(mirror.folder) == {base}


@pytest.mark.real
def test_what_was_brought_merges(served: Repository, mirror: PullMirror) -> None:
    """The mirror is all that a merge needs."""
    served.commit({"a.yaml": "1"})
    opened(served)
    served.commit({"a.yaml": "1", "c.yaml": "3"})
    found = mirror.fetch([MAIN, PULL])
    with scratch(mirror.folder) as beside:
        made = beside.merge(found[MAIN], found[PULL])
        assert git("ls-tree", "--name-only", made, at=beside.folder).split() == ["a.yaml", "b.yaml", "c.yaml"]


@pytest.mark.real
def test_a_head_that_moved_is_followed(served: Repository, mirror: PullMirror) -> None:
    """Also by force, to a commit that does not follow the one before."""
    served.commit({"a.yaml": "1"})
    first = opened(served)
    assert mirror.fetch([PULL])[PULL] == first
    second = opened(served, "other")
    assert mirror.fetch([PULL]) == {PULL: second}


@pytest.mark.real
def test_a_ref_that_is_gone_is_left_out(served: Repository, mirror: PullMirror) -> None:
    """A pull request may go at any time; the others are brought."""
    base = served.commit({"a.yaml": "1"})
    opened(served)
    mirror.fetch([MAIN, PULL])
    git("update-ref", "-d", PULL, at=served.folder)
    assert mirror.fetch([MAIN, PULL, "refs/merge-requests/1/head"]) == {MAIN: base}
    assert commits(mirror.folder) == {base}


@pytest.mark.real
@pytest.mark.parametrize("refs", [[], [PULL]])
def test_nothing_is_brought_where_nothing_is_there(
    served: Repository, mirror: PullMirror, refs: list[str]
) -> None:
    """To be asked for no ref is not to be asked for all."""
    served.commit({"a.yaml": "1"})
    mirror.fetch([MAIN])
    assert mirror.fetch(refs) == {}
    assert commits(mirror.folder) == set()


@pytest.mark.real
def test_what_is_no_longer_asked_for_is_forgotten(served: Repository, mirror: PullMirror) -> None:
    """The mirror holds the refs of the last time."""
    base = served.commit({"a.yaml": "1"})
    head = opened(served)
    mirror.fetch([MAIN, PULL])
    assert head in commits(mirror.folder)
    mirror.fetch([MAIN])
    assert commits(mirror.folder) == {base}


@pytest.mark.real
def test_a_name_may_take_the_place_of_a_folder(served: Repository, mirror: PullMirror) -> None:
    """Of refs that the remote had one after the other."""
    served.commit({"a.yaml": "1"}, branch="a")
    mirror.fetch(["refs/heads/a"])
    git("update-ref", "-d", "refs/heads/a", at=served.folder)
    head = served.commit({"a.yaml": "2"}, branch="a/b")
    assert mirror.fetch(["refs/heads/a", "refs/heads/a/b"]) == {"refs/heads/a/b": head}


@pytest.mark.real
def test_a_tag_is_the_commit_that_it_leads_to(served: Repository, mirror: PullMirror) -> None:
    """And what leads to no commit is left out."""
    base = served.commit({"a.yaml": "1"})
    git("tag", "-a", "-m", "first", "v1", at=served.folder)
    git("tag", "file", "main:a.yaml", at=served.folder)
    assert mirror.fetch(["refs/tags/v1", "refs/tags/file"]) == {"refs/tags/v1": base}


@pytest.mark.real
def test_a_password_is_needed_where_the_remote_wants_one(served: Repository, tmp_path: Path) -> None:
    """To list refs and to bring them; without it the reason is the one of every fetch, and holds no secret."""
    head = served.commit({"a.yaml": "1"})
    (tmp_path / "password").write_text(PASSWORD.replace("%2F", "/"))
    mine = Credentials(USER, SecretFrom(file=tmp_path / "password"))
    with web(tmp_path / "served") as host:
        address = f"http://{host}/r.git"
        assert PullMirror(address, tmp_path / "mirror", mine).fetch([MAIN]) == {MAIN: head}
        with pytest.raises(InputError, match="FetchDenied"):
            PullMirror(address, tmp_path / "other", AGENT).fetch([MAIN])


@pytest.mark.real
def test_a_failed_fetch_leaves_what_was_brought(served: Repository, tmp_path: Path) -> None:
    """The next one finds it."""
    base = served.commit({"a.yaml": "1"})
    with daemon(tmp_path / "served") as url:
        mirror = PullMirror(f"{url}/r.git", tmp_path / "mirror", AGENT)
        mirror.fetch([MAIN])
    with pytest.raises(TransientError, match="FetchFailed"):
        mirror.fetch([PULL])
    assert commits(mirror.folder) == {base}


@pytest.mark.real
def test_head_is_what_the_remote_shows_first(served: Repository, mirror: PullMirror) -> None:
    """An application that follows HEAD follows that branch."""
    base = served.commit({"a.yaml": "1"})
    assert mirror.fetch(["HEAD", MAIN]) == {"HEAD": base, MAIN: base}


# On this machine


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_repository_on_this_machine_is_read_where_it_is(
    served: Repository, tmp_path: Path, scheme: str
) -> None:
    """Nothing is mirrored, and a ref that is not there is left out as well."""
    base = served.commit({"a.yaml": "1"})
    head = opened(served)
    mirror = PullMirror(f"{scheme}{served.folder}", tmp_path / "mirror", AGENT)
    assert mirror.fetch([PULL, MAIN, "refs/pull/8/head"]) == {MAIN: base, PULL: head}
    assert mirror.fetch(["HEAD"]) == {"HEAD": base}
    assert (mirror.folder, (tmp_path / "mirror").exists()) == (served.folder, False)
    assert served.git.references.get("refs/heads/main") is not None


def test_no_repository_on_this_machine_is_told(tmp_path: Path) -> None:
    """As by a source."""
    with pytest.raises(InputError, match="RepositoryNotFound"):
        PullMirror(str(tmp_path / "gone"), tmp_path / "mirror", AGENT).fetch([MAIN])


# Names


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "FETCH_HEAD",
        "",
        "refs/heads/*",
        "refs/heads/a:refs/heads/b",
        "+refs/heads/a",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a.lock",
        "refs/heads/a\0b",
        "refs/heads/\udc80",
        "refs/../heads/a",
        "--upload-pack=x",
        f"refs/heads/{'x' * pulls.MAX_REF}",
    ],
)
@pytest.mark.parametrize("place", ["remote", "local"])
def test_what_is_no_ref_is_not_asked_for(tmp_path: Path, ref: str, place: str) -> None:
    """Nobody is asked at all."""
    address = "git://127.0.0.1:1/r.git" if place == "remote" else str(tmp_path)
    with pytest.raises(InputError, match="RevisionNotFound"):
        PullMirror(address, tmp_path / "mirror", AGENT).fetch([MAIN, ref])


@pytest.mark.real
def test_the_longest_name_is_brought(served: Repository, mirror: PullMirror) -> None:
    """In any alphabet."""
    ref = f"refs/heads/{'ä' * ((pulls.MAX_REF - 11) // 2)}"
    head = served.commit({"a.yaml": "1"})
    (served.folder / "packed-refs").write_text(f"{head} {ref}\n")
    assert mirror.fetch([ref]) == {ref: head}


# Everything


@pytest.mark.real
def test_a_whole_repository_has_every_branch_and_its_history(
    served: Repository, address: str, tmp_path: Path
) -> None:
    """By the names that the remote has for them, HEAD among them."""
    made = [served.commit({"a.yaml": str(n)}) for n in range(3)]
    side = served.commit({"a.yaml": "s"}, branch="side")
    git("tag", "v1", made[0], at=served.folder)
    with whole_repository(address, tmp_path / "whole", AGENT) as folder, scratch(folder) as beside:
        found = {name: beside.resolve(name) for name in ("HEAD", "main", "side", "v1", "main~1")}
    assert found == {"HEAD": made[2], "main": made[2], "side": side, "v1": made[0], "main~1": made[1]}


def test_a_whole_repository_on_this_machine_is_itself(served: Repository, tmp_path: Path) -> None:
    """Nothing is copied."""
    with whole_repository(str(served.folder), tmp_path / "whole", AGENT) as folder:
        assert (folder, (tmp_path / "whole").exists()) == (served.folder, False)

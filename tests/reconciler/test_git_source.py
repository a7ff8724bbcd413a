"""Git sources: what is read, what is refused, and what a change costs."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.source import fetching
from reconciler.source import trees as trees_module
from reconciler.source.git import MAX_BLOB, MAX_TEXT, GitSource, Snapshot
from reconciler.source.readings import Readings
from reconciler.source.urls import local_path, redacted, without_credentials
from schemas.errors import InputError, TransientError
from tests.reconciler.remotes import PASSWORD, USER, daemon, silence, web
from tests.reconciler.repositories import EXECUTABLE, LINK, SUBMODULE, Repository, bomb, git, model

COMMIT = "1" * 40


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository.git")


def source(
    of: Repository | str, revision: str = "main", path: str = "", mirror: Path | None = None
) -> GitSource:
    place = of if isinstance(of, str) else str(of.folder)
    return GitSource(place, revision, path, mirror or Path("/nonexistent"))


def codes(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(problem.file, problem.code) for problem in snapshot.refused]


# What is followed


@pytest.mark.parametrize("bare", [True, False])
def test_branch_tag_and_commit(tmp_path, bare):
    """Each names a commit, in a bare repository and in one with a work tree."""
    repository = Repository(tmp_path / "r", bare=bare)
    first = repository.commit({"a.yaml": "1"})
    git("tag", "-a", "-m", "first", "v1", at=repository.folder)
    second = repository.commit({"a.yaml": "2"})
    followed = {
        name: source(repository, name).snapshot().revision
        for name in ("main", "v1", first, first[:10], "HEAD")
    }
    assert followed == {"main": second, "v1": first, first: first, first[:10]: first, "HEAD": second}


def test_branch_comes_before_a_tag_of_the_same_name(repository):
    """As Git's own push does."""
    first = repository.commit({"a.yaml": "1"})
    git("tag", "main", first, at=repository.folder)
    second = repository.commit({"a.yaml": "2"})
    assert source(repository).snapshot().revision == second


def test_only_manifests_below_the_path_are_read(repository):
    """Other folders and other files are none of our business; paths are those of the repository."""
    repository.commit(
        {"a.yaml": "1", "prod/b.yml": "2", "prod/in/c.json": "3", "prod/d.txt": "4", "production/e.yaml": "5"}
    )
    assert list(source(repository, path="prod").snapshot().entries) == ["prod/b.yml", "prod/in/c.json"]
    assert list(source(repository, path="./").snapshot().entries)[:1] == ["a.yaml"]


def test_digest_is_of_paths_modes_and_blobs(repository):
    """The same tree in another commit gives the same digest; a mode alone another one."""
    repository.commit({"a.yaml": "1"})
    one = source(repository).snapshot()
    repository.commit({"a.yaml": "1"}, message="Nothing")
    two = source(repository).snapshot()
    repository.commit({"a.yaml": (EXECUTABLE, "1")})
    three = source(repository).snapshot()
    assert (one.revision != two.revision, one.digest) == (True, two.digest)
    assert three.digest != two.digest


def test_same_commit_gives_the_same_snapshot_and_same_tree_the_same_entries(repository):
    """What did not change is not even copied."""
    repository.commit({"a.yaml": "1"})
    reader = source(repository)
    one = reader.snapshot()
    assert reader.snapshot(one) is one
    repository.commit({"a.yaml": "1"}, message="Nothing")
    assert reader.snapshot(one).entries is one.entries


@pytest.mark.parametrize(
    ("revision", "path", "reason"),
    [("gone", "", "RevisionNotFound"), ("main", "gone", "PathNotFound"), ("main", "a.yaml", "PathNotFound")],
)
def test_what_is_not_there_is_an_input_error(repository, revision, path, reason):
    """Branch and folder are named."""
    repository.commit({"a.yaml": "1"})
    with pytest.raises(InputError) as error:
        source(repository, revision, path).snapshot()
    assert error.value.reason == reason


@pytest.mark.parametrize("place", ["empty", "absent", "file"])
def test_what_is_no_repository_is_an_input_error(tmp_path, place):
    """A folder without one, nothing at all, a file."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        source(str(tmp_path / place)).snapshot()
    assert error.value.reason == "RepositoryNotFound"


def test_deleted_branch_is_an_input_error_and_comes_back(repository):
    """The reader can be asked again; what was read before is the caller's to keep."""
    repository.commit({"a.yaml": "1"})
    reader = source(repository)
    before = reader.snapshot()
    git("update-ref", "-d", "refs/heads/main", at=repository.folder)
    with pytest.raises(InputError):
        reader.snapshot(before)
    repository.commit({"a.yaml": "2"})
    assert reader.snapshot(before).entries != before.entries


def test_force_push_whose_old_objects_are_gone(repository):
    """The tree before cannot be compared with any more; everything is read anew."""
    repository.commit({"a.yaml": "1", "b.yaml": "1"})
    reader = source(repository)
    before = reader.snapshot()
    git("update-ref", "-d", "refs/heads/main", at=repository.folder)
    repository.commit({"c.yaml": "1"})
    git("gc", "-q", "--prune=now", at=repository.folder)
    fresh = source(repository)
    assert list(fresh.snapshot(before).entries) == ["c.yaml"]


# What is refused


def test_links_and_submodules_are_refused_with_their_place(repository):
    """Nothing leads out of the repository; the rest is read."""
    repository.commit(
        {"a.yaml": "1", "b.yaml": (LINK, "/etc/passwd"), "dir": (LINK, ".."), "sub": (SUBMODULE, COMMIT)}
    )
    seen = source(repository).snapshot()
    assert list(seen.entries) == ["a.yaml"]
    assert codes(seen) == [
        ("b.yaml", "SymlinkRefused"),
        ("dir", "SymlinkRefused"),
        ("sub", "SubmoduleRefused"),
    ]


def test_link_outside_the_path_is_nobodys_business(repository):
    """Only what is below the path counts."""
    repository.commit({"prod/a.yaml": "1", "link": (LINK, "x")})
    assert codes(source(repository, path="prod").snapshot()) == []


def test_link_instead_of_the_path_is_not_followed(repository):
    """A path that is a link is no folder."""
    repository.commit({"real/a.yaml": "1", "prod": (LINK, "real")})
    with pytest.raises(InputError, match="PathNotFound"):
        source(repository, path="prod").snapshot()


def test_oversized_manifest_is_refused_unread(repository):
    """Its size is known without reading it; at the bound it is still taken."""
    repository.commit(
        {"big.yaml": "x" * (MAX_BLOB + 1), "fits.yaml": "x" * MAX_BLOB, "big.bin": "x" * (MAX_BLOB + 1)}
    )
    seen = source(repository).snapshot()
    assert (list(seen.entries), codes(seen)) == (["fits.yaml"], [("big.yaml", "FileTooLarge")])


def test_what_is_refused_is_part_of_the_digest(repository):
    """A link more or less holds or frees pruning: a plan made before is not for the tree after."""
    repository.commit({"a.yaml": "1"})
    reader = source(repository)
    plain = reader.snapshot()
    repository.commit({"a.yaml": "1", "link": (LINK, "x")})
    linked = reader.snapshot(plain)
    repository.commit({"a.yaml": "1"})
    again = reader.snapshot(linked)
    assert plain.digest == again.digest != linked.digest
    assert codes(again) == []


def test_link_that_is_gone_no_longer_holds_pruning(repository):
    """The problem goes with its cause."""
    readings, reader = Readings("app", "default"), source(repository)
    repository.commit({"a.yaml": model("a"), "link": (LINK, "x")})
    linked = reader.snapshot()
    assert readings.desired(linked, reader.blob).unreadable
    repository.commit({"a.yaml": model("a")})
    after = readings.desired(reader.snapshot(linked), reader.blob)
    assert (after.unreadable, after.problems) == (False, ())


def test_tree_that_holds_itself_many_times_over_is_refused(repository, monkeypatch):
    """Ten folders that are the same ten folders …: counting stops at a bound, not at the end of time."""
    monkeypatch.setattr(trees_module, "MAX_ENTRIES", 10_000)
    before = repository.commit({"a.yaml": "1"})
    tree = bomb(repository.folder, 10, 9)
    made = git("commit-tree", "-m", "bomb", tree, at=repository.folder)
    git("update-ref", "refs/heads/main", made, at=repository.folder)
    for previous in (None, source(repository, before).snapshot()):
        with pytest.raises(InputError, match="TooManyFiles"):
            source(repository).snapshot(previous)


def test_folders_that_are_too_deep_are_refused(repository):
    """Before anything recurses too far."""
    repository.commit({"/".join("d" * 70) + "/a.yaml": "1"})
    with pytest.raises(InputError, match="TreeTooDeep"):
        source(repository).snapshot()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"caf\xe9.yaml", r"caf\xe9.yaml"),
        (b"bell\x07\x1b[31m.yaml", r"bell\x07\x1b[31m.yaml"),
        (b"line\n::error::.yaml", r"line\n::error::.yaml"),
        ("turn\u202e.yaml".encode(), r"turn\u202e.yaml"),
        (b"back\\xe9.yaml", r"back\\xe9.yaml"),
        ("grüße.yaml".encode(), "grüße.yaml"),
    ],
)
def test_names_are_harmless_to_show(repository, raw, shown):
    """Whatever bytes a name has, its text is printable, and no two names share one."""
    repository.commit({raw: "1", "a.yaml": "2"})
    assert list(source(repository).snapshot().entries) == sorted(["a.yaml", shown])


@pytest.mark.parametrize(
    "rest", [b"\nf\xfcr \xff\n", b"encoding klingon\n\nf\xfcr\n", b"encoding none\n\nx\n", b"\n"]
)
def test_commit_in_any_encoding_is_read(repository, rest):
    """What a commit says of itself is only shown; nothing of it can keep a push from being read."""
    repository.commit({"a.yaml": "1"})
    repository.raw_commit(b"\xff\xfe <x>", rest)
    seen = source(repository).snapshot()
    assert list(seen.entries) == ["a.yaml"]
    assert seen.author == "��"


def test_long_commit_message_is_cut(repository):
    """A message is no place for megabytes."""
    repository.commit({"a.yaml": "1"}, message="x" * 100_000)
    assert len(source(repository).snapshot().message) == MAX_TEXT


@pytest.mark.parametrize("damage", [None, b"garbage"])
def test_damaged_repository_is_an_error_of_ours(repository, damage):
    """A missing or damaged object says so; it may be there the next time."""
    repository.commit({"a.yaml": "1"})
    blob = git("rev-parse", "main:a.yaml", at=repository.folder)
    place = repository.folder / "objects" / blob[:2] / blob[2:]
    place.unlink()
    if damage:
        place.write_bytes(damage)
    for attempt in (lambda: source(repository).snapshot(), lambda: source(repository).blob(blob)):
        with pytest.raises(TransientError) as error:
            attempt()
        assert error.value.reason == "RepositoryUnreadable"


# What a change costs


def test_blobs_are_read_once(repository):
    """A change of one file reads one blob, a move of it one (its places change), a commit without a
    change none."""
    reader, readings = source(repository), Readings("app", "default")
    asked: list[str] = []

    def read(blob: str) -> bytes:
        asked.append(blob)
        return reader.blob(blob)

    costs, seen = [], None
    files = {f"models/m{n}.yaml": model(f"m{n}") for n in range(20)}
    for change in (
        {},
        {"models/m7.yaml": model("m7", "gs://v2")},
        {},
        {"models/m8.yaml": None, "m8.yaml": model("m8")},
    ):
        files = {path: text for path, text in {**files, **change}.items() if text is not None}
        repository.commit(files)
        seen = reader.snapshot(seen)
        desired = readings.desired(seen, read)
        costs.append(len(asked))
        asked.clear()
        assert len(desired.resources) == 20
    assert costs == [20, 1, 0, 1]


def test_unchanged_folders_are_not_looked_into(repository):
    """A folder whose objects are gone is no hindrance as long as nobody changed it."""
    files = {"kept/deep/a.yaml": "1", "b.yaml": "1"}
    repository.commit(files)
    reader = source(repository)
    before = reader.snapshot()
    inner = git("rev-parse", "main:kept/deep", at=repository.folder)
    repository.commit({**files, "b.yaml": "2"})
    (repository.folder / "objects" / inner[:2] / inner[2:]).unlink()
    after = source(repository).snapshot(before)
    assert after.entries["kept/deep/a.yaml"] == before.entries["kept/deep/a.yaml"]
    assert after.entries["b.yaml"] != before.entries["b.yaml"]


PATHS = (
    "a.yaml",
    "b.yaml",
    "x/a.yaml",
    "x/b.yml",
    "x/y/c.json",
    "x",
    "x.yaml",
    "x/y",
    b"\xff.yaml",
    b"\\xff.yaml",
    "n.txt",
)
BODIES = st.sampled_from(
    ["1", "2", (EXECUTABLE, "1"), (LINK, "a.yaml"), (SUBMODULE, COMMIT), "x" * (MAX_BLOB + 1)]
)


@st.composite
def trees(draw):
    """Any files at any of a few paths, none below another."""
    chosen = draw(st.dictionaries(st.sampled_from(PATHS), BODIES, min_size=1))
    named = {path if isinstance(path, bytes) else path.encode(): body for path, body in chosen.items()}
    return {
        path: body
        for path, body in named.items()
        if not any(other.startswith(path + b"/") for other in named)
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trees(), min_size=2, max_size=5), st.sampled_from(["", "x"]))
def test_reading_a_change_gives_what_reading_everything_gives(tmp_path_factory, history, path):
    """Whatever was edited, renamed, deleted, replaced by a link or a folder: entries, refusals and digest
    are those of a walk from nothing."""
    folder = tmp_path_factory.mktemp("history")
    repository = Repository(folder / "r.git")
    reader = source(repository, path=path)
    before = None
    for files in history:
        repository.commit({**files, "x/keep.txt": "1"} if b"x" not in files else files)
        try:
            whole = source(repository, path=path).snapshot()
        except InputError:
            continue
        before = reader.snapshot(before)
        assert before == whole
        assert list(before.entries) == sorted(before.entries)
    shutil.rmtree(folder)


# Remote repositories


@pytest.mark.real
def test_remote_repository_is_fetched(tmp_path):
    """Branches, tags and HEAD of a remote; what is gone there is gone here; nothing is checked out."""
    repository = Repository(tmp_path / "served" / "r.git")
    first = repository.commit({"a.yaml": "1"})
    git("tag", "v1", at=repository.folder)
    with daemon(tmp_path / "served") as url:
        followed = {
            name: source(f"{url}/r.git", name, mirror=tmp_path / name)
            for name in ("main", "v1", "HEAD", first)
        }
        for reader in followed.values():
            reader.fetch()
        assert {reader.snapshot().revision for reader in followed.values()} == {first}
        second = repository.commit({"a.yaml": "2"})
        for reader in followed.values():
            reader.fetch()
        assert [reader.snapshot().revision for reader in followed.values()] == [second, first, second, first]
        git("update-ref", "-d", "refs/heads/main", at=repository.folder)
        followed["main"].fetch()
        with pytest.raises(InputError, match="RevisionNotFound"):
            followed["main"].snapshot()
    assert not list((tmp_path / "main").glob("*.yaml"))


@pytest.mark.real
def test_force_pushed_remote_branch_is_followed(tmp_path):
    """The mirror does not insist on history."""
    repository = Repository(tmp_path / "served" / "r.git")
    repository.commit({"a.yaml": "1"})
    with daemon(tmp_path / "served") as url:
        reader = source(f"{url}/r.git", mirror=tmp_path / "mirror")
        reader.fetch()
        before = reader.snapshot()
        git("update-ref", "-d", "refs/heads/main", at=repository.folder)
        repository.commit({"b.yaml": "1"}, message="Other")
        reader.fetch()
        assert list(reader.snapshot(before).entries) == ["b.yaml"]


@pytest.mark.real
def test_credentials_of_a_url_open_a_private_repository(tmp_path):
    """User and password in an HTTP URL are used, and never told."""
    repository = Repository(tmp_path / "served" / "r.git")
    head = repository.commit({"a.yaml": "1"})
    with web(tmp_path / "served") as host:
        reader = source(f"http://{USER}:{PASSWORD}@{host}/r.git", mirror=tmp_path / "mirror")
        reader.fetch()
        assert reader.snapshot().revision == head
        stranger = source(f"http://{USER}:wrong-{PASSWORD}@{host}/r.git", mirror=tmp_path / "other")
        with pytest.raises(InputError) as error:
            stranger.fetch()
    assert error.value.reason == "FetchDenied"
    assert "word" not in str(error.value)


@pytest.mark.real
def test_remote_that_never_answers_does_not_hang(tmp_path, monkeypatch):
    """A fetch ends by itself; the next poll tries again."""
    monkeypatch.setattr(fetching, "TIMEOUTS_MS", (200, 200))
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    with silence() as host, pytest.raises(TransientError) as error:
        source(f"http://{host}/r.git", mirror=tmp_path / "mirror").fetch()
    assert error.value.reason == "FetchFailed"


def test_unreachable_remote_says_so_without_credentials(tmp_path, monkeypatch):
    """Neither the password nor a token in a user's place stands in the message."""
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    for secret in ("user:s3cret", "s3cret", "user:s3c%72et"):
        reader = source(f"https://{secret}@127.0.0.1:1/r.git?token=s3cret", mirror=tmp_path / "mirror")
        with pytest.raises(TransientError) as error:
            reader.fetch()
        assert "s3c" not in str(error.value)


# Addresses


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:secret@example.org/r.git?token=t#f", "https://example.org/r.git"),
        ("https://p@ss:w@rd@example.org/r.git", "https://example.org/r.git"),
        ("ssh://git@example.org/r.git", "ssh://example.org/r.git"),
        ("git@example.org:r.git", "git@example.org:r.git"),
        ("/srv/r.git", "/srv/r.git"),
    ],
)
def test_shown_address_has_no_credentials(address, shown):
    """What people see of a URL."""
    assert redacted(address) == shown


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("/srv/r.git", Path("/srv/r.git")),
        ("r.git", Path("r.git")),
        ("file:///srv/r.git", Path("/srv/r.git")),
        ("https://example.org/r.git", None),
        ("git@example.org:r.git", None),
        ("./odd:name@x/r.git", Path("odd:name@x/r.git")),
    ],
)
def test_local_and_remote_addresses(address, local):
    """Paths and file URLs are on this machine."""
    assert local_path(address) == local


def test_address_that_cannot_be_read_is_refused():
    """Without repeating it: it may hold a password."""
    with pytest.raises(InputError) as error:
        local_path("https://user:secret@[bad/r.git")
    assert (error.value.reason, "secret" in str(error.value)) == ("RepositoryNotFound", False)


def test_messages_of_others_lose_their_secrets():
    """The whole address, the password as written and as meant."""
    address = "https://user:p%2Fw@example.org/r.git"
    assert "p/w" not in without_credentials("login p/w failed", address)
    assert "p%2Fw" not in without_credentials(f"{address}: p%2Fw", address)

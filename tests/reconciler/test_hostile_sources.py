"""Hostile sources, one row for each class of advisory that GitOps controllers had and that can apply here.

The classes and their numbers are those of Argo CD, Flux and Atlantis; each row is an input of that class
and what must be seen of it. What the rows share is checked for all of them: the rest of the tree is still
read, within a bound, and whatever is shown is printable and holds no secret.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.source import fetching
from reconciler.source import git as git_module
from reconciler.source import trees as trees_module
from reconciler.source.git import MAX_BLOB, GitSource, Snapshot
from reconciler.source.readings import Readings
from reconciler.source.signed import MAX_OBJECT
from reconciler.source.verification import Verification
from reconciler.source.webhooks.delivery import Delivery, Secret
from reconciler.source.webhooks.limits import EACH, Limiter, Seen
from reconciler.source.webhooks.payloads import parse
from reconciler.source.webhooks.signatures import verify
from schemas.errors import InputError, MoorageError
from tests.reconciler.repositories import LINK, SUBMODULE, Content, Repository, bomb, git, model
from tests.webhooks.deliveries import EVERYBODY, NOW, SECRET, bitbucket, generic, gitea, github, gitlab, gogs

GOOD = {"good.yaml": model("good")}
COMMIT = "1" * 40


@dataclass(frozen=True)
class Row:
    """``files`` beside a good one; ``refused`` are the problems by path, ``read`` the manifests."""

    advisory: str
    files: dict[str | bytes, Content]
    refused: dict[str, str]
    read: tuple[str, ...] = ("good.yaml",)


TREES = {
    "a link to a file outside": Row(
        "CVE-2022-24348, CVE-2022-24904, CVE-2022-24877, CVE-2022-36035",
        {"passwd.yaml": (LINK, "/etc/passwd"), "up.yaml": (LINK, "../../../../etc/passwd")},
        {"passwd.yaml": "SymlinkRefused", "up.yaml": "SymlinkRefused"},
    ),
    "a chain of links that each stay inside": Row(
        "CVE-2022-24731, CVE-2022-31036, CVE-2026-47680",
        {"a": (LINK, "b"), "b": (LINK, "c/.."), "c": (LINK, ".."), "d.yaml": (LINK, "a/../secret.yaml")},
        {"a": "SymlinkRefused", "b": "SymlinkRefused", "c": "SymlinkRefused", "d.yaml": "SymlinkRefused"},
    ),
    "a link to itself": Row(
        "CVE-2022-24731 (links out of bounds)",
        {"loop.yaml": (LINK, "loop.yaml")},
        {"loop.yaml": "SymlinkRefused"},
    ),
    "a link whose target is no text": Row(
        "CVE-2022-24730", {"x.yaml": (LINK, b"\xff\0\n/etc/passwd")}, {"x.yaml": "SymlinkRefused"}
    ),
    "a submodule, with a file that names a remote": Row(
        "CVE-2022-24730 (files of another repository); CVE-2018-17456 (options in its address)",
        {
            "sub.yaml": (SUBMODULE, COMMIT),
            ".gitmodules": '[submodule "sub.yaml"]\n\tpath = sub.yaml\n\turl = -u./payload\n',
        },
        {"sub.yaml": "SubmoduleRefused"},
    ),
    "names that climb": Row(
        "CVE-2022-24348 (path traversal)",
        {b"..\\..\\etc\\passwd.yaml": model("climber"), b"C:evil.yaml": model("drive")},
        {},
        ("..\\\\..\\\\etc\\\\passwd.yaml", "C:evil.yaml", "good.yaml"),
    ),
    "Git's own folder in another case": Row(
        "CVE-2014-9390 (checkout runs hooks)",
        {".GIT/hooks/post-checkout": "#!/bin/sh\nrm -rf /\n", ".Git/x.yaml": model("x")},
        {},
        (".Git/x.yaml", "good.yaml"),
    ),
    "a manifest that is too large": Row(
        "CVE-2022-31016, CVE-2023-40584 (memory)",
        {"big.yaml": b"#" * (MAX_BLOB + 1)},
        {"big.yaml": "FileTooLarge"},
    ),
    "names that are no text, or draw on a terminal or a page": Row(
        "CVE-2022-31102, CVE-2024-28175, CVE-2025-47933 (XSS by what is shown)",
        {b"\xff\xfe.yaml": model("a"), b"\x1b[2J.yaml": model("b"), "\u202egnp.yaml".encode(): model("c")},
        {},
        ("\\u202egnp.yaml", "\\x1b[2J.yaml", "\\xff\\xfe.yaml", "good.yaml"),
    ),
    "attributes and filters": Row(
        "CVE-2022-23521, CVE-2024-32002 (code that a checkout runs)",
        {".gitattributes": "*.yaml filter=evil\n" * 1000, ".lfsconfig": "[lfs]\n\turl = https://evil\n"},
        {},
    ),
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


def source(repository: Repository, path: str = "") -> GitSource:
    return GitSource(str(repository.folder), "main", path, Path("/nonexistent"))


@pytest.mark.parametrize("name", TREES)
def test_a_hostile_tree_is_refused_in_part_and_read_for_the_rest(repository: Repository, name: str) -> None:
    """Each entry that leads elsewhere is a problem with its place; the good manifest is still there."""
    row = TREES[name]
    repository.commit({**GOOD, **row.files})
    reader = source(repository)
    seen = reader.snapshot()
    assert {problem.file: problem.code for problem in seen.refused} == row.refused
    assert tuple(seen.entries) == tuple(sorted(row.read))
    desired = Readings("a", "default").desired(seen, reader.blob)
    assert "good" in {resource.key.name for resource in desired.resources}
    assert all(text.isprintable() for text in shown(seen))


def read_all(reader: GitSource) -> None:
    """Fetch, and read every manifest."""
    reader.fetch()
    for entry in reader.snapshot().entries.values():
        reader.blob(entry.blob)


def shown(seen: Snapshot) -> list[str]:
    return [*seen.entries, *(f"{p.file}{p.message}" for p in seen.refused)]


def _bomb(repository: Repository, width: int, depth: int) -> None:
    tree = bomb(repository.folder, width, depth)
    made = git("commit-tree", "-m", "bomb", tree, at=repository.folder)
    git("update-ref", "refs/heads/main", made, at=repository.folder)


def _raw_tree(repository: Repository, entries: bytes) -> None:
    """A commit of a tree that is written byte by byte."""
    tree = git(
        "hash-object", "-t", "tree", "-w", "--stdin", "--literally", at=repository.folder, give=entries
    )
    made = git("commit-tree", "-m", "raw", tree, at=repository.folder)
    git("update-ref", "refs/heads/main", made, at=repository.folder)


def _false_size(repository: Repository) -> None:
    """An object that says it is small, and is not."""
    blob = git("hash-object", "-w", "--stdin", at=repository.folder, give=b"x")
    _raw_tree(repository, b"100644 a.yaml\0" + bytes.fromhex(blob))
    place = repository.folder / "objects" / blob[:2] / blob[2:]
    place.unlink()
    place.write_bytes(zlib.compress(b"blob 1\0" + b"x" * (8 << 20)))


def _deep(repository: Repository) -> None:
    repository.commit({"/".join("d" * 150) + "/a.yaml": "1"})


BROKEN: dict[str, tuple[str, Callable[[Repository], None], set[str]]] = {
    "a billion files": ("CVE-2022-31016 (a bomb of trees)", lambda r: _bomb(r, 32, 6), {"TooManyFiles"}),
    "very deep folders": (
        "CVE-2022-31016 (denial of service by content: recursion)",
        _deep,
        {"TreeTooDeep"},
    ),
    "an object that is larger than it says": ("CVE-2022-31016", _false_size, {"RepositoryUnreadable"}),
    "a tree whose object is no tree": (
        "damaged objects",
        lambda r: _raw_tree(r, b"40000 d\0" + bytes(20)),
        {"RepositoryUnreadable"},
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_source_that_cannot_be_read_is_an_error_and_no_empty_one(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An error of ours with a reason: what was read last stays, nothing is deleted."""
    monkeypatch.setattr(trees_module, "MAX_ENTRIES", 10_000)
    _, make, reasons = BROKEN[name]
    make(repository)
    with pytest.raises(MoorageError) as caught:
        read_all(source(repository))
    assert caught.value.reason in reasons


@pytest.mark.parametrize(
    "entries", [b"100644 a.yaml\0" + bytes(10), b"nonsense", b"40000 \0" + bytes(20), b"100644 a\0.yaml\0"]
)
def test_a_tree_that_is_cut_off_is_never_read_beyond_its_end(repository: Repository, entries: bytes) -> None:
    """What is no entry is none, or the tree is an error of ours."""
    _raw_tree(repository, entries)
    try:
        assert dict(source(repository).snapshot().entries) == {}
    except MoorageError as error:
        assert error.reason == "RepositoryUnreadable"  # noqa: PT017 (both ends are safe; this one by its reason)


@pytest.mark.parametrize(
    "path", ["../..", "/etc", "a/../..", "good.yaml", "link", "link/..", ".git", "\0", "a\nb"]
)
def test_a_path_that_leads_elsewhere_is_no_folder(repository: Repository, path: str) -> None:
    """CVE-2022-24348, CVE-2023-40026: the configured path is looked up in the tree, never on the disk."""
    repository.commit({**GOOD, "link": (LINK, "/etc")})
    with pytest.raises(InputError) as caught:
        source(repository, path).snapshot()
    assert caught.value.reason == "PathNotFound"


def test_too_many_manifests_are_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2022-31016: the count is bounded, whatever their size."""
    monkeypatch.setattr(git_module, "MAX_FILES", 10)
    repository.commit({f"{n}.yaml": "1" for n in range(11)})
    with pytest.raises(InputError, match="TooManyFiles"):
        source(repository).snapshot()


@pytest.mark.parametrize(
    "revision",
    [
        "-h",
        "--upload-pack=x",
        "main\n",
        "../../HEAD",
        "refs/heads/../../config",
        "@{-1}",
        ":/x",
        "\0",
        "x" * 100_000,
    ],
)
def test_a_revision_is_a_name_and_no_option(repository: Repository, revision: str) -> None:
    """CVE-2017-1000117 and its like, names that became options: no command line is made of it."""
    repository.commit(GOOD)
    with pytest.raises(InputError) as caught:
        GitSource(str(repository.folder), revision, "", Path("/nonexistent")).snapshot()
    assert caught.value.reason == "RevisionNotFound"
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c touch% /tmp/x", "--upload-pack=x", "fd::17", "ssh://-oProxyCommand=x/r", "javascript:x"],
)
def test_an_address_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """CVE-2017-1000117, CVE-2022-24439: there is no transport that starts a program."""
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    reader = GitSource(address, "main", "", tmp_path / "mirror")
    with pytest.raises(MoorageError):
        read_all(reader)


def test_a_huge_commit_is_not_verified(repository: Repository) -> None:
    """CVE-2022-31016: a message of megabytes is refused before it is taken apart."""
    repository.commit(GOOD, message="x" * (MAX_OBJECT + 1))
    setting = Verification("head", keys=(Path("/nonexistent"),))
    reader = GitSource(str(repository.folder), "main", "", Path("/nonexistent"), verification=setting)
    with pytest.raises(InputError, match="UnverifiedRevision"):
        reader.snapshot()


# Webhooks


BODY = json.dumps({"repository": "https://git.example.org/team/r", "ref": "refs/heads/main"}).encode()
SIGNERS = (bitbucket, generic, gitea, github, gitlab, gogs)


@pytest.mark.parametrize("sign", SIGNERS)
@pytest.mark.parametrize("guess", [b"", b" ", SECRET[:-1], SECRET + b"x", SECRET.upper()])
def test_a_forged_delivery_is_refused(sign: Callable[..., dict[str, str]], guess: bytes) -> None:
    """Unauthenticated refreshes; CVE-2022-24912: comparisons tell nothing of how near a guess was."""
    with pytest.raises(InputError, match="SignatureInvalid"):
        verify(sign(BODY, secret=guess), BODY, [EVERYBODY], NOW)


@pytest.mark.parametrize("sign", SIGNERS)
def test_no_secret_is_not_an_open_door(sign: Callable[..., dict[str, str]]) -> None:
    """An application without a secret is hinted at by nobody, also not with an empty signature."""
    with pytest.raises(InputError, match="SignatureInvalid"):
        verify(sign(BODY, secret=b""), BODY, [], NOW)


def test_the_secret_of_one_application_is_none_of_another() -> None:
    """CVE-2025-55190 (one project's token reaches others): a delivery counts for whose secret signed it."""
    mine = Secret(SECRET, frozenset({"mine"}))
    theirs = Secret(b"another one of theirs", frozenset({"theirs"}))
    assert verify(github(BODY), BODY, [mine, theirs], NOW).applications == {"mine"}


def test_a_replayed_delivery_is_refused() -> None:
    """Within its time it is remembered, after it it is too old."""
    seen, delivery = Seen(), verify(generic(BODY), BODY, [EVERYBODY], NOW)
    seen.admit(delivery.signature, delivery.expires, NOW)
    with pytest.raises(InputError, match="DeliveryRepeated"):
        seen.admit(delivery.signature, delivery.expires, delivery.expires)
    with pytest.raises(InputError, match="DeliveryExpired"):
        verify(generic(BODY), BODY, [EVERYBODY], delivery.expires + 1)


def test_a_flood_is_bounded_by_its_sender() -> None:
    """CVE-2024-40634 (memory by bodies): what is not taken is not read either."""
    limiter = Limiter()
    assert sum(limiter.wait("192.0.2.1", NOW) == 0 for _ in range(10_000)) == EACH.burst


PANICS = {
    "CVE-2025-59531 (Bitbucket Server, links of another type)": ("bitbucket", "repo:refs_changed", {"repository": {"links": {"clone": "x"}}}),
    "CVE-2025-59531 (no links)": ("bitbucket", "repo:refs_changed", {"repository": {"links": {"clone": [None, 1, {}]}}}),
    "CVE-2025-59537 (Gogs, no repository)": ("gitea", "push", {"ref": 1, "repository": None}),
    "CVE-2025-59538 (no updates)": ("bitbucket", "repo:push", {"push": {"changes": [{"new": None, "old": 7}]}}),
    "a GitLab push of nothing": ("gitlab", "Push Hook", {"project": []}),
    "a GitHub push of nothing": ("github", "push", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", PANICS)
def test_a_payload_of_the_wrong_shape_is_refused(name: str) -> None:
    """Webhooks that ended the process, before anybody had to prove who they are."""
    provider, event, payload = PANICS[name]
    with pytest.raises(InputError, match="InvalidPayload"):
        parse(Delivery(provider, event, json.dumps(payload).encode(), frozenset()))

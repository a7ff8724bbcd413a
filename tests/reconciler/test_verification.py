"""Whose revisions are believed. The signed objects were made by git with ssh-keygen and gpg."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.git import GitSource
from reconciler.source.signed import MAX_OBJECT, Signed, signed_commit, signed_tag
from reconciler.source.sshsig import allowed_signers, ssh_signer
from reconciler.source.verification import Mode, Verification
from reconciler.source.verifier import Candidate, verify_revision
from schemas.errors import InputError
from tests.reconciler.repositories import Repository, git

HERE = Path(__file__).parent / "signatures"
SIGNERS, ADA, EVE = HERE / "allowed_signers", HERE / "ada.asc", HERE / "eve.asc"
SSH = ("ed25519", "ecdsa", "rsa")
WHO = {**{kind: f"{kind}@example.org" for kind in SSH}, "ada": "Ada <ada@example.org>"}
MADE_AT = 1_700_000_000


def stored(name: str) -> bytes:
    return (HERE / name).read_bytes()


def believed(mode: Mode, commit: bytes, *tags: bytes, name: str = "v1", signers=SIGNERS, keys=(ADA,)) -> str:
    return verify_revision(Verification(mode, signers, keys), Candidate(commit, tags, name))


def doubt(mode: Mode, commit: bytes, *tags: bytes, **more) -> str:
    """Why it is not believed."""
    with pytest.raises(InputError) as caught:
        believed(mode, commit, *tags, **more)
    assert caught.value.reason == "UnverifiedRevision"
    return caught.value.message


# What git signs


@pytest.mark.parametrize("by", WHO)
def test_a_commit_that_an_allowed_key_signed_is_believed(by: str) -> None:
    """Each kind of key, told by the name it is allowed under."""
    assert believed("head", stored(f"commit_{by}")) == WHO[by]


@pytest.mark.parametrize("by", WHO)
def test_a_tag_that_an_allowed_key_signed_is_believed(by: str) -> None:
    """Whoever made the commit."""
    assert believed("tag", stored("commit_eve"), stored(f"tag_{by}")) == WHO[by]


@pytest.mark.parametrize("by", ["eve", "ed25519", "ada"])
def test_another_key_is_not_believed_and_named(by: str, tmp_path: Path) -> None:
    """The message says whose it is, for whoever wants to allow it."""
    (tmp_path / "none").write_text("# nobody\n")
    why = doubt(
        "head", stored(f"commit_{by}"), signers=tmp_path / "none", keys=(ADA,) if by == "eve" else (EVE,)
    )
    assert ("SHA256:" in why) if by == "ed25519" else ("OpenPGP key" in why)


@pytest.mark.parametrize("by", ["ed25519", "ada"])
def test_without_keys_of_its_kind_no_signature_is_believed(by: str) -> None:
    """An application may allow ssh keys alone, or OpenPGP keys alone."""
    doubt("head", stored(f"commit_{by}"), signers=None, keys=())


@pytest.mark.parametrize("by", WHO)
@pytest.mark.parametrize(
    "change", [(b"Signed by", b"Signed  by"), (b"tree ", b"tree 0"), (b"Ada <", b"Eve <")]
)
def test_a_changed_commit_is_not_believed(by: str, change: tuple[bytes, bytes]) -> None:
    """Message, tree, author: the signature is of all of it."""
    doubt("head", stored(f"commit_{by}").replace(*change, 1))


@pytest.mark.parametrize("by", WHO)
def test_a_tag_moved_to_another_commit_is_not_believed(by: str) -> None:
    """Nor one with another message."""
    doubt("tag", b"", stored(f"tag_{by}").replace(b"object ", b"object 0", 1))
    doubt("tag", b"", stored(f"tag_{by}").replace(b"Tag by", b"Tagged by", 1))


def test_a_signature_of_another_commit_is_not_believed() -> None:
    """It is cut out of one and pasted into another."""
    one, other = stored("commit_ed25519"), stored("commit_ecdsa")
    signature = one[one.index(b"gpgsig") : one.index(b"\n\n")]
    pasted = other[: other.index(b"gpgsig")] + signature + other[other.index(b"\n\n") :]
    doubt("head", pasted)


def test_a_commit_with_two_signatures_is_not_believed() -> None:
    """Which one counts would be anybody's choice."""
    raw = stored("commit_ed25519")
    signature = raw[raw.index(b"gpgsig") : raw.index(b"\n\n") + 1]
    doubt("head", raw.replace(signature, signature * 2))


def test_a_signature_in_the_message_is_none() -> None:
    """Headers end where the message begins."""
    raw = stored("commit_ed25519")
    start, end = raw.index(b"gpgsig"), raw.index(b"\n\n") + 1
    assert "not signed" in doubt("head", raw[:start].rstrip(b"\n") + b"\n\n" + raw[start:end] + raw[end:])


@pytest.mark.parametrize("raw", [b"", b"tree 1\n\nmessage", b"x" * (MAX_OBJECT + 1)])
def test_what_is_not_signed_is_not_believed(raw: bytes) -> None:
    """Nor what is too long to be looked at."""
    doubt("head", raw)
    doubt("tag", raw, raw)


def test_a_branch_is_no_tag() -> None:
    """Mode tag wants a signed tag, also where the commit is signed."""
    assert "no annotated tag" in doubt("tag", stored("commit_ed25519"))


def test_an_old_tag_under_a_new_name_is_not_believed() -> None:
    """Whoever may push must not make v2 of the signed v1."""
    assert "'v1'" in doubt("tag", b"", stored("tag_ed25519"), name="v2")


def test_any_allowed_tag_vouches_for_a_commit_that_is_named_by_its_id() -> None:
    """So that what was synced by its tag can be pinned by its id."""
    assert believed("tag", b"", stored("tag_eve"), stored("tag_ada"), name="") == WHO["ada"]


# Whose keys


def signer_of(text: str, at: int = MADE_AT) -> str:
    signed = signed_commit(stored("commit_ed25519"))
    return ssh_signer(Signed(signed.payload, signed.signature, at), allowed_signers(text))


KEY = " ".join(next(line for line in SIGNERS.read_text().splitlines() if "ssh-ed25519" in line).split()[1:])


@pytest.mark.parametrize(
    "line",
    [
        f"ada@example.org {KEY}",
        f"  ada@example.org\t{KEY} a comment",
        f'ada@example.org namespaces="git,file" {KEY}',
        f'ada@example.org valid-after="20231114",valid-before="20231115Z" {KEY}',
        f'ada@example.org Valid-After="202311142213" {KEY}',
    ],
)
def test_a_line_allows_its_key(line: str) -> None:
    """As ssh-keygen reads it."""
    assert signer_of(f"# somebody\n\n{line}\n") == "ada@example.org"


@pytest.mark.parametrize("option", ['valid-before="20231114"', 'valid-after="20231115Z"'])
def test_a_key_counts_only_in_its_time(option: str) -> None:
    """The time that the commit names, as Git does it."""
    with pytest.raises(InputError, match="not allowed at the time"):
        signer_of(f"ada@example.org {option} {KEY}\n")


def test_a_key_for_other_things_may_not_sign_commits() -> None:
    """Its namespaces leave Git out."""
    with pytest.raises(InputError, match="which is not allowed"):
        signer_of(f'ada@example.org namespaces="file" {KEY}\n')


@pytest.mark.parametrize(
    "line",
    [
        KEY,
        "ada@example.org",
        "ada@example.org ssh-ed25519 AAAA",
        "ada@example.org ssh-ed25519 !!!!",
        f"ada@example.org cert-authority {KEY}",
        f'ada@example.org valid-before="tomorrow" {KEY}',
        f"ada@example.org unheard-of {KEY}",
        f"ada@example.org ssh-rsa {KEY.split()[1]}",
        "a " + "a-" * 50_000 + "!",
        'a namespaces="' + "x" * 50_000,
    ],
)
def test_a_line_that_is_not_understood_is_named(line: str) -> None:
    """It may be a restriction; leaving it out would allow too much or too little."""
    with pytest.raises(InputError) as caught:
        allowed_signers(f"# first\n{line}\n")
    assert (caught.value.reason, "line 2" in caught.value.message) == ("AllowedSignersInvalid", True)


@pytest.mark.parametrize(
    "setting",
    [{"signers": Path("/nonexistent/x")}, {"keys": (Path("/nonexistent/x"),)}, {"keys": (SIGNERS,)}],
)
def test_keys_that_cannot_be_read_are_an_error(setting) -> None:
    """Not the same as nobody's; the file is named."""
    commit = stored("commit_ed25519" if "signers" in setting else "commit_ada")
    with pytest.raises(InputError) as caught:
        believed("head", commit, **setting)
    assert caught.value.reason == "VerificationKeyUnreadable"


# Anything else


@given(st.sampled_from(sorted(WHO)), st.data())
def test_whatever_is_changed_nothing_else_is_believed(by: str, data) -> None:
    """One byte anywhere: it is refused, or what was signed is still the same."""
    raw = bytearray(stored(f"commit_{by}"))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        believed("head", bytes(raw))
    except InputError as error:
        assert error.reason == "UnverifiedRevision"  # noqa: PT017 (both ends are right; this one by its reason)
    else:
        assert signed_commit(bytes(raw)).payload == signed_commit(stored(f"commit_{by}")).payload


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"-----BEGIN SSH SIGNATURE-----\n", b"-----BEGIN PGP SIGNATURE-----\n\n"]),
)
def test_any_bytes_are_refused_by_an_error_of_ours(data: bytes, armor: bytes) -> None:
    """As a signature, as a commit, as a tag."""
    header = b"gpgsig " + (armor + data).replace(b"\n", b"\n ")
    doubt("head", b"tree 1\n" + header + b"\n\nmessage")
    doubt("head", data)
    doubt("tag", b"", b"tag v1\n\n" + armor + data)


@given(st.text(max_size=200))
def test_any_text_is_a_list_of_signers_or_an_error_of_ours(text: str) -> None:
    """Nothing else is raised."""
    try:
        allowed_signers(text)
    except InputError as error:
        assert error.reason == "AllowedSignersInvalid"  # noqa: PT017 (as above)


@given(st.binary(max_size=300))
def test_a_tag_is_split_at_its_last_signature(message: bytes) -> None:
    """As Git does it: a message may quote one."""
    raw = b"tag v1\n\n" + message + b"\n-----BEGIN SSH SIGNATURE-----\nlast\n-----END SSH SIGNATURE-----\n"
    assert signed_tag(raw).signature.startswith(b"-----BEGIN SSH SIGNATURE-----\nlast")


# In a repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


def put(repository: Repository, kind: str, name: str, ref: str) -> str:
    """Make ``ref`` the stored object."""
    repository.commit({"a.yaml": "1"}, branch="ground")  # the tree that the stored commits are of
    made = git("hash-object", "-t", kind, "-w", "--stdin", at=repository.folder, give=stored(name))
    git("update-ref", ref, made, at=repository.folder)
    return made


def source(repository: Repository, revision: str, mode: Mode) -> GitSource:
    setting = Verification(mode, SIGNERS, (ADA,))
    return GitSource(str(repository.folder), revision, "", Path("/nonexistent"), verification=setting)


def test_a_signed_head_is_read_and_an_unsigned_one_after_it_is_not(repository: Repository) -> None:
    """What was read before is the caller's to keep; the error names the commit."""
    head = put(repository, "commit", "commit_ed25519", "refs/heads/main")
    reader = source(repository, "main", "head")
    before = reader.snapshot()
    assert (before.revision, list(before.entries)) == (head, ["a.yaml"])
    after = repository.commit({"a.yaml": "2"})
    with pytest.raises(InputError) as caught:
        reader.snapshot(before)
    assert (caught.value.reason, after[:7] in caught.value.message) == ("UnverifiedRevision", True)
    git("update-ref", "refs/heads/main", head, at=repository.folder)
    assert reader.snapshot(before) is before


def test_another_revision_that_somebody_asks_for_is_verified_too(repository: Repository) -> None:
    """There is no way around it: neither a pin nor a sync by hand."""
    put(repository, "commit", "commit_ed25519", "refs/heads/main")
    reader = source(repository, "main", "head")
    before = reader.snapshot()
    for name in ("ground", git("rev-parse", "ground", at=repository.folder)):
        with pytest.raises(InputError, match="UnverifiedRevision"):
            reader.snapshot(before, name)


def test_a_signed_tag_is_read_by_its_name_and_by_its_commit(repository: Repository) -> None:
    """A branch of the same commit is not, nor the tag's object under another name."""
    head = put(repository, "commit", "commit_ed25519", "refs/heads/main")
    tag = put(repository, "tag", "tag_ed25519", "refs/tags/v1")
    git("update-ref", "refs/tags/v2", tag, at=repository.folder)
    for name in ("v1", "refs/tags/v1", head, head[:12]):
        assert source(repository, name, "tag").snapshot().revision == head
    for name in ("main", "v2", "HEAD"):
        with pytest.raises(InputError, match="UnverifiedRevision"):
            source(repository, name, "tag").snapshot()


def test_git_itself_agrees(repository: Repository) -> None:
    """What is believed here is what git verify-commit believes, where ssh-keygen is at hand."""
    head = put(repository, "commit", "commit_rsa", "refs/heads/main")
    found = source(repository, "main", "head").snapshot()
    assert found.revision == head
    git("config", "gpg.ssh.allowedSignersFile", str(SIGNERS), at=repository.folder)
    try:
        git("verify-commit", head, at=repository.folder)
    except subprocess.CalledProcessError as error:
        assert b"ssh-keygen" in error.stderr  # noqa: PT017 (a machine without ssh cannot say)

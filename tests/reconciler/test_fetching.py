"""Fetching: who we say we are, to whom, and how much is taken."""

from pathlib import Path

import pytest
import stamina

from reconciler.source import fetching
from reconciler.source.credentials import AGENT, TOKEN_USER, Credentials, CredentialsFor, credentials_for
from reconciler.source.git import GitSource
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError
from tests.reconciler.remotes import PASSWORD, USER, curious, daemon, redirect, web
from tests.reconciler.repositories import Repository, git

MEANT = PASSWORD.replace("%2F", "/")


@pytest.fixture
def served(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "served" / "r.git")


def password(folder: Path, text: str = MEANT, user: str | None = USER) -> Credentials:
    (folder / "password").write_text(f"{text}\n")
    return Credentials(user, SecretFrom(file=folder / "password"))


def mirrored(
    address: str, folder: Path, credentials: Credentials = AGENT, revision: str = "main"
) -> GitSource:
    return GitSource(address, revision, "", folder, credentials)


# Who gets which credentials


COMMON = [
    CredentialsFor("https://git.example.org/", Credentials("host")),
    CredentialsFor("https://git.example.org/team", Credentials("team")),
    CredentialsFor("git@git.example.org:team", Credentials("ssh")),
]


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("https://git.example.org/team/r.git", "team"),
        ("https://git.example.org:443/team/r.git", "team"),
        ("https://GIT.example.org/team", "team"),
        ("https://git.example.org/teammates/r.git", "host"),
        ("https://git.example.org/other/../team/r.git", None),
        ("https://git.example.org/%2e%2e/team/r.git", None),
        ("https://git.example.org.evil.org/team/r.git", None),
        ("https://git.example.org@evil.org/team/r.git", None),
        ("https://git.example.org:8443/team/r.git", None),
        ("http://git.example.org/team/r.git", None),
        ("ssh://git@git.example.org/team/r.git", "ssh"),
        ("ada@git.example.org:team/r.git", "ssh"),
        ("git@git.example.org:other/r.git", None),
        ("/srv/r.git", None),
        ("https://git.example.org:port/team/r.git", None),
    ],
)
def test_credentials_go_to_what_lies_below_their_address(address: str, user: str | None) -> None:
    """The longest address wins; another scheme, host or port is another place, whatever it looks like."""
    assert credentials_for(address, AGENT, COMMON).username == user


def test_own_credentials_come_first() -> None:
    """Nothing is mixed: an application has all of its own, or all of somebody's."""
    own = Credentials("mine")
    assert credentials_for("https://git.example.org/team/r.git", own, COMMON) == own


# https


@pytest.mark.real
def test_a_password_from_a_file_opens_a_private_repository(served, tmp_path):
    """Read when the server asks; the address holds nothing."""
    head = served.commit({"a.yaml": "1"})
    with web(tmp_path / "served") as host:
        reader = mirrored(f"http://{host}/r.git", tmp_path / "mirror", password(tmp_path))
        reader.fetch()
    assert reader.snapshot().revision == head


@pytest.mark.real
def test_a_rotated_password_is_used_at_the_next_fetch(served, tmp_path):
    """Nobody restarts anything."""
    served.commit({"a.yaml": "1"})
    with web(tmp_path / "served") as host:
        reader = mirrored(f"http://{host}/r.git", tmp_path / "mirror", password(tmp_path, "old"))
        with pytest.raises(InputError, match="FetchDenied"):
            reader.fetch()
        password(tmp_path)
        reader.fetch()


@pytest.mark.real
@pytest.mark.parametrize("credentials", ["wrong", "none", "unreadable"])
def test_who_is_not_known_is_refused_once(served, tmp_path, credentials):
    """An account that is tried again and again gets locked; and nothing that is secret is told."""
    served.commit({"a.yaml": "1"})
    mine = {
        "wrong": password(tmp_path, "wrong-s3cret"),
        "none": AGENT,
        "unreadable": Credentials(USER, SecretFrom(file=tmp_path / "gone")),
    }[credentials]
    with web(tmp_path / "served") as host, pytest.raises(InputError) as error:
        mirrored(f"http://{host}/r.git", tmp_path / "mirror", mine).fetch()
    assert error.value.reason == ("CredentialUnreadable" if credentials == "unreadable" else "FetchDenied")
    assert "s3cret" not in str(error.value)


@pytest.mark.real
@pytest.mark.parametrize("by_address", [True, False])
def test_a_redirect_to_another_host_carries_no_credentials(tmp_path, by_address):
    """Neither those of the configuration nor those of the address, even where the other host asks."""
    with curious() as (host, shown), redirect(f"http://localhost:{host.partition(':')[2]}") as first:
        there, mine = (f"{USER}:{PASSWORD}@{first}", AGENT) if by_address else (first, password(tmp_path))
        with pytest.raises(InputError) as error:
            mirrored(f"http://{there}/r.git", tmp_path / "mirror", mine).fetch()
    assert (error.value.reason, "elsewhere" in error.value.message) == ("FetchDenied", True)
    assert shown == [None]


@pytest.mark.parametrize(
    "url",
    [
        "http://h/r",
        "https://h:8443/r",
        "https://h.evil/r",
        "https://h@evil/r",
        "https://evil/x@h/r",
        "https://h:x/r",
    ],
)
def test_another_place_is_told_nothing(tmp_path, url):
    """Another scheme, port or host, and whatever cannot be taken apart."""
    dealings = fetching.Dealings("https://h/r", password(tmp_path))
    with pytest.raises(InputError, match="FetchDenied"):
        dealings.credentials(url, None, fetching.CredentialType.USERPASS_PLAINTEXT)


def test_a_token_needs_no_user_name(tmp_path):
    """Hosts that take a token as password do not look at the name, but want one."""
    dealings = fetching.Dealings("https://h/r", password(tmp_path, "token", user=None))
    answer = dealings.credentials("https://h/r", None, fetching.CredentialType.USERPASS_PLAINTEXT)
    assert answer.credential_tuple == (TOKEN_USER, "token")


# How much


@pytest.mark.real
def test_history_is_left_out_until_somebody_asks_for_it(served, tmp_path):
    """The first fetch takes tips, later ones what is new; an old commit is still found when it is named."""
    old = served.commit({"a.yaml": "0"})
    for n in range(1, 20):
        served.commit({"a.yaml": str(n)})
    with daemon(tmp_path / "served") as url:
        reader = mirrored(f"{url}/r.git", tmp_path / "mirror")
        reader.fetch()
        before = reader.snapshot()
        assert old not in git("rev-list", "--all", at=tmp_path / "mirror")
        new = served.commit({"a.yaml": "new", "b.yaml": "1"})
        reader.fetch()
        after = reader.snapshot(before)
        assert (after.revision, list(after.entries)) == (new, ["a.yaml", "b.yaml"])
        assert reader.snapshot(None, old).revision == old
        assert old in git("rev-list", "--all", at=tmp_path / "mirror")


@pytest.mark.real
def test_a_commit_that_nobody_has_is_not_found(served, tmp_path):
    """Also after all of history was looked through."""
    served.commit({"a.yaml": "1"})
    served.commit({"a.yaml": "2"})
    with daemon(tmp_path / "served") as url:
        reader = mirrored(f"{url}/r.git", tmp_path / "mirror", revision="1" * 40)
        reader.fetch()
        with pytest.raises(InputError, match="RevisionNotFound"):
            reader.snapshot()


@pytest.mark.real
@pytest.mark.parametrize("bound", ["MAX_BYTES", "MAX_OBJECTS"])
def test_more_than_is_taken_is_refused_while_it_comes(served, tmp_path, monkeypatch, bound):
    """And what was read before stays readable."""
    served.commit({"a.yaml": "1"})
    with daemon(tmp_path / "served") as url:
        reader = mirrored(f"{url}/r.git", tmp_path / "mirror")
        reader.fetch()
        before = reader.snapshot()
        served.commit({f"{n}.yaml": str(n) * 1000 for n in range(50)})
        monkeypatch.setattr(fetching, bound, 10)
        with pytest.raises(InputError, match="FetchTooLarge"):
            reader.fetch()
        assert reader.snapshot(before) is before


@pytest.mark.real
def test_a_branch_that_vanished_leaves_what_was_read(served, tmp_path):
    """The source cannot be read, which is not the same as an empty one."""
    served.commit({"a.yaml": "1"})
    served.commit({"a.yaml": "1"}, branch="other")
    with daemon(tmp_path / "served") as url:
        reader = mirrored(f"{url}/r.git", tmp_path / "mirror")
        reader.fetch()
        before = reader.snapshot()
        git("update-ref", "-d", "refs/heads/main", at=served.folder)
        reader.fetch()
        with pytest.raises(InputError, match="RevisionNotFound"):
            reader.snapshot(before)
        again = served.commit({"a.yaml": "2"})
        reader.fetch()
        assert reader.snapshot(before).revision == again


def test_a_network_error_is_tried_again(tmp_path, monkeypatch):
    """A few times, with pauses; then the next poll is soon enough."""
    attempts: list[str] = []
    monkeypatch.setattr(fetching, "RETRY_SECONDS", 60.0)
    stamina.instrumentation.set_on_retry_hooks([lambda details: attempts.append(details.name)])
    try:
        with pytest.raises(TransientError, match="FetchFailed"):
            mirrored("https://127.0.0.1:1/r.git", tmp_path / "mirror").fetch()
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert len(attempts) == fetching.ATTEMPTS - 1

"""Fetching over ssh, from a real server: keys of ours, and keys of hosts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pygit2
import pytest

from reconciler.source import fetching
from reconciler.source.credentials import Credentials
from reconciler.source.fetching import know_hosts
from reconciler.source.git import GitSource
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, MoorageError
from tests.reconciler.repositories import Repository
from tests.reconciler.ssh_remote import SshRemote, ssh

pytestmark = [
    pytest.mark.real,
    # The server's library forgets a coroutine where a client leaves during the exchange of keys.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """libgit2 has one home folder for the whole process. Nothing here is worth a second attempt."""
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    before = pygit2.settings.homedir
    yield
    pygit2.settings.homedir = before


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "served" / "r.git")
    made.commit({"a.yaml": "1"})
    return made


def reader(remote: SshRemote, folder: Path, credentials: Credentials) -> GitSource:
    know_hosts(remote.known_hosts, folder / "home")
    return GitSource(f"{remote.url}/r.git", "main", "", folder / "mirror", credentials)


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_key_file_opens_a_repository(repository: Repository, tmp_path: Path, passphrase: str) -> None:
    """With and without a passphrase, of a host that is known."""
    (tmp_path / "passphrase").write_text(passphrase)
    with ssh(tmp_path / "served", tmp_path / "keys", passphrase) as remote:
        secret = SecretFrom(file=tmp_path / "passphrase") if passphrase else None
        found = reader(remote, tmp_path, Credentials(key=remote.key, passphrase=secret))
        found.fetch()
    assert list(found.snapshot().entries) == ["a.yaml"]


@pytest.mark.parametrize("known", ["nothing", "another host", "another key"])
def test_an_unknown_host_is_refused(repository: Repository, tmp_path: Path, known: str) -> None:
    """There is no list, it has somebody else, or another key of this one."""
    with (
        ssh(tmp_path / "served", tmp_path / "keys") as remote,
        ssh(tmp_path / "served", tmp_path / "else") as other,
    ):
        lines, file = other.known_hosts.read_text(), tmp_path / "known"
        if known != "nothing":
            file.write_text(
                lines.replace(str(other.port), str(remote.port)) if known == "another key" else lines
            )
        found = reader(replace(remote, known_hosts=file), tmp_path, Credentials(key=remote.key))
        with pytest.raises(InputError, match="HostKeyUnknown"):
            found.fetch()


def test_a_list_of_hosts_that_cannot_be_read_admits_nobody(repository: Repository, tmp_path: Path) -> None:
    """It is not the same as none."""
    file = tmp_path / "known"
    file.write_text("nonsense\n")
    with ssh(tmp_path / "served", tmp_path / "keys") as remote:
        found = reader(replace(remote, known_hosts=file), tmp_path, Credentials(key=remote.key))
        with pytest.raises(MoorageError):
            found.fetch()


def test_a_key_that_the_server_does_not_know_is_refused(repository: Repository, tmp_path: Path) -> None:
    """Once, and it says so."""
    with (
        ssh(tmp_path / "served", tmp_path / "keys") as remote,
        ssh(tmp_path / "served", tmp_path / "else") as other,
    ):
        found = reader(remote, tmp_path, Credentials(key=other.key))
        with pytest.raises(InputError, match="FetchDenied"):
            found.fetch()


def test_a_wrong_passphrase_is_not_told(repository: Repository, tmp_path: Path) -> None:
    """The error names what cannot be done, never the words."""
    (tmp_path / "passphrase").write_text("s3cret words")
    with ssh(tmp_path / "served", tmp_path / "keys", "open sesame") as remote:
        mine = Credentials(key=remote.key, passphrase=SecretFrom(file=tmp_path / "passphrase"))
        with pytest.raises(MoorageError) as error:
            reader(remote, tmp_path, mine).fetch()
    assert "s3cret" not in str(error.value)

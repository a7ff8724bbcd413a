"""A private repository at a real provider, read by the production source: who may, and what is followed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.git import GitSource, Snapshot
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError
from tests.testbed.team import Team

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

Follow = Callable[..., GitSource]
FILES = {"models/a.yaml": "kind: one"}


@pytest.fixture
def follow(team: Team, tmp_path: Path) -> Follow:
    """Makes the source of an application of the team's, with the token of its owner in a file."""
    token = tmp_path / "token"
    token.write_text(f"{team.owner.token}\n")
    mine = Credentials(password=SecretFrom(file=token))

    def source(revision: str = "main", credentials: Credentials = mine, address: str = "") -> GitSource:
        return GitSource(address or team.remote.address, revision, "", tmp_path / "mirror", credentials)

    return source


def look(source: GitSource, previous: Snapshot | None = None) -> Snapshot:
    """What an application does at each poll."""
    source.fetch()
    return source.snapshot(previous)


# Who may


def test_a_token_opens_it(team: Team, follow: Follow) -> None:
    """A token in a file is all that is needed; its user need not be named."""
    head = team.push(FILES)
    assert look(follow()).revision == head


def test_a_password_opens_it(team: Team, follow: Follow, tmp_path: Path) -> None:
    """Name and password, as basic authentication has them."""
    head = team.push(FILES)
    (tmp_path / "password").write_text(team.owner.password)
    mine = Credentials(team.owner.name, SecretFrom(file=tmp_path / "password"))
    assert look(follow(credentials=mine)).revision == head


@pytest.mark.parametrize("kind", ["token", "password"])
def test_an_address_that_holds_it_all_opens_it(team: Team, follow: Follow, kind: str) -> None:
    """As people write it who have no other place for a secret."""
    head = team.push(FILES)
    address = team.remote.address_with_token if kind == "token" else team.remote.address_with_password
    assert look(follow(credentials=AGENT, address=address)).revision == head


@pytest.mark.parametrize("kind", ["token", "password"])
def test_nothing_of_such_an_address_is_kept(team: Team, follow: Follow, tmp_path: Path, kind: str) -> None:
    """The mirror on disk does not hold what the address holds."""
    team.push(FILES)
    token = kind == "token"
    address = team.remote.address_with_token if token else team.remote.address_with_password
    look(follow(credentials=AGENT, address=address))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "mirror").rglob("*") if path.is_file())
    secret = team.owner.token if token else address.split(":")[2].split("@")[0]
    assert b"refs" in kept
    assert secret.encode() not in kept


def test_nobody_is_refused(team: Team, follow: Follow) -> None:
    """Without credentials a private repository is a matter for whoever configures, not for a retry."""
    team.push(FILES)
    with pytest.raises(InputError, match="FetchDenied"):
        look(follow(credentials=AGENT))


def test_a_wrong_token_is_refused(team: Team, follow: Follow, tmp_path: Path) -> None:
    """The reason is a word, and the token is in no part of it."""
    team.push(FILES)
    wrong = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / "token").write_text(wrong)
    with pytest.raises(InputError) as refused:
        look(follow())
    assert refused.value.reason == "FetchDenied"
    assert wrong not in f"{refused.value} {refused.value.hint} {refused.value!r}"


def test_a_wrong_token_in_the_address_is_refused(team: Team, follow: Follow) -> None:
    """The same reason as for one in a file; the error tells nothing of it."""
    team.push(FILES)
    wrong = "0123456789abcdef0123456789abcdef01234567"
    address = team.remote.address_with_token.replace(team.owner.token, wrong)
    with pytest.raises(InputError) as refused:
        look(follow(credentials=AGENT, address=address))
    assert refused.value.reason == "FetchDenied"
    assert wrong not in f"{refused.value} {refused.value.hint} {refused.value!r}"


def test_a_stranger_is_refused(team: Team, follow: Follow, tmp_path: Path) -> None:
    """Gitea says that there is nothing, as GitHub does: it may be theirs later, so it is tried again."""
    team.push(FILES)
    stranger = team.gitea.create_user("eve")
    (tmp_path / "token").write_text(stranger.token)
    with pytest.raises(TransientError) as refused:
        look(follow())
    assert refused.value.reason == "FetchFailed"
    assert "404" in refused.value.message
    assert stranger.token not in str(refused.value)


def test_a_token_that_begins_to_hold_is_used(team: Team, follow: Follow) -> None:
    """Whoever is let in later is let in at the next poll."""
    head = team.push(FILES)
    source = follow(credentials=AGENT)
    with pytest.raises(InputError):
        look(source)
    team.remote.publish()
    assert look(source).revision == head


# What is followed


def test_a_push_is_seen(team: Team, follow: Follow) -> None:
    """The next look has the new head and what it holds."""
    team.push(FILES)
    source = follow()
    before = look(source)
    head = team.push({**FILES, "models/b.yaml": "kind: two"})
    after = look(source, before)
    assert (after.revision, sorted(after.entries)) == (head, ["models/a.yaml", "models/b.yaml"])


def test_a_commit_by_the_provider_is_seen(team: Team, follow: Follow) -> None:
    """What somebody edits on the provider's page is a commit as any other."""
    team.push(FILES)
    source = follow()
    before = look(source)
    head = team.remote.put_file("models/a.yaml", "kind: other")
    after = look(source, before)
    assert (after.revision, source.blob(after.entries["models/a.yaml"].blob)) == (head, b"kind: other")


def test_a_merged_pull_request_is_seen(team: Team, follow: Follow) -> None:
    """The provider makes a commit of its own."""
    team.push(FILES)
    source = follow()
    before = look(source)
    team.remote.create_branch("change")
    team.remote.put_file("models/b.yaml", "kind: two", branch="change")
    team.remote.merge(team.remote.open_pull_request("change").number, "squash")
    after = look(source, before)
    assert after.revision == team.remote.branches()["main"]
    assert "models/b.yaml" in after.entries


def test_a_forced_push_is_followed(team: Team, follow: Follow) -> None:
    """A branch that shares no commit with what it was is read as what it is."""
    team.push(FILES)
    source = follow()
    before = look(source)
    head = team.push_anew({"models/c.yaml": "kind: three"})
    after = look(source, before)
    assert (after.revision, list(after.entries)) == (head, ["models/c.yaml"])


def test_a_deleted_branch_cannot_be_read(team: Team, follow: Follow) -> None:
    """It is an error that names the branch, never an empty tree."""
    team.push(FILES, "main")
    team.push(FILES, "release")
    source = follow("release")
    look(source)
    team.remote.delete_branch("release")
    with pytest.raises(InputError, match=r"RevisionNotFound.*release"):
        look(source)


def test_a_branch_that_is_made_again_is_followed(team: Team, follow: Follow) -> None:
    """Nothing of the error stays."""
    team.push(FILES, "main")
    team.push(FILES, "release")
    source = follow("release")
    before = look(source)
    team.remote.delete_branch("release")
    with pytest.raises(InputError):
        look(source, before)
    head = team.push({"models/d.yaml": "kind: four"}, "release")
    after = look(source, before)
    assert (after.revision, list(after.entries)) == (head, ["models/d.yaml"])


def test_the_default_branch_is_the_providers(team: Team, follow: Follow) -> None:
    """HEAD is whatever branch the provider says, also when that changes."""
    main = team.push(FILES, "main")
    other = team.push({"models/e.yaml": "kind: five"}, "stable")
    source = follow("HEAD")
    assert look(source).revision == main
    team.remote.set_default_branch("stable")
    assert look(source).revision == other


def test_a_protected_branch_is_read(team: Team, follow: Follow) -> None:
    """Protection is about who writes."""
    head = team.push(FILES)
    team.remote.protect_branch("main")
    assert look(follow()).revision == head


def test_an_empty_repository_has_no_branch(team: Team, follow: Follow) -> None:
    """A repository that nobody pushed to is an error to mend, not a wish for nothing."""
    with pytest.raises(InputError, match="RevisionNotFound"):
        look(follow())


def test_a_provider_that_was_away_is_asked_again(team: Team, follow: Follow) -> None:
    """While it is away the error passes; what was read before stays readable."""
    head = team.push(FILES)
    source = follow()
    before = look(source)
    team.gitea.stop()
    try:
        with pytest.raises(TransientError, match="FetchFailed"):
            look(source, before)
        assert source.snapshot(before).revision == head
    finally:
        team.gitea.start()
    assert look(source, before).revision == head

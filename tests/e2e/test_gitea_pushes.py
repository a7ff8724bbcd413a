"""A controller that follows a private repository at a real provider, told of pushes by the provider's hooks.

Its poll comes after an hour, so what it follows here it was told of.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.manifests import server, tree
from tests.e2e.world import APPLICATION, World
from tests.testbed.gitea import Gitea
from tests.testbed.team import Team

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

SECRET = "what the provider signs with"
HOUR, SECOND = "1h", "1s"


def servers(*names: str) -> dict[str, str]:
    """Files of servers, which are quick to start."""
    return tree(*(server(name) for name in names))


class Followed:
    """A team's repository, and the world that follows it with a token in a file."""

    def __init__(self, team: Team, make: Callable[..., World], folder: Path, interval: str) -> None:
        self.team = team
        self.token = folder / "token"
        self.token.write_text(team.owner.token)
        (folder / "hook").write_text(SECRET)
        self.world = make(
            applications=[
                {
                    "name": APPLICATION,
                    "repository": team.remote.address,
                    "revision": "main",
                    "credentials": {"password": {"file": str(self.token)}},
                    "sync": {"interval": interval},
                }
            ],
            webhookSecrets=[{"file": str(folder / "hook")}],
        )

    def start(self, *names: str) -> None:
        """Push servers of these names and run the controller until they are as wanted."""
        revision = self.push(*names)
        self.world.start()
        self.world.settled(revision)

    def hook(self, secret: str = SECRET) -> int:
        """Have the provider tell the controller; the hook's number."""
        return self.team.remote.create_hook(f"{self.world.url}/api/webhook", secret)

    def push(self, *names: str) -> str:
        return self.team.push(servers(*names))

    def push_anew(self, *names: str) -> str:
        return self.team.push_anew(servers(*names))

    def condition(self) -> str:
        """What keeps the source from being read; empty where nothing does."""
        status = self.world.status()
        return str(status["conditions"]) if status["sync"] == "Unknown" else ""

    def said(self, word: str) -> int:
        """How often the controller's log has that word."""
        return self.world.log.read_text().count(word)

    def running(self) -> list[str]:
        """Names of the servers there are."""
        return sorted(self.world.objects("Server"))


@pytest.fixture(scope="module")
def told(gitea: Gitea, tmp_path_factory: pytest.TempPathFactory, bucket: Path) -> Iterator[Followed]:
    """A running world that is told of pushes. Every test pushes all it needs."""
    folder = tmp_path_factory.mktemp("told")

    def make(**settings: Any) -> World:
        return World(folder / "world", bucket, **settings)

    followed = Followed(Team(gitea, folder), make, folder, HOUR)
    try:
        followed.start("first")
        followed.hook()
        yield followed
    finally:
        followed.world.close()


def test_a_push_is_synced_at_once(told: Followed) -> None:
    """The delivery of a push makes the controller look, and what was pushed runs."""
    revision = told.push("first", "second")
    told.world.settled(revision)
    assert told.running() == ["first", "second"]


def test_a_forced_push_is_synced_at_once(told: Followed) -> None:
    """A branch with another history is followed there."""
    told.world.settled(told.push("first", "second"))
    revision = told.push_anew("first")
    told.world.settled(revision)
    assert told.running() == ["first"]


def test_pushes_in_a_row_end_at_the_last(told: Followed) -> None:
    """However the deliveries come, the last push is what holds."""
    for names in (["first"], ["first", "second"], ["second"], ["first", "third"]):
        revision = told.push(*names)
    told.world.settled(revision)
    assert told.running() == ["first", "third"]


def test_a_merge_at_the_provider_is_synced_at_once(told: Followed) -> None:
    """A pull request that is merged moves the branch as a push does."""
    told.world.settled(told.push("first"))
    remote = told.team.remote
    remote.create_branch("change")
    ((path, text),) = servers("merged").items()
    remote.put_file(path, text, branch="change")
    remote.merge(remote.open_pull_request("change").number)
    merged = remote.branches()["main"]
    remote.delete_branch("change")
    told.world.settled(merged)
    assert told.running() == ["first", "merged"]
    told.push_anew("first")


def test_another_branch_moves_nothing(told: Followed) -> None:
    """A push elsewhere is told as well, and nobody looks because of it."""
    told.world.settled(told.push("first"))
    syncs, others = told.world.syncs(), told.said("NotFollowed")
    told.team.push(servers("elsewhere"), "feature")
    told.world.until("the delivery", lambda: told.said("NotFollowed") > others)
    assert told.world.syncs() == syncs


def test_a_deleted_branch_deletes_nothing(told: Followed) -> None:
    """Sync status is Unknown with the reason, what serves goes on, and a branch made again is followed."""
    told.world.settled(told.push("first"))
    remote = told.team.remote
    told.team.push(servers("first"), "other")
    remote.set_default_branch("other")  # the default branch cannot be deleted
    remote.delete_branch("main")
    told.world.until("the branch to be missed", lambda: "RevisionNotFound" in told.condition())
    assert told.running() == ["first"]
    told.world.settled(told.push("first", "second"))
    assert told.running() == ["first", "second"]


def test_a_token_that_no_longer_holds_deletes_nothing(told: Followed) -> None:
    """Sync status is Unknown with the reason; the next token is read without a restart."""
    told.world.settled(told.push("first"))
    good = told.token.read_text()
    told.token.write_text("0123456789abcdef0123456789abcdef01234567")
    revision = told.push("first", "second")
    told.world.until("the refusal", lambda: "FetchDenied" in told.condition())
    assert told.running() == ["first"]
    told.token.write_text(good)
    told.world.refresh()
    told.world.settled(revision)


def test_a_delivery_with_another_secret_is_refused(told: Followed) -> None:
    """Whoever does not know the secret does not make the controller look."""
    told.world.settled(told.push("first"))
    remote = told.team.remote
    for hook in remote.hooks():
        remote.delete_hook(hook)
    forged = told.hook("another secret of that length")
    before, refused = told.world.status()["revision"], told.said("SignatureInvalid")
    revision = told.push("first", "second")
    told.world.until("the refusal", lambda: told.said("SignatureInvalid") > refused)
    assert told.world.status()["revision"] == before
    remote.delete_hook(forged)
    told.hook()
    told.world.refresh()
    told.world.settled(revision)


def test_nothing_secret_is_told(told: Followed) -> None:
    """Neither the token nor the secret of the hooks is in the log, in what is answered or in any file."""
    told.world.settled(told.push("first"))
    mirror = [
        path for path in told.world.state.rglob("*") if path.is_file() and "environments" not in path.parts
    ]
    kept = [told.world.log.read_bytes(), *(path.read_bytes() for path in mirror)]
    said = b"".join([*kept, f"{told.world.status()}{told.world.plan()}".encode()])
    assert told.team.remote.address.encode() in said
    assert told.token.read_bytes() not in said
    assert SECRET.encode() not in said


def test_a_lost_delivery_is_made_up_by_the_poll(
    team: Team, fresh_world: Callable[..., World], tmp_path: Path
) -> None:
    """Without any hook a push is found at the next poll."""
    followed = Followed(team, fresh_world, tmp_path, SECOND)
    followed.start("first")
    followed.world.settled(followed.push("first", "second"))
    assert followed.running() == ["first", "second"]

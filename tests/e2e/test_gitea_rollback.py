"""A rollback pushed to a real provider: private, protected, and seen as an ordinary push."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.source.credentials import Credentials
from reconciler.source.git import GitSource
from reconciler.source.pushing import Branches, branches
from reconciler.source.restore import Restoration, Restored, branch_to_restore, restore
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError
from tests.testbed.gitea_api import User
from tests.testbed.team import Team

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

OLD = {"models/a.yaml": "kind: one", "readme": "1"}
NEW = {"models/a.yaml": "kind: two", "models/b.yaml": "kind: b", "readme": "2"}


class Place:
    """The team's repository as one of its users sees it; ``source`` is what an application reads."""

    def __init__(self, team: Team, user: User, folder: Path, stack: ExitStack) -> None:
        (folder / user.name).write_text(user.token)
        mine = Credentials(password=SecretFrom(file=folder / user.name))
        mirror = folder / f"mirror-{user.name}"
        self.user = user
        self.source = GitSource(team.remote.address, "main", "models", mirror, mine)
        self.branches: Branches = stack.enter_context(branches(team.remote.address, mine, mirror))

    def content(self, revision: str = "main") -> dict[str, bytes]:
        """The manifests of a revision, by path."""
        self.source.fetch()
        found = self.source.snapshot(revision=revision)
        return {path: self.source.blob(entry.blob) for path, entry in found.entries.items()}

    def go_back(self, revision: str, branch: str = "main") -> Restored:
        wish = Restoration(branch, "models", revision, "Go back", "Ada <ada@example.org>")
        return restore(self.branches, wish, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def place(team: Team, tmp_path: Path, stack: ExitStack) -> Place:
    return Place(team, team.owner, tmp_path, stack)


@pytest.mark.parametrize("followed", [True, False], ids=["mirrored", "never read before"])
def test_it_is_restored_with_a_token(team: Team, place: Place, followed: bool) -> None:
    """With the mirror of a controller beside it, and without one; HEAD is the provider's default branch."""
    old = team.push(OLD)
    if followed:
        place.source.fetch()
    for number in range(3):
        new = team.push({**NEW, "readme": str(number)})
    assert branch_to_restore(place.branches, "HEAD") == "main"
    done = place.go_back(old)
    assert done.head == new
    assert place.content() == {"models/a.yaml": b"kind: one"}
    assert place.source.snapshot().revision == done.commit
    assert place.content(new) == {"models/a.yaml": b"kind: two", "models/b.yaml": b"kind: b"}


def test_a_protected_branch_refuses_it_and_another_takes_it(team: Team, place: Place) -> None:
    """In the provider's words, and without the token."""
    old = team.push(OLD)
    team.push(NEW)
    team.remote.create_branch("back")
    team.remote.protect_branch("main")
    with pytest.raises(InputError, match=r"PushRefused.*protected branch") as refused:
        place.go_back(old)
    assert team.owner.token not in str(refused.value)
    assert place.go_back(old, "back").commit is not None


def test_who_may_only_read_is_refused(team: Team, tmp_path: Path, stack: ExitStack) -> None:
    """A deploy token that was enough until now."""
    old = team.push(OLD)
    new = team.push(NEW)
    reader = team.gitea.create_user("reader")
    team.remote.share_with(reader, "read")
    place = Place(team, reader, tmp_path, stack)
    with pytest.raises(InputError, match="PushRefused") as refused:
        place.go_back(old)
    assert reader.token not in str(refused.value)
    assert team.remote.branches()["main"] == new

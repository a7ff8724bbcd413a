"""Gitea as tests start it: what they count on when they talk to it."""

import subprocess

import httpx
import pytest

from tests.testbed.gitea_api import ApiError
from tests.testbed.team import Team, refusal

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]


def test_a_private_repository_is_hidden(team: Team) -> None:
    """Whoever has no part in it does not even learn that it is there."""
    stranger = team.gitea.create_user("eve")
    with pytest.raises(ApiError) as refused:
        stranger.sees(team.remote).branches()
    assert refused.value.status == 404


def test_a_shared_repository_is_seen(team: Team) -> None:
    """A collaborator works with it as themselves."""
    head = team.push({"a.yaml": "1"})
    friend = team.gitea.create_user("bob")
    team.remote.share_with(friend, "read")
    assert friend.sees(team.remote).branches() == {"main": head}


def test_a_public_repository_is_everybodys(team: Team) -> None:
    """Without an account it can be read once it was published."""
    team.push({"a.yaml": "1"})
    team.remote.publish()
    refs = f"{team.remote.address}/info/refs?service=git-upload-pack"
    assert httpx.get(refs, trust_env=False).status_code == 200


def test_files_are_committed_by_the_api(team: Team) -> None:
    """A file is made and then changed, one commit each."""
    team.push({"a.yaml": "1"})
    team.remote.put_file("models/b.yaml", "first")
    last = team.remote.put_file("models/b.yaml", "second")
    assert team.remote.branches() == {"main": last}


def test_branches_come_and_go(team: Team) -> None:
    """A branch begins where another is."""
    head = team.push({"a.yaml": "1"})
    team.remote.create_branch("feature/next")
    assert team.remote.branches() == {"feature/next": head, "main": head}
    team.remote.delete_branch("feature/next")
    assert team.remote.branches() == {"main": head}


def test_a_protected_branch_refuses_pushes(team: Team) -> None:
    """It does not move, not even for its owner."""
    head = team.push({"a.yaml": "1"})
    team.remote.protect_branch("main")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        team.push({"a.yaml": "2"})
    assert "protected branch" in refusal(refused.value)
    assert team.remote.branches() == {"main": head}


def test_a_protected_branch_lets_those_push_that_it_names(team: Team) -> None:
    """With force they cannot either."""
    team.push({"a.yaml": "1"})
    team.remote.protect_branch("main", pushers=(team.owner.name,))
    head = team.push({"a.yaml": "2"})
    with pytest.raises(subprocess.CalledProcessError):
        team.push_anew({"a.yaml": "3"})
    assert team.remote.branches() == {"main": head}


@pytest.mark.parametrize("how", ["merge", "rebase", "squash", "fast-forward-only"])
def test_a_pull_request_is_merged(team: Team, how: str) -> None:
    """However it is merged, the base branch has the change afterwards."""
    team.push({"a.yaml": "1"})
    team.remote.create_branch("change")
    commit = team.remote.put_file("b.yaml", "2", branch="change")
    opened = team.remote.open_pull_request("change")
    assert (opened.state, opened.merged, opened.head, opened.base, opened.commit) == (
        "open",
        False,
        "change",
        "main",
        commit,
    )
    team.remote.merge(opened.number, how)
    merged = team.remote.pull_request(opened.number)
    assert (merged.state, merged.merged) == ("closed", True)


def test_a_pull_request_is_closed(team: Team) -> None:
    """Without a merge nothing moves."""
    head = team.push({"a.yaml": "1"})
    team.remote.create_branch("change")
    team.remote.put_file("b.yaml", "2", branch="change")
    number = team.remote.open_pull_request("change").number
    team.remote.close_pull_request(number)
    closed = team.remote.pull_request(number)
    assert (closed.state, closed.merged, team.remote.branches()["main"]) == ("closed", False, head)


def test_comments_are_written_and_changed(team: Team) -> None:
    """A comment keeps its place and its author when its text changes."""
    team.push({"a.yaml": "1"})
    team.remote.create_branch("change")
    team.remote.put_file("b.yaml", "2", branch="change")
    number = team.remote.open_pull_request("change").number
    first = team.remote.comment(number, "first")
    second = team.remote.comment(number, "second")
    team.remote.edit_comment(first.id, "changed")
    found = [(each.id, each.author, each.text) for each in team.remote.comments(number)]
    name = team.owner.name
    assert found == [(first.id, name, "changed"), (second.id, name, "second")]


def test_the_newest_status_of_a_name_comes_first(team: Team) -> None:
    """Statuses are kept; what holds is the newest."""
    head = team.push({"a.yaml": "1"})
    team.remote.set_status(head, "pending", "moorage", "looking")
    team.remote.set_status(head, "success", "moorage", "2 models change")
    found = [(each.context, each.state, each.text) for each in team.remote.statuses(head)]
    assert found == [("moorage", "success", "2 models change"), ("moorage", "pending", "looking")]

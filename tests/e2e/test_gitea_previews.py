"""Pull requests at a real provider, previewed by a real controller: what is written there, and that the merge does it.

The provider's hooks tell the controller; its polls come after an hour.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.manifests import Manifest, model, server, tree
from tests.e2e.world import APPLICATION, MOORAGE, World
from tests.testbed.gitea import Gitea
from tests.testbed.gitea_api import Comment, PullRequest, Status
from tests.testbed.team import Team

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

SECRET = "what the provider signs with"
EVENTS = ("create", "delete", "push", "pull_request", "pull_request_sync", "pull_request_label")
LABEL = "moorage/preview"


class Previewed:
    """A team's repository, the world that follows and previews it, and what a reviewer sees."""

    def __init__(self, team: Team, make: Callable[..., World], folder: Path, **sync: Any) -> None:
        self.team = team
        (folder / "token").write_text(team.owner.token)
        (folder / "hook").write_text(SECRET)
        token = {"file": str(folder / "token")}
        self.world = make(
            applications=[
                {
                    "name": APPLICATION,
                    "repository": team.remote.address,
                    "revision": "main",
                    "credentials": {"password": token},
                    "sync": {"interval": "1h", "maxPrune": 100, **sync},
                }
            ],
            previews=[
                {
                    "repository": team.remote.address,
                    "provider": "gitea",
                    "token": token,
                    "interval": "1h",
                    "link": "https://moorage.example.org",
                }
            ],
            webhookSecrets=[{"file": str(folder / "hook")}],
        )

    def start(self, *manifests: Manifest) -> None:
        revision = self.push(*manifests)
        self.world.start()
        self.team.remote.create_hook(f"{self.world.url}/api/webhook", SECRET, EVENTS)
        self.world.settled(revision)

    def push(self, *manifests: Manifest, branch: str = "main") -> str:
        return self.team.push(tree(*manifests), branch)

    def propose(self, branch: str, *manifests: Manifest) -> PullRequest:
        """Open a pull request that makes these manifests all that there is."""
        self.team.remote.create_branch(branch)
        self._replace(branch, *manifests)
        return self.team.remote.open_pull_request(branch, title=f"Try {branch}")

    def _replace(self, branch: str, *manifests: Manifest) -> None:
        self.team.checkout(branch)
        self.push(*manifests, branch=branch)

    # What a reviewer sees.

    def comment(self, pull: PullRequest) -> Comment | None:
        found = self.team.remote.comments(pull.number)
        assert len(found) <= 1, [each.text for each in found]
        return found[0] if found else None

    def said(self, pull: PullRequest, word: str) -> Comment:
        """The one comment, once it says that word."""
        self.world.until(f"a comment with {word!r}", lambda: word in self._text(pull))
        comment = self.comment(pull)
        assert comment is not None
        return comment

    def _text(self, pull: PullRequest) -> str:
        comment = self.comment(pull)
        return comment.text if comment is not None else ""

    def status(self, pull: PullRequest) -> Status:
        """Our newest status of the pull request's head, once there is one."""
        commit = self.team.remote.pull_request(pull.number).commit
        self.world.until("a commit status", lambda: self.team.remote.statuses(commit))
        return self.team.remote.statuses(commit)[0]

    # What the controller says.

    def preview(self, pull: PullRequest) -> dict[str, Any]:
        found = [
            each
            for each in self.world.get("/api/v1/previews")["items"]
            if each["pull"]["number"] == pull.number
        ]
        return dict(found[0]) if found else {}

    def verdict(self, pull: PullRequest) -> str:
        return str(self.preview(pull).get("verdict", ""))

    def is_whole(self, pull: PullRequest) -> bool:
        """True where the whole preview is there, not only what is remembered of it."""
        address = self.preview(pull)["repository"]
        return self.world.page_status("/previews", repository=address, number=str(pull.number)) == 200

    def last_sync(self) -> dict[str, Any]:
        return dict(self.world.get(f"/api/v1/applications/{APPLICATION}/history")["items"][0])


@pytest.fixture(scope="module")
def told(gitea: Gitea, tmp_path_factory: pytest.TempPathFactory, bucket: Path) -> Iterator[Previewed]:
    """A running world whose pull requests are previewed. Every test pushes all it needs."""
    folder = tmp_path_factory.mktemp("previewed")

    def make(**settings: Any) -> World:
        return World(folder / "world", bucket, **settings)

    previewed = Previewed(Team(gitea, folder), make, folder)
    try:
        previewed.start(server())
        yield previewed
    finally:
        previewed.world.close()


def test_an_opened_pull_request_gets_the_plan_as_a_comment_and_a_status(told: Previewed) -> None:
    """Verdict, model and server replica are there, and the status passes."""
    told.world.settled(told.push(server()))
    pull = told.propose("opened", server(), model("iris"))
    comment = told.said(pull, "iris")
    assert "Safe" in comment.text
    assert "default/mlserver/0" in comment.text
    status = told.status(pull)
    assert (status.context, status.state) == ("moorage/plan", "success")


def test_a_push_to_the_pull_request_edits_the_same_comment(told: Previewed) -> None:
    """There is one comment, and it follows the head."""
    told.world.settled(told.push(server()))
    pull = told.propose("pushed", server(), model("iris"))
    first = told.said(pull, "iris")
    told.push(server(), model("iris"), model("wine"), branch="pushed")
    assert told.said(pull, "wine").id == first.id
    assert told.status(pull).state == "success"


def test_a_base_that_moves_has_it_planned_again(told: Previewed) -> None:
    """What the base has by itself now is no part of what the merge adds."""
    told.world.settled(told.push(server()))
    pull = told.propose("moved", server(), model("iris"))
    told.said(pull, "iris")
    before = told.preview(pull)["pull"]["base"]
    revision = told.push(server(), server("second"), branch="main")
    told.world.settled(revision)
    told.world.until("the new base", lambda: told.preview(pull)["pull"]["base"] == revision != before)


def test_a_merge_is_executed_with_the_plan_that_was_shown(told: Previewed) -> None:
    """The sync's record says so, by the digest; the comment tells how the sync went."""
    told.world.settled(told.push(server()))
    pull = told.propose("merged", server(), model("iris"))
    told.said(pull, "iris")
    shown = told.preview(pull)["plans"][APPLICATION]
    told.team.remote.merge(pull.number, "squash")
    told.world.settled(told.team.remote.branches()["main"])
    record = told.last_sync()
    assert (record["preview"]["standing"], record["digest"]) == ("Matches", shown)
    assert f"#{pull.number}" in record["preview"]["where"]
    assert told.world.caller.answers("iris") == "iris_1"
    comment = told.said(pull, "very plan")
    assert "Merged" in comment.text
    told.team.checkout("main")


def test_what_cannot_be_placed_fails_the_status(told: Previewed) -> None:
    """With the reason and the cheapest remedy in the comment."""
    told.world.settled(told.push(server()))
    pull = told.propose("unplaced", server(), model("huge", memory="9Gi"))
    comment = told.said(pull, "huge")
    assert "ScheduleFailed" in comment.text
    assert "would fit with" in comment.text
    assert told.status(pull).state == "failure"


def test_a_conflict_fails_the_status_and_says_so(told: Previewed) -> None:
    """There is no merge result to plan."""
    told.world.settled(told.push(server(), model("iris")))
    pull = told.propose("conflicting", server(), model("iris", memory="1Mi"))
    told.said(pull, "iris")
    told.world.settled(told.push(server(), model("iris", memory="2Mi"), branch="main"))
    told.world.until("the conflict", lambda: told.preview(pull).get("reason") == "MergeConflict")
    told.world.until("the status", lambda: told.status(pull).state == "failure")
    told.team.remote.close_pull_request(pull.number)


def test_a_closed_pull_request_is_marked_and_nothing_is_executed(told: Previewed) -> None:
    """Its comment says that it was closed."""
    revision = told.push(server())
    told.world.settled(revision)
    pull = told.propose("closed", server(), model("iris"))
    told.said(pull, "iris")
    syncs = told.world.syncs()
    told.team.remote.close_pull_request(pull.number)
    told.said(pull, "Closed")
    assert told.world.syncs() == syncs
    assert told.preview(pull)["pull"]["state"] == "closed"


def test_a_fork_is_previewed_once_it_has_the_label(told: Previewed, gitea: Gitea) -> None:
    """Before that the status says what it waits for, and no comment is written."""
    told.world.settled(told.push(server()))
    remote = told.team.remote
    stranger = gitea.create_user("stranger")
    remote.share_with(stranger, "read")
    fork = stranger.fork(stranger.sees(remote))
    ((path, text),) = tree(model("iris")).items()
    fork.put_file(path, text)
    made = stranger.sees(remote).open_pull_request(f"{stranger.name}:main", title="From a fork")
    told.world.until("the refusal", lambda: told.preview(made).get("reason") == "LabelMissing")
    assert told.status(made).state == "pending"
    assert told.comment(made) is None
    remote.create_label(LABEL)
    remote.add_label(made.number, LABEL)
    told.said(made, "iris")
    told.world.until("the status", lambda: told.status(made).state == "success")
    remote.close_pull_request(made.number)


def test_a_direct_push_has_no_approved_plan(told: Previewed) -> None:
    """Its record says that nobody showed it."""
    told.world.settled(told.push(server()))
    told.world.settled(told.push(server(), server("direct")))
    assert told.last_sync()["preview"]["standing"] == "NoApprovedPlan"


def test_the_page_of_a_preview_is_shown(told: Previewed) -> None:
    """It is what comments link to, and holds no script."""
    told.world.settled(told.push(server()))
    pull = told.propose("page", server(), model("iris"))
    comment = told.said(pull, "iris")
    assert "https://moorage.example.org/previews?" in comment.text
    address = told.preview(pull)["repository"]
    page = told.world.page("/previews", repository=address, number=str(pull.number))
    assert "iris" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_restart_writes_no_second_comment(told: Previewed) -> None:
    """What was written is remembered, and what has not changed is not written again."""
    told.world.settled(told.push(server()))
    pull = told.propose("restarted", server(), model("iris"))
    first = told.said(pull, "iris")
    told.world.signal(signal.SIGKILL)
    told.world.start()
    told.world.until("the preview", lambda: told.verdict(pull) == "Safe" and told.is_whole(pull))
    assert told.comment(pull) == first
    for hook in told.team.remote.hooks():
        told.team.remote.delete_hook(hook)
    told.team.remote.create_hook(f"{told.world.url}/api/webhook", SECRET, EVENTS)


def test_nothing_secret_is_told(told: Previewed) -> None:
    """The token is in no log, no comment and no file but its own."""
    told.world.settled(told.push(server()))
    pull = told.propose("secret", server(), model("iris"))
    comment = told.said(pull, "iris")
    kept = [p for p in told.world.state.rglob("*") if p.is_file() and "environments" not in p.parts]
    said = b"".join([told.world.log.read_bytes(), comment.text.encode(), *(p.read_bytes() for p in kept)])
    assert told.team.owner.token.encode() not in said


def test_only_a_previewed_plan_is_executed_where_policy_asks_for_it(
    gitea: Gitea, tmp_path: Path, fresh_world: Callable[..., World]
) -> None:
    """A direct push waits for approval, bound to its digest; a previewed merge does not."""
    it = Previewed(Team(gitea, tmp_path), fresh_world, tmp_path, requirePreviewedPlan=True)
    it.push(server())
    it.world.start()
    it.team.remote.create_hook(f"{it.world.url}/api/webhook", SECRET, EVENTS)
    it.world.until("the hold", lambda: it.world.status()["position"]["held"])
    assert "NoApprovedPlan" in it.world.run("app", "get", APPLICATION).stdout
    digest = it.world.plan()["digest"]
    done = it.world.run("app", "approve", APPLICATION, "--plan", digest[:12], "--why", "first")
    assert done.returncode == 0, done.stderr
    it.world.settled(it.team.remote.branches()["main"])
    assert it.last_sync()["preview"]["standing"] == "Approved"
    pull = it.propose("shown", server(), server("second"))
    it.said(pull, "second")
    it.team.remote.merge(pull.number)
    it.world.settled(it.team.remote.branches()["main"])
    assert it.last_sync()["preview"]["standing"] == "Matches"


def test_ci_previews_without_a_controller(team: Team, tmp_path: Path) -> None:
    """The command shows the preview, writes comment and status, and fails by its verdict."""
    pull = proposed(team, model("huge", memory="9Gi"))
    done = run_in_ci(team, tmp_path, pull.number, "-o", "json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "CannotBePlaced"
    (comment,) = team.remote.comments(pull.number)
    assert "huge" in comment.text
    assert team.remote.statuses(pull.commit)[0].state == "failure"
    again = run_in_ci(team, tmp_path, pull.number, "-o", "json")
    assert again.returncode == 1
    assert [each.id for each in team.remote.comments(pull.number)] == [comment.id]


def test_ci_writes_nothing_on_a_dry_run(team: Team, tmp_path: Path) -> None:
    """It only shows."""
    pull = proposed(team, model("iris"))
    done = run_in_ci(team, tmp_path, pull.number, "--dry-run", "-o", "markdown")
    assert done.returncode == 0, done.stderr
    assert "iris" in done.stdout
    assert team.remote.comments(pull.number) == []
    assert team.remote.statuses(pull.commit) == []


def test_the_action_previews_a_pull_request(team: Team, tmp_path: Path) -> None:
    """The script of ``action.yml`` as the provider runs it: its inputs in, comment, status and outputs out."""
    pull = proposed(team, model("iris"))
    action = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text())
    step = next(each for each in action["runs"]["steps"] if each.get("id") == "preview")
    output = tmp_path / "output"
    given = {
        "MOORAGE_TOKEN": team.owner.token,
        "PROVIDER": "gitea",
        "REPOSITORY": team.remote.address.removesuffix(".git"),
        "NUMBER": str(pull.number),
        "CONFIG": "",
        "MANIFESTS": ".",
        "INVENTORY": "",
        "FAIL_ON": action["inputs"]["fail-on"]["default"],
        "RESULT": str(tmp_path / "result.json"),
    }
    assert given.keys() == step["env"].keys()
    path = f"{MOORAGE.parent}:{os.environ['PATH']}"
    environment = {**given, "PATH": path, "GITHUB_OUTPUT": str(output), "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "verdict=Safe" in output.read_text()
    assert len(team.remote.comments(pull.number)) == 1


def proposed(team: Team, *manifests: Manifest) -> PullRequest:
    """A pull request that adds manifests to one server."""
    team.push(tree(server()))
    team.remote.create_branch("change")
    team.checkout("change")
    team.push(tree(server(), *manifests), "change")
    return team.remote.open_pull_request("change")


def run_in_ci(team: Team, folder: Path, number: int, *options: str) -> subprocess.CompletedProcess[str]:
    """``moorage preview`` in an empty folder with nothing but a token."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "MOORAGE_TOKEN": team.owner.token}
    words = ["preview", "--provider", "gitea", "--repo", team.remote.address, "--pr", str(number), *options]
    return subprocess.run(
        [MOORAGE, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )

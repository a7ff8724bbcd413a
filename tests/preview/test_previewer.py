"""The previewer over real Git objects and pull requests in memory: what is told, what is not told again, and what
faults cost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.config import ApplicationConfig
from reconciler.control.approval import PlanStanding
from reconciler.control.gates import OPEN
from reconciler.control.sync_policy import SyncPolicy
from reconciler.planning.planner import plan
from reconciler.preview.making import Terms
from reconciler.preview.pulls.previewer import Parts, Previewer
from reconciler.preview.pulls.pull_requests import PullRequest
from reconciler.preview.pulls.settings import PreviewSettings
from reconciler.preview.pulls.store import PreviewStore
from reconciler.source.application import GitApplication
from reconciler.source.credentials import AGENT
from reconciler.source.pulls import PullMirror
from reconciler.source.secrets import SecretFrom
from reconciler.status import SyncRecord
from reconciler.sync import execute
from runtime.state import LiveState
from schemas.errors import InputError, TransientError, WaitError
from tests.fakes.pull_requests import FakePullRequests
from tests.fakes.simulated import SimulatedRuntime
from tests.preview.stories import TIMEOUTS
from tests.reconciler import world as resources
from tests.reconciler.repositories import Repository, model, server
from tests.reconciler.world import POLICY

BASE = {"server.yaml": server(), "iris.yaml": model("iris")}
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MORE = {**BASE, "wine.yaml": model("wine")}


class World:
    """A served base; ``before_live`` is awaited whenever somebody looks at it."""

    def __init__(self) -> None:
        self.runtime = SimulatedRuntime()
        self.reconsidered = 0
        self.before_live: Callable[[], None] = lambda: None

    async def live(self) -> LiveState:
        self.before_live()
        return await self.runtime.observe()

    def terms(self, _: str) -> Terms:
        return POLICY, OPEN, None

    def reconsider(self) -> None:
        self.reconsidered += 1


class Team:
    """A repository whose base is served, its pull requests, and a previewer of them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.repository = Repository(folder / "r.git")
        self.pulls, self.world = FakePullRequests(), World()
        self.settings = PreviewSettings(str(folder / "r.git"), "gitea", SecretFrom(env="NONE"), **settings)
        self.repository.commit(BASE)
        self.application = ApplicationConfig("app", str(folder / "r.git"), "main")
        self.applications = [self.application]
        self.previewer = self.start()

    def start(self) -> Previewer:
        """A previewer as after a restart of the controller."""
        self.store = PreviewStore(self.folder / "previews")
        parts = Parts(
            pulls=self.pulls,
            mirror=PullMirror(str(self.repository.folder), self.folder, AGENT),
            world=self.world,
            store=self.store,
            timeouts=TIMEOUTS,
            applications=lambda: self.applications,
            known=tuple,
            link=lambda _: "",
            now=lambda: NOON,
        )
        return Previewer(self.settings, parts)

    async def serve(self) -> None:
        """Sync what the base wants."""
        desired = GitApplication(self.application, self.folder).read()
        await execute(
            plan(desired, await self.world.runtime.observe(), POLICY), self.world.runtime, lambda _: None
        )

    def propose(self, number: int, files: dict[str, str], **facts: Any) -> str:
        """Open a pull request, or push to it; its head."""
        name = f"refs/heads/change-{number}"
        if name not in self.repository.git.references:
            main = self.repository.git.references["refs/heads/main"].target
            self.repository.git.references.create(name, main)
        head = self.repository.commit(dict(files), f"change-{number}")
        self.pulls.put(PullRequest(number, "open", "Change", "ada", "", head, name, "", "main", **facts))
        return head

    async def round(self) -> None:
        """The provider tells of something."""
        self.previewer.hint()
        await self.previewer.round()

    def comments(self, number: int) -> list[str]:
        return [each.text for each in self.pulls.comments.get(number, ())]

    @property
    def written(self) -> int:
        return self.pulls.written["comment"]


def story(folder: Path, tell: Callable[[Team], Awaitable[None]], **settings: Any) -> None:
    """Tell it, over a base that is served."""

    async def told() -> None:
        team = Team(folder, **settings)
        await team.serve()
        await tell(team)

    asyncio.run(told())


def test_an_open_pull_request_is_told_once(tmp_path):
    """However often it is looked at."""

    async def tell(team):
        head = team.propose(1, MORE)
        for _ in range(3):
            await team.round()
        assert len(team.comments(1)) == team.written == 1
        assert (team.pulls.statuses[head].state, team.pulls.written["status"]) == ("success", 1)

    story(tmp_path, tell)


def test_a_pull_request_of_several_applications_gets_one_comment(tmp_path):
    """With a part for each, in the order in which they are synced."""

    async def tell(team):
        address = str(team.repository.folder)
        first = ApplicationConfig("zebra", address, "main", "a")
        after = ApplicationConfig("ant", address, "main", "b", sync=SyncPolicy(depends_on=("zebra",)))
        base = {"a/server.yaml": server(), "b/iris.yaml": model("iris")}
        team.repository.commit(base)
        team.applications = [after, first]
        team.propose(1, {**base, "a/more.yaml": server("more"), "b/wine.yaml": model("wine")})
        await team.round()
        (text,) = team.comments(1)
        assert 0 < text.index("`zebra`") < text.index("`ant`")
        assert [each.application for each in team.store.all()[0].plans] == ["zebra", "ant"]

    story(tmp_path, tell)


def test_a_pull_request_that_removes_the_applications_folder_fails(tmp_path):
    """After its merge the source cannot be read any more: that is no harmless change."""

    async def tell(team):
        address = str(team.repository.folder)
        base = {"README.md": "here", **{f"a/{path}": text for path, text in BASE.items()}}
        team.repository.commit(base)
        team.applications = [ApplicationConfig("app", address, "main", "a")]
        head = team.propose(1, {"README.md": "here"})
        await team.round()
        assert team.store.all()[0].verdict == "InvalidManifests"
        assert team.pulls.statuses[head].state == "failure"
        assert "PathNotFound" in team.comments(1)[0]

    story(tmp_path, tell)


def test_a_sync_that_ends_while_something_is_told_is_not_forgotten(tmp_path):
    """What it came to is said once the pull request is known to be merged."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        where = f"{team.previewer.repository}#1"
        record = SyncRecord(
            3, "app", "r", "", "", "NewRevision", "", "", "Succeeded", "", "",
            preview=PlanStanding("Matches", where, "", "0123456789ab"),
        )  # fmt: skip
        written = team.pulls.write_comment

        async def write(number, text, comment=None):
            await team.previewer.note_sync(1, record)
            return await written(number, text, comment)

        team.pulls.write_comment = write
        team.propose(1, {**MORE, "pear.yaml": model("pear")})
        await team.round()
        assert len(team.store.all()[0].syncs) == 1

    story(tmp_path, tell)


def test_a_restart_writes_nothing_again(tmp_path):
    """What was written is remembered, and the whole preview is there again."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        team.store.close()
        team.previewer = team.start()
        await team.round()
        assert (team.written, team.pulls.written["status"]) == (1, 1)
        assert team.previewer.previews[1].verdict == "Safe"

    story(tmp_path, tell)


def test_memory_that_moves_by_itself_is_not_written_about(tmp_path):
    """It is planned again, and nothing that the merge does has changed."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        before = team.store.all()[0]
        other = resources.desired(resources.model("other", memory="1M"), application="other")
        await resources.sync(other, team.world.runtime)
        await team.previewer.round()
        after = team.store.all()[0]
        assert (before.digest, before.basis != after.basis) == (after.digest, True)
        assert team.written == 1

    story(tmp_path, tell)


def test_a_push_edits_the_comment(tmp_path):
    """The head that it speaks of is another one."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        head = team.propose(1, {**MORE, "pear.yaml": model("pear")})
        await team.round()
        (text,) = team.comments(1)
        assert "pear" in text
        assert team.pulls.statuses[head].state == "success"

    story(tmp_path, tell)


def test_a_base_that_moves_has_all_planned_again(tmp_path):
    """Without a push to any of them."""

    async def tell(team):
        for number in (1, 2):
            team.propose(number, {**BASE, f"m{number}.yaml": model(f"m{number}")})
        await team.round()
        base = team.repository.commit({**BASE, "base.yaml": model("base")})
        await team.round()
        assert {each.pull.base for each in team.store.all()} == {base}

    story(tmp_path, tell)


def test_a_push_during_planning_supersedes_the_plan(tmp_path):
    """What was pushed meanwhile is planned; the plan of the old head is told to nobody."""

    async def tell(team):
        old = team.propose(1, MORE)

        def push():
            team.world.before_live = lambda: None
            team.propose(1, {**BASE, "pear.yaml": model("pear")})
            team.previewer.hint()

        team.world.before_live = push
        await team.round()
        await team.previewer.round()
        assert old not in team.pulls.statuses
        (text,) = team.comments(1)
        assert "pear" in text
        assert "wine" not in text

    story(tmp_path, tell)


def test_a_pull_request_that_cannot_be_told_keeps_no_other_from_it(tmp_path):
    """And it is told later."""

    async def tell(team):
        for number in (1, 2):
            team.propose(number, MORE)
        team.pulls.faults["write_comment"] = [InputError("ProviderDenied", "no")]
        await team.round()
        assert (team.comments(1), len(team.comments(2))) == ([], 1)
        await team.previewer.round()
        assert len(team.comments(1)) == 1

    story(tmp_path, tell)


def test_a_comment_is_not_written_again_because_the_status_failed(tmp_path):
    """Only what is missing is."""

    async def tell(team):
        head = team.propose(1, MORE)
        team.pulls.faults["set_status"] = [TransientError("ProviderUnreachable", "no")]
        await team.round()
        assert (team.written, head in team.pulls.statuses) == (1, False)
        await team.previewer.round()
        assert (team.written, team.pulls.statuses[head].state) == (1, "success")

    story(tmp_path, tell)


def test_a_fork_whose_commit_takes_no_status_is_previewed_all_the_same(tmp_path):
    """The comment has to do, and it is not tried again and again."""

    async def tell(team):
        team.propose(1, MORE, fork=True)
        team.pulls.faults["set_status"] = [InputError("ProviderDenied", "404")]
        await team.round()
        await team.round()
        assert (team.written, team.pulls.statuses) == (1, {})

    story(tmp_path, tell, forks="always")


def test_a_provider_that_wants_to_be_asked_less_is(tmp_path):
    """The round ends there; the next one goes on."""

    async def tell(team):
        for number in (1, 2):
            team.propose(number, MORE)
        team.pulls.faults["write_comment"] = [WaitError("RateLimited", "later")]
        with pytest.raises(WaitError):
            await team.round()
        assert team.written == 0
        await team.previewer.round()
        assert (len(team.comments(1)), len(team.comments(2))) == (1, 1)

    story(tmp_path, tell)


def test_a_hint_outlives_a_provider_that_does_not_answer(tmp_path):
    """The next round looks, without another hint."""

    async def tell(team):
        team.propose(1, MORE)
        team.pulls.faults["opened"] = [TransientError("ProviderUnreachable", "no")]
        with pytest.raises(TransientError):
            await team.round()
        await team.previewer.round()
        assert len(team.comments(1)) == 1

    story(tmp_path, tell)


def test_a_merge_keeps_what_was_shown_and_has_plans_judged_again(tmp_path):
    """With the commit that it became."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        merged = team.repository.commit(MORE)
        team.pulls.change(1, state="merged", merge_commit=merged)
        await team.round()
        (known,) = team.store.all()
        assert [each.merge_commit for each in known.plans] == [merged]
        assert team.world.reconsidered == 1
        assert "Merged" in team.comments(1)[0]

    story(tmp_path, tell)


def test_one_that_is_gone_altogether_counts_as_closed(tmp_path):
    """And the others are looked at all the same."""

    async def tell(team):
        team.propose(1, MORE)
        team.propose(2, MORE)
        await team.round()
        del team.pulls.pulls[1]
        head = team.propose(2, {**BASE, "pear.yaml": model("pear")})
        await team.round()
        assert [each.pull.state for each in team.store.all()] == ["closed", "open"]
        assert head in team.pulls.statuses

    story(tmp_path, tell)


def test_a_branch_with_an_impossible_name_costs_nobody_else_theirs(tmp_path):
    """It is told that its head cannot be read."""

    async def tell(team):
        team.propose(1, MORE)
        team.pulls.change(1, head_ref="refs/heads/a..b", head="f" * 40)
        head = team.propose(2, MORE)
        await team.round()
        assert team.store.all()[0].reason == "RevisionNotFound"
        assert head in team.pulls.statuses

    story(tmp_path, tell)


def test_a_closed_pull_request_shows_no_plan_any_more(tmp_path):
    """What it showed approves nothing."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        assert len(team.store.previewed("app")) == 1
        team.pulls.change(1, state="closed")
        await team.round()
        assert team.store.previewed("app") == ()
        assert "Closed" in team.comments(1)[0]

    story(tmp_path, tell)


def test_a_pull_request_that_touches_nothing_gets_a_status_and_no_comment(tmp_path):
    """Whoever changes a README is not told of plans."""

    async def tell(team):
        head = team.propose(1, {**BASE, "README.md": "more"})
        await team.round()
        assert team.comments(1) == []
        assert team.pulls.statuses[head].state == "success"

    story(tmp_path, tell)


def test_a_conflict_is_a_failed_status(tmp_path):
    """There is no merge to plan."""

    async def tell(team):
        head = team.propose(1, {**BASE, "iris.yaml": model("iris", "gs://one")})
        team.repository.commit({**BASE, "iris.yaml": model("iris", "gs://two")})
        await team.round()
        status = team.pulls.statuses[head]
        assert (status.state, status.description.split(":")[0]) == ("failure", "MergeConflict")

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("forks", "labels", "told"),
    [
        ("labelled", (), "LabelMissing"),
        ("labelled", ("moorage/preview",), ""),
        ("never", ("moorage/preview",), "ForkNotPreviewed"),
        ("always", (), ""),
    ],
)
def test_forks_are_previewed_by_policy(tmp_path, forks, labels, told):
    """Always, with the label, or never."""

    async def tell(team):
        team.propose(1, MORE, fork=True, labels=labels)
        await team.round()
        (known,) = team.store.all()
        assert (known.reason, bool(known.verdict)) == (told, not told)

    story(tmp_path, tell, forks=forks)


def test_a_pull_request_for_another_branch_is_left_alone(tmp_path):
    """No application follows what it is for."""

    async def tell(team):
        team.propose(1, MORE)
        team.pulls.change(1, base_branch="other")
        await team.round()
        assert (team.store.all(), team.pulls.statuses) == ((), {})

    story(tmp_path, tell)


def test_one_that_is_for_another_branch_now_shows_no_plan_any_more(tmp_path):
    """Its status passes, and its comment says why."""

    async def tell(team):
        head = team.propose(1, MORE)
        await team.round()
        team.pulls.change(1, base_branch="other")
        await team.round()
        assert team.store.previewed("app") == ()
        assert "BranchNotFollowed" in team.comments(1)[0]
        assert team.pulls.statuses[head].state == "success"

    story(tmp_path, tell)


def test_a_push_to_a_fork_without_the_label_says_again_what_it_waits_for(tmp_path):
    """A status is of one commit."""

    async def tell(team):
        for files in (MORE, {**MORE, "pear.yaml": model("pear")}):
            head = team.propose(1, files, fork=True)
            await team.round()
            assert team.pulls.statuses[head].state == "pending"

    story(tmp_path, tell)


def test_the_verdict_is_a_label_where_that_is_asked_for(tmp_path):
    """It changes with the verdict."""

    async def tell(team):
        team.propose(1, MORE)
        await team.round()
        assert team.pulls.pulls[1].labels == ("moorage: Safe",)
        labels = team.pulls.pulls[1].labels
        team.propose(1, {"server.yaml": server()}, labels=labels)
        await team.round()
        assert team.pulls.pulls[1].labels == ("moorage: ChangesServing",)

    story(tmp_path, tell, labels=True)


def test_what_fails_the_status_is_the_configurations_matter(tmp_path):
    """A deleted model fails where ChangesServing is to."""

    async def tell(team):
        head = team.propose(1, {"server.yaml": server()})
        await team.round()
        assert team.pulls.statuses[head].state == "failure"

    story(tmp_path, tell, fail_on=("ChangesServing",))


def test_a_damaged_store_is_begun_anew(tmp_path):
    """Nothing is lost but comfort."""
    (tmp_path / "previews").write_bytes(b"no database at all, and long enough to be read as one" * 40)
    store = PreviewStore(tmp_path / "previews")
    assert store.all() == ()
    store.close()


def test_the_store_forgets_the_oldest_that_ended(tmp_path, monkeypatch):
    """Open ones are never forgotten."""
    monkeypatch.setattr("reconciler.preview.pulls.store.KEPT", 2)

    async def tell(team):
        for number in range(1, 6):
            team.propose(number, MORE)
        await team.round()
        for number in range(1, 5):
            team.pulls.change(number, state="closed")
        await team.round()
        assert [each.pull.number for each in team.store.all()] == [3, 4, 5]

    story(tmp_path, tell)


def test_a_decoded_pull_request_is_the_same(tmp_path):
    """What is on disk is what was put there."""

    async def tell(team):
        team.propose(1, MORE, labels=("a", "b"), draft=True)
        await team.round()
        known = team.store.all()
        team.store.close()
        assert PreviewStore(tmp_path / "previews").all() == known
        assert replace(known[0].pull, number=2) != known[0].pull

    story(tmp_path, tell)

"""``sync.requirePreviewedPlan`` in the controller: what is let through, what waits, and what the history says."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from placement.inventory import ReplicaId
from reconciler.config import ApplicationConfig
from reconciler.control.approval import Previewed
from reconciler.control.commands import Commands, Who
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.requests import SyncRequest
from reconciler.control.sync_policy import SyncPolicy
from reconciler.history import History
from reconciler.planning.plan import Plan
from reconciler.planning.planner import basis_facts
from reconciler.source.application import GitApplication
from schemas.errors import InputError, WaitError
from tests.reconciler.repositories import Repository, model, server
from tests.reconciler.test_loop import Gate, Running
from tests.reconciler.world import POLICY

BASE = {"server.yaml": server(), "iris.yaml": model("iris")}
MORE = {**BASE, "wine.yaml": model("wine")}
HELD = SyncPolicy(require_previewed_plan=True)
ADA = Who("ada", "looked at it")


class Shown:
    """Pull requests that showed what a test says."""

    def __init__(self) -> None:
        self.plans: list[Previewed] = []

    def previewed(self, application: str) -> list[Previewed]:
        return [each for each in self.plans if each.application == application]


class Story(Running):
    """A controller whose first revision a person approved, and what pull requests show it."""

    shown: Shown
    repository: Repository

    @property
    def commands(self) -> Commands:
        return Commands(self.controller)

    async def push(self, files: dict[str, str]) -> str:
        """Push; returns once that is planned."""
        revision = self.repository.commit(files)
        await self.until(lambda s: s.revision == revision)
        return revision

    async def plan(self) -> Plan:
        return await self.controller.plan("app")

    async def show(self, merge_commit: str = "") -> None:
        """Let a pull request have shown the plan that is there now."""
        app = self.controller.followed("app")
        assert app.desired is not None
        policy, _, _ = self.controller.terms("app")
        facts = basis_facts(app.desired, await self.controller.live(), policy)
        at, where, url = datetime.now(UTC), "acme/models#7", ""
        self.shown.plans.append(
            Previewed("app", app.desired.tree, await self.plan(), facts, where, url, at, merge_commit)
        )

    async def approved(self) -> str:
        """Approve the plan that waits, and wait until it is executed; its digest."""
        await self.until(lambda s: s.position.held)
        digest = (await self.plan()).digest
        self.commands.approve("app", digest[:12], 1, ADA)
        await self.until(lambda s: s.sync == "Synced")
        return digest


@asynccontextmanager
async def story(tmp_path, policy: SyncPolicy = HELD):
    repository, shown, world = Repository(tmp_path / "r.git"), Shown(), Gate()
    repository.commit(BASE)
    config = ApplicationConfig("app", str(repository.folder), "main", interval=0.5, sync=policy)
    history, intents = History(tmp_path / "history.sqlite"), IntentStore(tmp_path / "intent.sqlite")
    source = GitApplication(config, tmp_path / "mirrors")
    controller = Controller([source], world, POLICY, history, intents, (), shown)
    task = asyncio.create_task(controller.run())
    told = Story(controller, world, history)
    told.shown, told.repository = shown, repository
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        history.close()
        intents.close()


def test_a_direct_push_waits_for_approval(tmp_path):
    """Nothing is executed, and the condition says that no plan is approved."""

    async def told():
        async with story(tmp_path) as it:
            status = await it.until(lambda s: s.position.held)
            assert [c.reason for c in status.conditions] == ["NoApprovedPlan"]
            assert await it.served() == []
            assert it.history.syncs("app") == ()

    asyncio.run(told())


def test_an_approved_plan_is_executed_and_says_by_whom(tmp_path):
    """The history keeps who approved it."""

    async def told():
        async with story(tmp_path) as it:
            digest = await it.approved()
            assert await it.served() == ["iris_1"]
            (record,) = it.history.syncs("app")
            assert (record.preview.standing, record.preview.by, record.digest) == ("Approved", "ada", digest)

    asyncio.run(told())


def test_a_plan_that_was_shown_is_executed_by_itself(tmp_path):
    """The sync's record says that it is the one that was shown, and by whom."""

    async def told():
        async with story(tmp_path) as it:
            await it.approved()
            await it.push(MORE)
            await it.until(lambda s: s.position.held)
            await it.show()
            it.controller.reconsider()
            await it.until(lambda s: s.sync == "Synced")
            record = it.history.syncs("app")[0]
            assert (record.preview.standing, record.preview.where) == ("Matches", "acme/models#7")

    asyncio.run(told())


def test_a_plan_that_came_out_differently_waits_and_shows_the_difference(tmp_path):
    """A pull request showed the merge of another base."""

    async def told():
        async with story(tmp_path) as it:
            await it.approved()
            await it.push(MORE)
            await it.until(lambda s: s.position.held)
            await it.show(merge_commit="later")
            revision = await it.push({**MORE, "pear.yaml": model("pear")})
            await it.until(lambda s: s.position.held)
            first = it.shown.plans.pop()
            it.shown.plans.append(
                Previewed(
                    "app", first.tree, first.plan, first.facts, first.where, first.url, first.at, revision
                )
            )
            it.controller.reconsider()
            status = await it.until(lambda s: s.position.plan.standing == "PlanDiffers")
            assert status.position.held
            assert any("pear" in line for line in status.position.plan.difference)

    asyncio.run(told())


def test_approving_another_plan_is_refused(tmp_path):
    """What waits now is named, so that nobody approves what they have not seen."""

    async def told():
        async with story(tmp_path) as it:
            await it.until(lambda s: s.position.held)
            with pytest.raises(WaitError, match="PlanChanged"):
                it.commands.approve("app", "0" * 12, 1, ADA)

    asyncio.run(told())


def test_there_is_nothing_to_approve_where_nothing_waits(tmp_path):
    """Without the policy plans do not wait."""

    async def told():
        async with story(tmp_path, SyncPolicy()) as it:
            await it.until(lambda s: s.sync == "Synced")
            with pytest.raises(InputError, match="NothingToApprove"):
                it.commands.approve("app", "0" * 12, 1, ADA)

    asyncio.run(told())


def test_a_sync_by_hand_is_denied_unless_it_names_the_plan(tmp_path):
    """Who names its digest has seen it, and that counts as their approval."""

    async def told():
        async with story(tmp_path) as it:
            await it.until(lambda s: s.position.held)
            denied = await it.commands.sync("app", SyncRequest("bob"))
            assert (denied.phase, denied.reason) == ("Denied", "NoApprovedPlan")
            digest = (await it.plan()).digest
            done = await it.commands.sync("app", SyncRequest("bob", digest=digest[:12]))
            assert done.phase == "Succeeded"
            assert it.history.syncs("app")[0].preview.by == "bob"

    asyncio.run(told())


def test_drift_of_what_was_approved_is_mended(tmp_path):
    """A lost server replica comes back without a new approval."""

    async def told():
        async with story(tmp_path) as it:
            await it.approved()
            it.world.inner.lose(ReplicaId("default", "mlserver", 0))
            it.world.inner.recover(ReplicaId("default", "mlserver", 0))
            await it.until(lambda s: s.sync == "Synced" and s.last_sync.id > 1)
            assert await it.served() == ["iris_1"]

    asyncio.run(told())


def test_without_the_policy_the_record_says_how_the_plan_stands(tmp_path):
    """Nothing waits, and a direct push is still told from a plan that was shown."""

    async def told():
        async with story(tmp_path, SyncPolicy()) as it:
            await it.until(lambda s: s.sync == "Synced")
            assert it.history.syncs("app")[0].preview.standing == "NoApprovedPlan"

    asyncio.run(told())

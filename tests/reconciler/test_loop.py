"""The controller as it runs: real repositories in, a simulated world out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from placement.inventory import ReplicaId
from reconciler.config import ApplicationConfig
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.sync_policy import SyncPolicy
from reconciler.history import History
from reconciler.source.application import GitApplication
from reconciler.status import ApplicationStatus
from runtime.operations import LoadModel, Operation, Result
from runtime.state import LiveState
from schemas.errors import InputError, StopError, TransientError
from schemas.resource import key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.repositories import Repository, git, model, server
from tests.reconciler.world import POLICY

FIRST = ReplicaId("default", "mlserver", 0)
NEVER = 3600.0


@dataclass
class Gate:
    """A simulated world whose loads can be held, and which can refuse to go on."""

    inner: SimulatedRuntime = field(default_factory=SimulatedRuntime)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    loading: asyncio.Event = field(default_factory=asyncio.Event)
    broken: StopError | None = None
    unseen: TransientError | None = None

    def __post_init__(self) -> None:
        self.open.set()

    async def observe(self) -> LiveState:
        if self.unseen is not None:
            raise self.unseen
        return await self.inner.observe()

    async def apply(self, operation: Operation) -> Result:
        if self.broken is not None:
            raise self.broken
        if isinstance(operation, LoadModel):
            self.loading.set()
            await self.open.wait()
        return await self.inner.apply(operation)

    def changes(self) -> AsyncIterator[None]:
        return self.inner.changes()


@dataclass
class Running:
    """A controller at work."""

    controller: Controller
    world: Gate
    history: History

    async def until(self, fact: Callable[[ApplicationStatus], bool], name: str = "app") -> ApplicationStatus:
        """Wait until the status says so."""
        async with asyncio.timeout(60):
            while not fact(status := self.controller.application(name)):  # noqa: ASYNC110 (people ask, too)
                await asyncio.sleep(0.01)
        return status

    async def synced(self, revision: str, name: str = "app") -> ApplicationStatus:
        return await self.until(lambda s: s.sync == "Synced" and s.revision == revision, name)

    async def served(self) -> list[str]:
        live = await self.world.inner.observe()
        return [f"{m.model}_{m.number}" for m in live.models if m.state == "Loaded"]


@asynccontextmanager
async def running(
    tmp_path: Path, *apps: ApplicationConfig, world: Gate | None = None
) -> AsyncIterator[Running]:
    history = History(tmp_path / "history.sqlite")
    world = world or Gate()
    intents = IntentStore(tmp_path / "intent.sqlite")
    sources = [GitApplication(each, tmp_path / "mirrors") for each in apps]
    controller = Controller(sources, world, POLICY, history, intents)
    task = asyncio.create_task(controller.run())
    try:
        yield Running(controller, world, history)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        history.close()
        intents.close()


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "r.git")


def app(repository: Repository, name: str = "app", **facts) -> ApplicationConfig:
    return ApplicationConfig(
        name, str(repository.folder), "main", interval=facts.pop("interval", 0.5), **facts
    )


BASE = {"server.yaml": server(), "iris.yaml": model("iris")}


def test_push_is_synced(tmp_path, repository):
    """From an empty world to a served model, and from one version to the next."""

    async def story():
        first = repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            status = await r.synced(first)
            assert (status.health, r.controller.ready, await r.served()) == ("Healthy", True, ["iris_1"])
            second = repository.commit({**BASE, "iris.yaml": model("iris", "gs://v2")}, message="Upgrade")
            status = await r.synced(second)
            assert await r.served() == ["iris_2"]
            last = status.last_sync
            assert (last.phase, last.revision, last.message, last.reason) == (
                "Succeeded",
                second,
                "Upgrade",
                "NewRevision",
            )

    asyncio.run(story())


def test_bad_push_keeps_serving(tmp_path, repository):
    """A broken manifest degrades itself with file and line; what it names serves on; a mend is synced."""

    async def story():
        async with running(tmp_path, app(repository)) as r:
            await r.synced(repository.commit(BASE))
            bad = repository.commit(
                {**BASE, "iris.yaml": model("iris", more=", replicas: many"), "b.yaml": model("b")}
            )
            status = await r.until(lambda s: s.revision == bad and s.health == "Degraded")
            (shown,) = (each for each in status.resources if each.key.name == "iris")
            assert (shown.health.reason, shown.file) == ("InvalidManifest", "iris.yaml")
            await r.until(
                lambda s: any(
                    each.key.name == "b" and each.health.status == "Healthy" for each in s.resources
                )
            )
            assert await r.served() == ["b_1", "iris_1"]
            await r.synced(repository.commit(BASE))
            assert await r.served() == ["iris_1"]

    asyncio.run(story())


def test_source_that_cannot_be_read_keeps_serving(tmp_path, repository):
    """The branch is gone: status Unknown with the reason, the world as it was; it comes back."""

    async def story():
        async with running(tmp_path, app(repository, interval=0.1)) as r:
            first = repository.commit(BASE)
            await r.synced(first)
            git("update-ref", "-d", "refs/heads/main", at=repository.folder)
            status = await r.until(lambda s: s.sync == "Unknown")
            assert "RevisionNotFound" in [c.reason for c in status.conditions]
            assert await r.served() == ["iris_1"]
            git("update-ref", "refs/heads/main", first, at=repository.folder)
            await r.synced(first)

    asyncio.run(story())


def test_drift_is_planned_again(tmp_path, repository):
    """A lost server's model goes to another one without a push, and the history says why."""

    async def story():
        first = repository.commit({**BASE, "spare.yaml": server("spare")})
        async with running(tmp_path, app(repository)) as r:
            await r.synced(first)
            r.world.inner.lose(FIRST)
            await r.until(
                lambda s: s.last_sync.reason == "LiveStateChanged" and s.last_sync.phase == "Succeeded"
            )
            live = await r.world.inner.observe()
            assert [(m.model, m.replica.server) for m in live.models] == [("iris", "spare")]

    asyncio.run(story())


def test_restart_without_changes_does_nothing(tmp_path, repository):
    """A second controller over the same world plans, finds nothing and executes nothing."""

    async def story():
        first = repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            await r.synced(first)
            world = r.world
        world.inner.journal.clear()
        async with running(tmp_path, app(repository), world=world) as r:
            await r.synced(first)
            assert world.inner.journal == []
            assert len(r.history.syncs("app")) == 1

    asyncio.run(story())


def test_push_during_a_sync_is_not_lost(tmp_path, repository):
    """It is planned as soon as the sync under way has ended."""

    async def story():
        repository.commit(BASE)
        async with running(tmp_path, app(repository, interval=NEVER)) as r:
            r.world.open.clear()
            await r.world.loading.wait()
            second = repository.commit({**BASE, "iris.yaml": model("iris", "gs://v2")})
            r.controller.hint("app")
            r.world.open.set()
            await r.synced(second)
            assert await r.served() == ["iris_2"]

    asyncio.run(story())


def test_plan_asked_for_during_a_sync_is_of_what_is_then(tmp_path, repository):
    """It comes from the same function: what is already done is not in it."""

    async def story():
        repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            r.world.open.clear()
            await r.world.loading.wait()
            asked = await r.controller.plan("app")
            assert (asked.reason, asked.server_moves) == ("Asked", ())
            assert [load.model for load in asked.loads] == ["iris"]
            r.world.open.set()
            await r.until(lambda s: s.sync == "Synced")
            assert (await r.controller.plan("app")).empty

    asyncio.run(story())


def test_what_was_asked_for_is_what_is_executed(tmp_path, repository):
    """The plan shown beforehand has the digest of the sync that follows."""

    async def story():
        repository.commit(BASE)
        async with running(tmp_path, app(repository, name="shown", sync=SyncPolicy(auto=False))) as r:
            await r.until(lambda s: s.sync == "OutOfSync", "shown")
            shown = await r.controller.plan("shown")
            world = r.world
        async with running(tmp_path, app(repository, name="shown"), world=world) as r:
            status = await r.until(lambda s: s.sync == "Synced", "shown")
            assert (status.last_sync.digest, status.last_sync.basis) == (shown.digest, shown.basis)

    asyncio.run(story())


def test_without_auto_nothing_is_executed(tmp_path, repository):
    """The plan is there, the world untouched."""

    async def story():
        repository.commit(BASE)
        async with running(tmp_path, app(repository, sync=SyncPolicy(auto=False))) as r:
            await r.until(lambda s: s.sync == "OutOfSync")
            r.world.inner.notify()
            r.controller.hint("app")
            await asyncio.sleep(0.2)
            assert (r.world.inner.journal, r.history.syncs("app")) == ([], ())

    asyncio.run(story())


def test_two_applications_share_a_world(tmp_path, repository):
    """One brings the server, the other the model; both come to rest."""
    other = Repository(tmp_path / "other.git")

    async def story():
        one, two = repository.commit({"server.yaml": server()}), other.commit({"iris.yaml": model("iris")})
        async with running(tmp_path, app(repository, "servers"), app(other, "models")) as r:
            await r.synced(one, "servers")
            await r.synced(two, "models")
            assert await r.served() == ["iris_1"]
            assert [s.name for s in r.controller.applications()] == ["models", "servers"]

    asyncio.run(story())


def test_failed_load_is_told_and_waited_with(tmp_path, repository):
    """The sync is Failed, the model Degraded with the runtime's reason, and nothing spins."""

    async def story():
        world = Gate()
        world.inner.faults.loads[FIRST, "iris"] = "LoadFailed"
        repository.commit(BASE)
        async with running(tmp_path, app(repository), world=world) as r:
            status = await r.until(lambda s: s.health == "Degraded")
            assert status.last_sync.phase == "Failed"
            before = len(r.history.syncs("app"))
            await asyncio.sleep(0.3)
            assert len(r.history.syncs("app")) == before
            mended = repository.commit({**BASE, "iris.yaml": model("iris", "gs://good")})
            world.inner.faults.loads.clear()
            await r.synced(mended)

    asyncio.run(story())


def test_runtime_that_cannot_go_on_ends_the_controller(tmp_path, repository):
    """The StopError comes out of run() as itself, and the sync is Interrupted at the next start."""

    async def story():
        repository.commit(BASE)
        history = History(tmp_path / "history.sqlite")
        world = Gate(broken=StopError("DiskFull", "no space"))
        intents = IntentStore(tmp_path / "intent.sqlite")
        source = GitApplication(app(repository), tmp_path / "mirrors")
        controller = Controller([source], world, POLICY, history, intents)
        with pytest.raises(StopError, match="DiskFull"):
            async with asyncio.timeout(60):
                await controller.run()
        assert [record.phase for record in history.syncs("app")] == ["Running"]
        history.close()
        intents.close()
        async with running(tmp_path, app(repository)) as r:
            await r.until(lambda s: s.sync == "Synced")
            assert [record.phase for record in r.history.syncs("app")] == ["Succeeded", "Interrupted"]

    asyncio.run(story())


def test_world_that_cannot_be_observed_is_told_and_waited_for(tmp_path, repository):
    """Nothing ends: the reason is a condition, and a push is synced once the world answers again."""

    async def story():
        async with running(tmp_path, app(repository)) as r:
            await r.synced(repository.commit(BASE))
            r.world.unseen = TransientError("Unreachable", "no answer")
            repository.commit({**BASE, "b.yaml": model("b")})
            status = await r.until(lambda s: s.sync == "Unknown")
            assert [c.reason for c in status.conditions] == ["Unreachable"]
            r.world.unseen = None
            await r.synced(repository.commit({**BASE, "c.yaml": model("c")}))
            assert await r.served() == ["c_1", "iris_1"]

    asyncio.run(story())


def test_explanation_and_unknown_names(tmp_path, repository):
    """A model is explained by the engine's verdicts; what is not known is named."""

    async def story():
        repository.commit({**BASE, "big.yaml": model("big", more=", memory: 900G")})
        async with running(tmp_path, app(repository)) as r:
            await r.until(lambda s: s.last_sync is not None and s.last_sync.phase == "Succeeded")
            explained = await r.controller.explain("app", key("Model", "default", "big"))
            assert {v.reason for v in explained.verdicts} >= {"InsufficientMemory"}
            with pytest.raises(InputError, match="ApplicationNotFound"):
                r.controller.application("nobody")
            with pytest.raises(InputError, match="ResourceNotFound"):
                await r.controller.explain("app", key("Model", "default", "nobody"))

    asyncio.run(story())

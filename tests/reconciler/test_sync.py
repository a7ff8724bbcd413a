"""The executor: order, what a failure stops, and what ends it."""

import asyncio

import pytest

from placement.inventory import ReplicaId
from reconciler.planning.planner import plan
from reconciler.sync import execute
from runtime.operations import LoadModel, SetRoutes, StartServerReplica, UnloadModel
from runtime.state import LiveState
from schemas.errors import StopError
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle

FIRST = ReplicaId("default", "mlserver", 0)


class Stopping(SimulatedRuntime):
    """A runtime that cannot go on once a model is to be loaded; other loads never end."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []

    async def apply(self, operation):
        if not isinstance(operation, LoadModel):
            return await super().apply(operation)
        if operation.model == "bad":
            raise StopError("DiskFull", "no space for the record")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(operation.model)
            raise


def failing_story(*wanted):
    async def story():
        world = SimulatedRuntime()
        world.faults.loads[FIRST, "bad"] = "LoadFailed"
        seen = []
        todo = plan(desired(*wanted), await world.observe(), POLICY)
        return await execute(todo, world, seen.append), seen, world

    return asyncio.run(story())


def test_failed_step_blocks_what_waits_for_it_and_nothing_else():
    """The route of the model that failed is not set; its neighbour is served."""
    result, _, world = failing_story(server(), model("bad"), model("good"))
    assert [(step.split()[0], r.reason) for step, r in result.failed] == [
        ("load", "LoadFailed"),
        ("route", "Blocked"),
    ]
    assert not result.ok
    assert [r.name for op in world.journal if isinstance(op, SetRoutes) for r in op.set] == ["good"]


def test_failure_reaches_everything_behind_it():
    """A server that does not start blocks its loads and their routes."""

    async def story():
        world = SimulatedRuntime()
        world.faults.starts[FIRST] = "ServerStartFailed"
        todo = plan(desired(server(), model("a")), await world.observe(), POLICY)
        return await execute(todo, world, lambda _: None)

    result = asyncio.run(story())
    assert [r.reason for _, r in result.failed] == ["ServerStartFailed", "Blocked", "Blocked"]


def test_failed_new_version_leaves_the_old_one_serving():
    """Neither route nor unload happens where the load did not."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("bad")), world)
        world.faults.loads[FIRST, "bad"] = "LoadFailed"
        world.journal.clear()
        todo = plan(desired(server(), model("bad", storageUri="gs://v2")), await world.observe(), POLICY)
        await execute(todo, world, lambda _: None)
        return world.journal

    assert not [op for op in asyncio.run(story()) if isinstance(op, SetRoutes | UnloadModel)]


def test_every_step_is_reported_once_with_its_result():
    """Progress counts up to the number of steps, blocked ones included."""
    result, seen, _ = failing_story(server(), model("bad"), model("good"))
    assert [p.done for p in seen] == list(range(1, len(seen) + 1))
    assert {p.total for p in seen} == {len(seen)}
    assert {p.step.id for p in seen if p.result.status == "failed"} == {name for name, _ in result.failed}


def test_stop_comes_out_as_itself_and_ends_what_is_under_way():
    """A StopError is neither a result nor a group of errors; other steps are cancelled."""

    async def story():
        world = Stopping()
        todo = plan(desired(server(), model("bad"), model("good")), await world.observe(), POLICY)
        with pytest.raises(StopError) as stop:
            await execute(todo, world, lambda _: None)
        return stop.value.reason, world.cancelled

    assert asyncio.run(story()) == ("DiskFull", ["good"])


def test_defect_of_a_runtime_is_not_taken_for_a_stop():
    """Whatever else is raised stays what it is."""

    class Broken(SimulatedRuntime):
        async def apply(self, operation):
            raise KeyError("a defect")

    async def story():
        todo = plan(desired(server()), LiveState(environments=SimulatedRuntime().environments), POLICY)
        await execute(todo, Broken(), lambda _: None)

    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(story())
    assert group.group_contains(KeyError)


def test_steps_that_do_not_wait_for_each_other_run_at_once():
    """Two servers start side by side: each is let through only once both have begun."""

    class Meeting(SimulatedRuntime):
        def __init__(self) -> None:
            super().__init__()
            self.both = asyncio.Barrier(2)

        async def apply(self, operation):
            if isinstance(operation, StartServerReplica):
                async with asyncio.timeout(60):
                    await self.both.wait()
            return await super().apply(operation)

    async def story():
        world = Meeting()
        todo = plan(desired(server("s1"), server("s2")), await world.observe(), POLICY)
        return await execute(todo, world, lambda _: None)

    assert asyncio.run(story()).ok


def test_doing_a_plan_twice_gives_the_same_world():
    """Every operation is idempotent: after a crash the same plan may be executed again."""

    async def story():
        world = SimulatedRuntime()
        before = desired(
            server(replicas=2), model("a"), model("b"), experiment("ab", {"a": 1, "b": 1}, default="a")
        )
        await settle(before, world)
        wanted = desired(server(), model("a", storageUri="gs://v2"))
        todo = plan(wanted, await world.observe(), POLICY)
        await execute(todo, world, lambda _: None)
        once = await world.observe()
        await execute(todo, world, lambda _: None)
        return once, await world.observe()

    once, twice = asyncio.run(story())
    assert once == twice

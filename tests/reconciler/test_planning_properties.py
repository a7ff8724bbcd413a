"""What holds for every world: one plan is enough, nothing is overfilled, nobody loses service."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.planner import plan
from reconciler.sync import execute
from runtime.operations import LoadModel, Operation, Result, SetRoutes, StopServerReplica, UnloadModel
from runtime.state import LiveState
from schemas.resource import Resource
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle

MODELS = ("a", "b", "c", "d")
SERVERS = ("s1", "s2")
MEMORY = ("100M", "300M", "500M", "900M")


@st.composite
def models(draw) -> list[Resource]:
    """Some models, of any size, version, replica count and pin."""
    chosen = []
    for name in draw(st.sets(st.sampled_from(MODELS))):
        replicas = draw(st.integers(0, 3))
        spec = {
            "storageUri": f"gs://{name}/{draw(st.integers(1, 2))}",
            "memory": draw(st.sampled_from(MEMORY)),
            "replicas": replicas,
        }
        if replicas and draw(st.booleans()):
            spec["minReplicas"] = draw(st.integers(1, replicas))
        if draw(st.integers(0, 4)) == 0:
            spec["server"] = draw(st.sampled_from(SERVERS))
        chosen.append(model(name, **spec))
    return chosen


@st.composite
def revisions(draw) -> list[Resource]:
    """Everything one revision declares."""
    servers = [
        server(name, replicas=draw(st.integers(0, 3)), memory=draw(st.sampled_from(("1G", "500M"))))
        for name in draw(st.sets(st.sampled_from(SERVERS), min_size=1))
    ]
    declared = draw(models())
    if len(declared) >= 2 and draw(st.booleans()):
        weights = {r.key.name: draw(st.integers(1, 9)) for r in declared[:2]}
        declared.append(experiment("exp", weights, default=declared[0].key.name))
    return [*servers, *declared]


@dataclass
class Guard:
    """A runtime that refuses to watch a rule being broken, around a simulated one."""

    inner: SimulatedRuntime

    async def observe(self) -> LiveState:
        return await self.inner.observe()

    def changes(self):
        return self.inner.changes()

    async def apply(self, operation: Operation) -> Result:
        before = await self.inner.observe()
        if isinstance(operation, UnloadModel | StopServerReplica):
            self._nobody_routes_there(operation, before)
        result = await self.inner.apply(operation)
        after = await self.inner.observe()
        if isinstance(operation, LoadModel):
            self._not_overfilled(operation.replica, after)
        if isinstance(operation, SetRoutes):
            self._routes_lead_to_loaded_models(operation, after)
        return result

    def _nobody_routes_there(self, operation: UnloadModel | StopServerReplica, live: LiveState) -> None:
        model_ = getattr(operation, "model", None)
        for route in live.routes:
            for weighted in route.targets:
                target = weighted.target
                if (
                    model_ in (None, target.model)
                    and getattr(operation, "version", target.version) == target.version
                ):
                    assert operation.replica not in target.replicas, f"{operation} is still routed"

    def _not_overfilled(self, at: ReplicaId, live: LiveState) -> None:
        """What was there before a server shrank may stay; nothing may be added to it."""
        limit = next(replica.template.memory for replica in live.servers if replica.id == at)
        used = sum(m.memory for m in live.models if m.replica == at and m.state != "LoadFailed")
        assert used <= limit, f"{at} is overfilled"

    def _routes_lead_to_loaded_models(self, operation: SetRoutes, live: LiveState) -> None:
        loaded = {(m.model, m.version, m.replica) for m in live.models if m.state == "Loaded"}
        for route in operation.set:
            for weighted in route.targets:
                for replica in weighted.target.replicas:
                    assert (weighted.target.model, weighted.target.version, replica) in loaded


@settings(max_examples=80, deadline=None)
@given(st.lists(revisions(), min_size=1, max_size=4))
def test_one_plan_is_enough_and_breaks_no_rule(history):
    """Executed without faults a plan leaves nothing to do, and no step breaks a rule on the way."""

    async def story():
        world = Guard(SimulatedRuntime())
        for resources in history:
            wanted = desired(*resources)
            todo = plan(wanted, await world.observe(), POLICY)
            result = await execute(todo, world, lambda _: None)
            assert result.ok, result.failed
            again = plan(wanted, await world.observe(), POLICY)
            assert again.empty, again

    asyncio.run(story())


@settings(max_examples=50, deadline=None)
@given(revisions(), revisions(), st.data())
def test_faults_are_planned_around_until_nothing_more_can_be_done(first, second, data):
    """With loads that fail for good the world still comes to rest, without breaking a rule."""

    async def story():
        world = Guard(SimulatedRuntime())
        await settle(desired(*first), world)
        for name in data.draw(st.sets(st.sampled_from(MODELS), max_size=2)):
            for index in data.draw(st.sets(st.integers(0, 2))):
                world.inner.faults.loads[ReplicaId("default", "s1", index), name] = "LoadFailed"
        await settle(desired(*second), world)
        assert plan(desired(*second), await world.observe(), POLICY).empty

    asyncio.run(story())


@settings(max_examples=50, deadline=None)
@given(revisions(), st.randoms())
def test_order_of_manifests_does_not_matter(resources, random):
    """Shuffled resources give the same plan, byte for byte."""

    async def story():
        live = await SimulatedRuntime().observe()
        shuffled = list(resources)
        random.shuffle(shuffled)
        one, two = plan(desired(*resources), live, POLICY), plan(desired(*shuffled), live, POLICY)
        assert one == two

    asyncio.run(story())

"""Steps: what waits for what, for every plan that can come up."""

import asyncio
from graphlib import TopologicalSorter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.planning.barriers import steps
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.planning.planner import plan
from runtime.operations import (
    ForgetResource,
    LoadModel,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.guard import Guard
from tests.reconciler.strategies import full_revisions, revisions
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle


def planned(before, after) -> Plan:
    """The plan from one revision, at rest, to another."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(*before), world)
        return plan(desired(*after), await world.observe(), POLICY)

    return asyncio.run(story())


def waits(todo: tuple[Step, ...]) -> dict[str, set[str]]:
    """Every step's id with the ids of all that come before it."""
    before: dict[str, set[str]] = {}
    graph = {step.id: step.after for step in todo}
    for name in TopologicalSorter(graph).static_order():
        before[name] = set(graph[name]).union(*(before[other] for other in graph[name]))
    return before


plans = st.builds(planned, *[revisions() | full_revisions()] * 2)


@settings(max_examples=100, deadline=None)
@given(plans)
def test_steps_have_ids_of_their_own_and_wait_for_steps_of_the_same_plan(todo):
    """Ids are unique, what is waited for exists, and no step waits in a circle."""
    ordered = steps(todo)
    ids = [step.id for step in ordered]
    assert len(set(ids)) == len(ids)
    assert {name for step in ordered for name in step.after} <= set(ids)
    assert len(waits(ordered)) == len(ids)


@settings(max_examples=100, deadline=None)
@given(plans)
def test_nothing_is_unloaded_before_every_route_has_let_go(todo):
    """Whatever route led to a version on a replica is set to something else first."""
    ordered = steps(todo)
    before = waits(ordered)
    for step in ordered:
        if not isinstance(step.operation, UnloadModel):
            continue
        gone = step.operation
        for change in todo.routes:
            if not _leads_to(change.before, gone):
                continue
            earlier = [s for s in ordered if s.id in before[step.id] and _sets(s, change)]
            assert earlier, f"{step.id} does not wait for route {change.name}"
            assert not any(_leads_to(route, gone) for s in earlier[-1:] for route in s.operation.set)


@settings(max_examples=50, deadline=None)
@given(plans)
def test_states_of_a_route_come_one_after_the_other(todo):
    """No state of a route can overtake a later one."""
    ordered = steps(todo)
    before = waits(ordered)
    for change in todo.routes:
        states = [step.id for step in ordered if _sets(step, change)]
        assert all(a in before[b] for a, b in pairwise(states))


@settings(max_examples=50, deadline=None)
@given(plans)
def test_loads_wait_for_their_servers_and_stops_for_their_unloads(todo):
    """A replica is up before anything is loaded on it, and empty before it is stopped."""
    ordered = steps(todo)
    before = waits(ordered)
    ups = {
        step.operation.replica: step.id
        for step in ordered
        if isinstance(step.operation, StartServerReplica | ReplaceServerReplica)
    }
    for step in ordered:
        if isinstance(step.operation, LoadModel) and step.operation.replica in ups:
            assert ups[step.operation.replica] in before[step.id]
        if isinstance(step.operation, StopServerReplica):
            at = step.operation.replica
            unloads = {
                s.id for s in ordered if isinstance(s.operation, UnloadModel) and s.operation.replica == at
            }
            assert unloads <= before[step.id]


def test_one_index_of_a_server_is_replaced_at_a_time():
    """Replacements of one server form a chain; those of two servers do not wait for each other."""
    small = [server("s1", replicas=3), server("s2", replicas=2)]
    large = [server("s1", replicas=3, memory="2G"), server("s2", replicas=2, memory="2G")]
    ordered = {step.id: step.after for step in steps(planned(small, large))}
    assert ordered["replace server default/s1/1"] == ("replace server default/s1/0",)
    assert ordered["replace server default/s1/2"] == ("replace server default/s1/1",)
    assert ordered["replace server default/s2/0"] == ()


def test_a_resource_is_forgotten_last():
    """A crash on the way leaves a record of what is still to be taken away."""
    ordered = steps(planned([server(), model("a"), model("b")], [server(), model("b")]))
    before = waits(ordered)
    (forget,) = (step for step in ordered if isinstance(step.operation, ForgetResource))
    assert before[forget.id] >= {
        step.id for step in ordered if isinstance(step.operation, UnloadModel | SetRoutes)
    }


def test_route_lets_go_early_of_what_another_model_waits_for():
    """A model that gets one more replica later answers from the first one meanwhile, and is never unserved."""
    before = [server(replicas=2), model("m", memory="500M"), model("x", memory="900M")]
    v2 = {"storageUri": "gs://v2"}
    after = [
        server(replicas=2),
        model("m", memory="500M", replicas=2, minReplicas=1, **v2),
        model("x", memory="100M", **v2),
        model("y", memory="400M"),
    ]
    (change,) = (change for change in planned(before, after).routes if change.name == "m")
    on_the_way = [[w.target.replicas for w in route.targets] for route in change.via]
    first, second = ReplicaId("default", "mlserver", 0), ReplicaId("default", "mlserver", 1)
    assert on_the_way == [[((first),)]]
    assert change.after.targets[0].target.replicas == (first, second)


def test_load_counts_on_as_many_unloads_as_it_needs():
    """Each of many loads names the unloads whose memory it takes, not all there are."""
    old = [model(f"old-{n}", memory="250M") for n in range(4)]
    new = [model(f"new-{n}", memory="250M") for n in range(4)]
    todo = planned([server(), *old], [server(), *new])
    assert [[u.model for u in load.needs] for load in todo.loads] == [[f"old-{n}"] for n in range(4)]


def test_way_station_is_left_out_where_nobody_gains_by_it():
    """A model that finds all its room elsewhere in the end is loaded there and nowhere else."""
    before = [
        server("s1", replicas=2),
        server("s2", replicas=2),
        model("a", server="s1", memory="600M", replicas=1),
        model("b", server="s2", memory="900M", replicas=2),
        model("c", server="s1", memory="900M", replicas=1),
    ]
    after = [
        *before[:2],
        model("a", memory="400M", replicas=2, minReplicas=1, storageUri="gs://v2"),
        model("b", server="s2", memory="100M", replicas=2, storageUri="gs://v2"),
        before[4],
    ]
    todo = planned(before, after)
    assert {load.replica.server for load in todo.loads if load.model == "a"} == {"s2"}
    assert len([load for load in todo.loads if load.model == "a"]) == 2


def test_mirror_is_a_member_like_any_other():
    """What is only mirrored to is not unloaded while copies go there."""
    parts = [server(), model("a"), model("b")]
    split = experiment("ab", {"a": 1}, default="a", mirror={"name": "b", "percent": 10})

    async def story():
        world = Guard(SimulatedRuntime())
        await settle(desired(*parts, split), world)
        await settle(desired(*parts[:2]), world)

    asyncio.run(story())


def _leads_to(route, unload: UnloadModel) -> bool:
    if route is None or route.namespace != unload.namespace:
        return False
    targets = [*(w.target for w in route.targets), *([route.mirror.target] if route.mirror else [])]
    return any(
        (t.model, t.version) == (unload.model, unload.version) and unload.replica in t.replicas
        for t in targets
    )


def _sets(step: Step, change) -> bool:
    if not isinstance(step.operation, SetRoutes):
        return False
    names = {(route.namespace, route.name) for route in step.operation.set} | set(step.operation.delete)
    return (change.namespace, change.name) in names

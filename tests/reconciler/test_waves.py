"""Waves and dependencies: what is held, what waits, what gives way, and that the world comes to rest."""

import asyncio
from graphlib import TopologicalSorter

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.planning.barriers import arranged, steps
from reconciler.planning.plan import Plan, Turn
from reconciler.planning.planner import plan
from reconciler.planning.waves import Order, blocked, pulled_forward, without_circles
from reconciler.status import ApplicationSource, application_status
from reconciler.sync import execute
from runtime.operations import (
    LoadModel,
    RecordResource,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
)
from runtime.state import LiveState
from schemas.order_annotations import DEPENDS_ON_ANNOTATION, SYNC_WAVE_ANNOTATION
from schemas.resource import Resource, key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.guard import Guard
from tests.reconciler.strategies import MODELS, full_revisions, revisions
from tests.reconciler.test_order import waits
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle

FIRST = ReplicaId("default", "mlserver", 0)
FORWARD = (RecordResource, StartServerReplica, ReplaceServerReplica, LoadModel, SetRoutes)


def wave(number: int) -> dict[str, dict[str, str]]:
    return {"annotations": {SYNC_WAVE_ANNOTATION: str(number)}}


def after(*names: str) -> dict[str, dict[str, str]]:
    return {"annotations": {DEPENDS_ON_ANNOTATION: ", ".join(names)}}


def held(todo: Plan) -> dict[str, str]:
    return {item.key.name: item.message for item in todo.held if item.reason == "WaveBlocked"}


def first_plan(*resources: Resource, **facts) -> Plan:
    return plan(desired(*resources, **facts), LiveState(environments=SimulatedRuntime().environments), POLICY)


def story(*resources: Resource, fail: str = "") -> tuple:
    """The first plan executed, with loads of ``fail`` failing: result, runtime, and the plan after it."""

    async def told():
        world = SimulatedRuntime()
        if fail:
            world.faults.loads[FIRST, fail] = "LoadFailed"
        result = await execute(
            plan(desired(*resources), await world.observe(), POLICY), world, lambda _: None
        )
        return result, world, plan(desired(*resources), await world.observe(), POLICY)

    return asyncio.run(told())


def changed(todo: Plan) -> set[str]:
    return {change.key.name for change in todo.changes}


def test_later_wave_comes_after_everything_of_the_earlier_one():
    """A model of wave 1 is not even recorded before one of wave 0 is routed."""
    todo = first_plan(server(), model("a"), model("b", **wave(1)))
    before = waits(steps(todo))
    assert {"route default/a", "start server default/mlserver/0"} <= before["record Model default/b"]


def test_dependency_comes_first_in_the_same_wave():
    """What depends on a model comes after its route; a third model does not wait for either."""
    todo = first_plan(server(), model("a", **after("Model/b")), model("b"), model("c"))
    before = waits(steps(todo))
    assert "route default/b" in before["record Model default/a"]
    assert "record Model default/b" not in before["route default/c"]


def test_without_waves_there_are_no_barriers():
    """A plan of an application that says nothing about order is what it was."""
    todo = first_plan(server(), model("a"), model("b"))
    assert not todo.turns
    assert all(step.operation is not None for step in steps(todo))


def test_deletes_come_last_and_in_reverse():
    """The highest wave goes first, after everything that is created."""

    async def told():
        world = SimulatedRuntime()
        await settle(desired(server(), model("x"), model("y", **wave(1))), world)
        return plan(desired(server(), model("new", **wave(2))), await world.observe(), POLICY)

    before = waits(steps(asyncio.run(told())))
    assert "route default/new" in before["route default/y"]
    assert "forget Model default/y" in before["route default/x"]


def test_failing_wave_leaves_later_ones_undone_and_says_so():
    """Nothing of wave 1 is touched; its result names the wave and the step."""
    result, world, _ = story(server(), model("bad"), model("later", **wave(1)), fail="bad")
    reasons = dict(result.failed)
    message = reasons["record Model default/later"].message
    assert message.startswith("wave 0 failed: load default/bad@")
    assert message.endswith("on default/mlserver/0: LoadFailed")
    assert "later" not in {op.resource.key.name for op in world.journal if isinstance(op, RecordResource)}


def test_failing_dependency_is_named():
    """What waits for a resource says that this one failed, and at which step."""
    result, _, _ = story(server(), model("bad"), model("on", **after("Model/bad")), fail="bad")
    assert dict(result.failed)["record Model default/on"].message.startswith(
        "Model default/bad failed: load default/bad@"
    )


def test_what_failed_in_execution_holds_the_next_plan():
    """The preview says what will happen: nothing, as long as wave 0 is not well."""
    _, _, left = story(server(), model("bad"), model("later", **wave(1)), fail="bad")
    assert left.empty
    assert held(left)["later"].startswith("waits for Model default/bad of wave 0: ")


def test_wave_that_finds_no_place_holds_later_ones():
    """A model too large for every server holds everything of later waves, and nothing of its own."""
    todo = first_plan(server(), model("big", memory="9G"), model("b"), model("c", **wave(1)))
    assert held(todo)["c"].startswith("waits for Model default/big of wave 0: ScheduleFailed")
    assert changed(todo) == {"mlserver", "big", "b"}


def test_negative_wave_comes_before_those_that_say_nothing():
    """Wave 0 waits for wave −1."""
    todo = first_plan(server(), model("big", memory="9G", **wave(-1)), model("b"))
    assert changed(todo) == {"big"}
    assert set(held(todo)) == {"mlserver", "b"}


def test_held_is_what_waits_for_what_is_held():
    """A chain of dependencies is held to its end, and the rest goes on."""
    chain = [model("big", memory="9G"), model("b", **after("Model/big")), model("c", **after("Model/b"))]
    todo = first_plan(server(), *chain, model("free"))
    assert set(held(todo)) == {"b", "c"}
    assert changed(todo) == {"mlserver", "big", "free"}


def test_wrong_manifest_holds_what_depends_on_it():
    """A dependency that cannot be read is not there."""
    todo = first_plan(server(), model("b", **after("Model/a")), invalid=(key("Model", "default", "a"),))
    assert held(todo) == {"b": "waits for Model default/a of wave 0: InvalidManifest"}


def test_dependency_that_nobody_declares_is_waited_for():
    """It may be another application's, which will bring it."""
    todo = first_plan(server(), model("b", **after("Model/elsewhere")))
    assert held(todo) == {"b": "waits for Model default/elsewhere: NotApplied"}


def test_pipelines_without_an_engine_hold_what_comes_later():
    """An experiment that no engine can run is a failure like any other."""
    pipelines = experiment("p", {"x": 1}, resourceType="pipeline")
    todo = first_plan(server(), pipelines, model("b", **wave(1)))
    assert "NoDataflowEngine" in held(todo)["b"]


def test_server_that_is_away_holds_what_comes_later():
    """Live and not well, and the plan does nothing about it."""

    async def told():
        world = SimulatedRuntime()
        await settle(desired(server(), model("a")), world)
        world.crash(FIRST)
        away = plan(desired(server(), model("a"), model("b", **wave(1))), await world.observe(), POLICY)
        world.recover(FIRST)
        back = plan(desired(server(), model("a"), model("b", **wave(1))), await world.observe(), POLICY)
        return away, back

    away, back = asyncio.run(told())
    assert (set(held(away)), held(back)) == ({"b"}, {})
    assert changed(back) == {"b"}


def test_what_is_held_is_out_of_sync_and_says_why():
    """The status of the resource, and a condition of the application with the reason."""
    wanted = desired(server(), model("big", memory="9G"), model("c", **wave(1)))
    live = LiveState(environments=SimulatedRuntime().environments)
    source = ApplicationSource("app", "repo", "main", "", "default")
    status = application_status(source, wanted, live, plan(wanted, live, POLICY))
    assert {r.key.name: r.sync for r in status.resources}["c"] == "OutOfSync"
    assert "WaveBlocked" in {condition.reason for condition in status.conditions}


def test_what_is_replaced_stays_while_its_successor_is_held():
    """Deletes come last: the old model serves until the wave that replaces it may come."""

    async def told():
        world = SimulatedRuntime()
        await settle(desired(server(), model("old")), world)
        wanted = desired(server(), model("big", memory="9G"), model("new", **wave(1)))
        return plan(wanted, await world.observe(), POLICY)

    todo = asyncio.run(told())
    assert set(held(todo)) == {"new", "old"}
    assert not todo.unloads


def test_delete_whose_memory_is_needed_is_not_held():
    """Room for wave 0 is made, whatever holds wave 1."""

    async def told():
        world = SimulatedRuntime()
        await settle(desired(server(), model("old", memory="900M")), world)
        parts = [server(), model("a", memory="800M"), model("big", memory="9G"), model("c", **wave(1))]
        return plan(desired(*parts), await world.observe(), POLICY)

    todo = asyncio.run(told())
    assert set(held(todo)) == {"c"}
    assert [unload.model for unload in todo.unloads] == ["old"]


def test_recreated_model_of_a_later_wave_makes_room_early():
    """Its unload comes before wave 0, which needs the room; that is warned of."""

    async def told():
        world = Guard(SimulatedRuntime())
        last = {SYNC_WAVE_ANNOTATION: "1", "moorage.dev/update-strategy": "Recreate"}
        await settle(desired(server(), model("b", memory="900M", annotations=last)), world)
        parts = [
            server(),
            model("a", memory="800M"),
            model("b", memory="100M", storageUri="gs://2", annotations=last),
        ]
        todo = plan(desired(*parts), await world.observe(), POLICY)
        return todo, await execute(todo, world, lambda _: None)

    todo, result = asyncio.run(told())
    assert result.ok
    assert ("b", "WaveOverridden") in {(w.key.name, w.reason) for w in todo.warnings}


def test_dependency_of_a_later_wave_is_pulled_forward():
    """What something depends on cannot come after it."""
    turns = (Turn(key("Model", "n", "a"), 0, (key("Model", "n", "b"),)), Turn(key("Model", "n", "b"), 5))
    assert [turn.wave for turn in pulled_forward(turns)] == [0, 0]


keys = st.sampled_from([key("Model", "n", name) for name in "abcdefg"])
graphs = st.dictionaries(keys, st.lists(keys, max_size=3, unique=True).map(tuple))


@given(graphs)
def test_dependencies_are_left_without_circles(graph):
    """What is left has an order, and nothing outside of circles is lost."""
    cleaned, circular = without_circles(graph)
    assert set(TopologicalSorter(cleaned).static_order()) >= set(cleaned)
    lost = {(one, other) for one, named in graph.items() for other in named if other not in cleaned[one]}
    assert all(one in circular and other in circular for one, other in lost)
    assert bool(circular) == bool(lost)


@given(st.dictionaries(keys, st.integers(-1, 2)), graphs, st.sets(keys))
def test_blocked_is_what_has_trouble_before_it(waves, graph, bad):
    """Just those with trouble in a lower wave or a dependency, or with something blocked there."""
    order = Order(waves, without_circles(graph)[0])
    found = blocked(waves, order, lambda k: "Trouble" if k in bad else "")
    expected: set = set()
    while True:
        wrong = bad | expected
        more = {
            k
            for k in waves
            if any(waves[o] < waves[k] for o in wrong & waves.keys()) or wrong & set(order.after.get(k, ()))
        }
        if more <= expected:
            break
        expected |= more
    assert found.keys() == expected


@st.composite
def ordered(draw, inner) -> list[Resource]:
    """Revisions with waves and dependencies at random."""
    resources = draw(inner)
    names = [f"{r.key.kind}/{r.key.name}" for r in resources]
    for resource in resources:
        said = dict(resource.annotations)
        if draw(st.booleans()):
            said[SYNC_WAVE_ANNOTATION] = str(draw(st.integers(-1, 2)))
        if draw(st.integers(0, 3)) == 0:
            said[DEPENDS_ON_ANNOTATION] = ",".join(draw(st.lists(st.sampled_from(names), max_size=2)))
        object.__setattr__(resource, "annotations", said)
    return resources


shapes = ordered(revisions()) | ordered(full_revisions())


@settings(max_examples=100, deadline=None)
@given(shapes, shapes)
def test_waves_come_one_after_the_other_unless_warned(first, second):
    """In any plan the steps have an order; what brings about an earlier wave or dependency comes before
    everything of what is later, except where the plan warns of it."""

    async def told():
        world = SimulatedRuntime()
        await settle(desired(*first), world)
        return plan(desired(*second), await world.observe(), POLICY)

    todo = asyncio.run(told())
    placed = arranged(todo).steps
    before = waits(placed)
    warned = {w.key for w in todo.warnings if w.reason == "WaveOverridden"}
    gone = {change.key for change in todo.changes if change.after is None}
    turns = {turn.key: turn for turn in todo.turns if turn.key not in gone}
    ahead = {
        turn.key: {s.id for s in placed if s.resource == turn.key and isinstance(s.operation, FORWARD)}
        for turn in turns.values()
    }
    for step in placed:
        if step.resource in turns and step.resource not in warned:
            turn = turns[step.resource]
            for other in turns.values():
                if other.wave < turn.wave or other.key in turn.after:
                    assert ahead[other.key] <= before[step.id], (step.id, other)


@settings(max_examples=60, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_world_comes_to_rest_wave_by_wave(history, random):
    """Executed without faults, a plan that holds nothing leaves nothing; one that holds may leave what it
    held, once, for every wave."""

    async def told():
        world = Guard(SimulatedRuntime(), random)
        for resources in history:
            wanted = desired(*resources)
            for _ in range(len(resources) + 2):
                todo = plan(wanted, await world.observe(), POLICY)
                if todo.empty:
                    break
                result = await execute(todo, world, lambda _: None)
                assert result.ok, result.failed
                again = plan(wanted, await world.observe(), POLICY)
                assert again.empty or held(todo)
            assert todo.empty

    asyncio.run(told())


@settings(max_examples=60, deadline=None)
@given(ordered(revisions()), st.sets(st.sampled_from(MODELS), min_size=1, max_size=2))
def test_failing_wave_leaves_later_waves_untouched(resources, bad):
    """Of a wave after one that fails nothing is done, except what the plan warned of."""

    async def told():
        world = SimulatedRuntime()
        for name in bad:
            for at in (ReplicaId("default", s, index) for s in ("s1", "s2") for index in range(3)):
                world.faults.loads[at, name] = "LoadFailed"
        todo = plan(desired(*resources), await world.observe(), POLICY)
        return todo, await execute(todo, world, lambda _: None), world.journal

    todo, result, journal = asyncio.run(told())
    owner = {step.id: step for step in steps(todo)}
    waves = {turn.key: turn.wave for turn in todo.turns}
    warned = {w.key for w in todo.warnings if w.reason == "WaveOverridden"}
    failing = [
        waves[owner[name].resource]
        for name, r in result.failed
        if r.reason == "LoadFailed" and owner[name].resource in waves
    ]
    for step in owner.values():
        if failing and step.resource in waves and waves[step.resource] > min(failing):
            assert step.resource in warned or step.operation not in journal

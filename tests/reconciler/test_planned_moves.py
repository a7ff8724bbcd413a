"""Placement policies and the budget for moves, as the planner uses them."""

import asyncio
from dataclasses import replace

from placement.policy import PACK, REFERENCE
from reconciler.planning.plan import Plan
from reconciler.planning.planner import plan
from runtime.state import LiveState
from schemas.resource import Resource
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, failures, live_models, model, server, settle


def run(coroutine):
    return asyncio.run(coroutine)


def apart() -> tuple[list[Resource], list[Resource], list[Resource]]:
    """Small servers, the same ones grown, and a model on each that keeps its place when they grow."""
    small = [server("s1", memory="500M"), server("s2", memory="500M")]
    return small, [server("s1"), server("s2")], [model("a", memory="400M"), model("b", memory="500M")]


def moved(budget: int, *pushed: Resource) -> tuple[list[Plan], LiveState]:
    """The plans of pack when something is pushed to two servers that are half full."""
    policy = replace(POLICY, placement=replace(PACK, max_moves=budget))
    small, grown, models = apart()

    async def story():
        world = SimulatedRuntime()
        await settle(desired(*small, *models), world)
        await settle(desired(*grown, *models), world)
        return await settle(desired(*grown, *models, *pushed), world, policy), await world.observe()

    return run(story())


def test_pack_places_more_than_the_reference():
    """The reference gives the large server to whom comes first; pack leaves it to whom needs it."""
    wanted = desired(
        server("s1"), server("s2", memory="500M"), model("a", memory="500M"), model("b", memory="900M")
    )

    async def story(policy):
        world = SimulatedRuntime()
        await settle(wanted, world, replace(POLICY, placement=policy))
        return len((await world.observe()).models)

    assert [run(story(policy)) for policy in (REFERENCE, PACK)] == [1, 2]


def test_without_a_budget_nothing_served_moves():
    """A model that needs a server for itself waits."""
    plans, live = moved(0, model("large", memory="1G"))
    assert live_models(live) == ["a_1 s1/0 Loaded", "b_1 s2/0 Loaded"]
    assert failures(plans[-1]) == [("Model default/large", "ScheduleFailed")]


def test_served_model_makes_room_within_the_budget():
    """One replica moves, and the model that waits takes its place in the same plan."""
    plans, live = moved(1, model("large", memory="1G"))
    assert len(plans) == 1
    assert live_models(live) == ["a_1 s2/0 Loaded", "b_1 s2/0 Loaded", "large_1 s1/0 Loaded"]
    assert [(load.model, load.reason) for load in plans[0].loads] == [("large", "NewModel"), ("a", "Moved")]
    assert [[u.model for u in load.needs] for load in plans[0].loads] == [["a"], []]


def test_no_move_that_helps_nobody():
    """What can be placed by no move moves nothing."""
    plans, live = moved(2, model("huge", memory="3G"))
    assert live_models(live) == ["a_1 s1/0 Loaded", "b_1 s2/0 Loaded"]
    assert [plan_.loads for plan_ in plans] == [()]


def test_idle_system_never_moves():
    """A budget that is granted while a model waits moves nothing until there is something to sync."""
    small, grown, models = apart()
    wanted = desired(*grown, *models, model("large", memory="1G"))

    async def story():
        world = SimulatedRuntime()
        await settle(desired(*small, *models), world)
        await settle(wanted, world)
        return plan(wanted, await world.observe(), replace(POLICY, placement=replace(PACK, max_moves=2)))

    todo = run(story())
    assert todo.empty
    assert failures(todo) == [("Model default/large", "ScheduleFailed")]

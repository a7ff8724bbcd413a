"""A rebalance as a plan: executed, it keeps what it promises, and leaves nothing to do."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from placement.policy import Policy as PlacementPolicy
from reconciler.planning.plan import Plan
from reconciler.planning.planner import plan
from reconciler.planning.rebalancing import check_unchanged, rebalance_plan
from reconciler.sync import execute
from runtime.state import LiveState
from schemas.errors import WaitError
from schemas.resource import Resource
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.guard import Guard
from tests.reconciler.strategies import full_revisions, revisions
from tests.reconciler.world import POLICY, desired, experiment, model, server, settle

PACKING = replace(POLICY, placement=PlacementPolicy("pack", 500))


async def resting(*history: list[Resource]) -> Guard:
    """A world that was brought from each revision to the next."""
    world = Guard(SimulatedRuntime())
    for resources in history:
        await settle(desired(*resources), world)
    return world


def serving(live: LiveState) -> Counter[tuple[str, str]]:
    """Replicas of each version that serve."""
    return Counter((m.model, m.version) for m in live.models if m.state == "Loaded")


def emptied(made: Plan) -> set[ReplicaId]:
    return {at for group in made.rebalance for at in group.frees}


SERVERS = [server("a"), server("b")]


async def half_empty(*more: Resource) -> tuple[Guard, list[Resource]]:
    """``more`` stands on b, because a was full when it came; on a there is only a small model left."""
    big, small = model("big", memory="900M"), model("small", memory="200M", server="a")
    last = [*SERVERS, small, *more]
    return await resting([*SERVERS, big], [*SERVERS, big, *more], last), last


def test_two_half_empty_servers_become_one():
    """The plan loads beside, routes, unloads: an ordinary plan with reasons of its own."""

    async def story():
        world, _ = await half_empty(model("y", memory="200M"))
        made = rebalance_plan(await world.observe(), POLICY, 10)
        assert (made.application, made.reason) == ("(rebalance)", "Rebalance")
        assert [(load.model, str(load.replica), load.reason) for load in made.loads] == [
            ("y", "default/a/0", "Moved")
        ]
        assert [(u.model, str(u.replica), u.reason) for u in made.unloads] == [("y", "default/b/0", "Moved")]
        assert [r.name for r in made.routes] == ["y"]
        assert emptied(made) == {ReplicaId("default", "b", 0)}

    asyncio.run(story())


def test_nothing_to_gain_is_an_empty_plan():
    """A plan without groups and without effects."""

    async def story():
        world = await resting([server("a"), model("x")])
        made = rebalance_plan(await world.observe(), POLICY, 10)
        assert made.empty
        assert made.rebalance == ()

    asyncio.run(story())


def test_a_world_that_is_not_at_rest_is_not_rebalanced():
    """What a sync has to do comes first, so that nothing happens but what was shown."""

    async def story():
        world = await resting([server("a"), server("b"), model("x")])
        world.inner.lose(ReplicaId("default", "a", 0))
        with pytest.raises(WaitError, match="SyncPending"):
            rebalance_plan(await world.observe(), POLICY, 10)

    asyncio.run(story())


def test_another_plan_is_not_the_one_that_was_shown():
    """It is refused with both digests."""

    async def story():
        world = await resting([server("a"), model("x")])
        made = rebalance_plan(await world.observe(), POLICY, 10)
        check_unchanged(made, made.digest)
        with pytest.raises(WaitError, match="PlanChanged"):
            check_unchanged(made, "0" * 64)

    asyncio.run(story())


def test_the_budget_is_in_the_basis():
    """Two budgets are two questions, even where the answers are alike."""

    async def story():
        world = await resting([server("a"), model("x")])
        live = await world.observe()
        one, two = (rebalance_plan(live, POLICY, most) for most in (1, 2))
        assert one.digest == two.digest
        assert one.basis != two.basis

    asyncio.run(story())


def test_members_of_an_experiment_move_without_a_gap():
    """Routes that several models share follow them."""

    async def story():
        split = experiment("pq", {"p": 1, "q": 1}, default="p", mirror={"name": "q", "percent": 10})
        world, last = await half_empty(model("p", memory="300M"), model("q", memory="300M"), split)
        made = rebalance_plan(await world.observe(), POLICY, 10)
        assert emptied(made) == {ReplicaId("default", "b", 0)}
        result = await execute(made, world, lambda _: None)
        assert result.ok
        assert plan(desired(*last), await world.observe(), POLICY).empty

    asyncio.run(story())


HISTORIES = st.lists(st.one_of(revisions(), full_revisions()), min_size=2, max_size=4)


@settings(max_examples=80, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False), st.sampled_from((POLICY, PACKING)), st.integers(1, 8))
def test_executed_it_keeps_its_promises_and_leaves_nothing_to_do(history, random, policy, most):
    """In whatever order steps end no rule is broken; all that served goes on serving; what was to be freed
    is empty, what was to be placed is placed, and the next sync has nothing to do."""

    async def story():
        world = Guard(SimulatedRuntime())
        for resources in history:
            await settle(desired(*resources), world, policy)
        before = await world.observe()
        made = rebalance_plan(before, policy, most)
        assert sum(group.cost[0] for group in made.rebalance) <= most
        assert made.empty == (not made.rebalance)
        assert (made.changes, made.server_moves) == ((), ())
        world.random = random
        result = await execute(made, world, lambda _: None)
        assert result.ok, result.failed
        after = await world.observe()
        assert not emptied(made) & {m.replica for m in after.models if m.state != "LoadFailed"}
        for group in made.rebalance:
            for placed in group.places:
                at = {
                    m.replica.index
                    for m in after.models
                    if (m.model, m.version) == (placed.model, placed.version)
                }
                assert at >= set(placed.indices)
        replaced = {placed.model for group in made.rebalance for placed in group.places}
        kept = {name: count for name, count in serving(before).items() if name[0] not in replaced}
        assert all(serving(after)[name] == count for name, count in kept.items())
        again = plan(desired(*history[-1]), after, policy)
        assert again.empty, again

    asyncio.run(story())


@settings(max_examples=40, deadline=None)
@given(HISTORIES)
def test_rebalancing_again_and_again_comes_to_rest(history):
    """Each gains something, so there is a last one."""

    async def story():
        world = await resting(*history)
        for _ in range(25):
            made = rebalance_plan(await world.observe(), POLICY, 4)
            if made.empty:
                return
            await execute(made, world, lambda _: None)
        raise AssertionError("rebalancing does not come to rest")

    asyncio.run(story())

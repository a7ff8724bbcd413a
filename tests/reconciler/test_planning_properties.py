"""What holds for every world: one plan is enough, nothing is overfilled, nobody loses service."""

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.planning.planner import plan
from reconciler.sync import execute
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.guard import Guard
from tests.reconciler.strategies import MODELS, POLICIES, full_revisions, revisions
from tests.reconciler.world import POLICY, desired, settle

policies = st.sampled_from(POLICIES)


@settings(max_examples=50, deadline=None)
@given(st.lists(revisions(), min_size=1, max_size=4), policies)
def test_one_plan_is_enough_and_breaks_no_rule(history, policy):
    """Executed without faults a plan leaves nothing to do, and no step breaks a rule on the way."""

    rules = replace(POLICY, placement=policy)

    async def story():
        world = Guard(SimulatedRuntime())
        for resources in history:
            wanted = desired(*resources)
            todo = plan(wanted, await world.observe(), rules)
            result = await execute(todo, world, lambda _: None)
            assert result.ok, result.failed
            again = plan(wanted, await world.observe(), rules)
            assert again.empty, again

    asyncio.run(story())


@settings(max_examples=60, deadline=None)
@given(st.lists(full_revisions(), min_size=2, max_size=3), policies, st.randoms(use_true_random=False))
def test_one_plan_is_enough_where_memory_is_short(history, policy, random):
    """Models that make room for one another in turn get there in one plan, in whatever order steps end."""

    rules = replace(POLICY, placement=policy)

    async def story():
        world = Guard(SimulatedRuntime(), random)
        for resources in history:
            wanted = desired(*resources)
            result = await execute(plan(wanted, await world.observe(), rules), world, lambda _: None)
            assert result.ok, result.failed
            assert plan(wanted, await world.observe(), rules).empty

    asyncio.run(story())


@settings(max_examples=30, deadline=None)
@given(revisions(), revisions(), policies, st.data())
def test_faults_are_planned_around_until_nothing_more_can_be_done(first, second, policy, data):
    """With loads that fail for good the world still comes to rest, without breaking a rule.

    What may be left is a server that cannot be replaced because a model of it no longer loads: the
    old incarnation goes on serving, and the replacement is tried again.
    """

    rules = replace(POLICY, placement=policy)

    async def story():
        world = Guard(SimulatedRuntime())
        await settle(desired(*first), world, rules)
        for name in data.draw(st.sets(st.sampled_from(MODELS), max_size=2)):
            for index in data.draw(st.sets(st.integers(0, 2))):
                world.inner.faults.loads[ReplicaId("default", "s1", index), name] = "LoadFailed"
        await settle(desired(*second), world, rules)
        left = plan(desired(*second), await world.observe(), rules)
        assert left.empty or "replace" in {move.action for move in left.server_moves}

    asyncio.run(story())


@settings(max_examples=30, deadline=None)
@given(revisions(), policies, st.randoms())
def test_order_of_manifests_does_not_matter(resources, policy, random):
    """Shuffled resources give the same plan, byte for byte."""

    rules = replace(POLICY, placement=policy)

    async def story():
        live = await SimulatedRuntime().observe()
        shuffled = list(resources)
        random.shuffle(shuffled)
        one, two = plan(desired(*resources), live, rules), plan(desired(*shuffled), live, rules)
        assert one == two

    asyncio.run(story())

"""The outcome that is worked out of a plan is what the executor leaves behind."""

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.planning.outcome import outcome
from reconciler.planning.planner import plan
from reconciler.sync import execute
from runtime.state import LiveState
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.strategies import POLICIES, full_revisions, revisions
from tests.reconciler.world import POLICY, desired


def unnumbered(live: LiveState) -> LiveState:
    """Version numbers are the record's, which knows of versions that no longer live."""
    return replace(live, models=tuple(replace(entry, number=0) for entry in live.models))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(revisions(), full_revisions()), min_size=1, max_size=3), st.sampled_from(POLICIES))
def test_the_outcome_of_a_plan_is_what_its_execution_leaves(history, policy):
    """Resources, servers, models and routes: whatever is wanted one after the other, under every policy."""
    rules = replace(POLICY, placement=policy)

    async def story():
        world = SimulatedRuntime()
        for resources in history:
            live = await world.observe()
            todo = plan(desired(*resources), live, rules)
            expected = outcome(todo, live)
            await execute(todo, world, lambda _: None)
            assert unnumbered(await world.observe()) == unnumbered(expected)

    asyncio.run(story())


def test_a_plan_that_does_nothing_leaves_the_very_same_state():
    """So that what was worked out of it is found again."""
    live = LiveState()
    assert outcome(plan(desired(), live, POLICY), live) is live

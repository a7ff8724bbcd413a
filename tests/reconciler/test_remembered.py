"""What is remembered from plan to plan, and from status to status, changes no answer."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.desired import Desired
from reconciler.planning.planner import plan, remembered_rest
from reconciler.planning.settled import known_on
from reconciler.resource_status import KnownStatuses
from reconciler.status import ApplicationSource, application_status
from reconciler.sync import execute
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.strategies import revisions
from tests.reconciler.world import POLICY, desired

SOURCE = ApplicationSource("app", "repository", "main", "", "default")
EVENTS = ("crash", "recover", "lose", "sync", "read")


def planned_from_nothing(wanted: Desired, live):
    """A plan of a process that has just started."""
    remembered_rest.cache_clear()
    known_on.cache_clear()
    return plan(wanted, live, POLICY)


async def happen(event: str, world: SimulatedRuntime, wanted: Desired) -> None:
    """Something that changes the live state, or nothing."""
    live = await world.observe()
    if event == "sync":
        await execute(plan(wanted, live, POLICY), world, lambda _: None)
    elif event != "read" and live.servers:
        getattr(world, event)(live.servers[0].id)


steps = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 1)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.tuples(revisions(), revisions()), steps)
def test_a_plan_is_the_same_whatever_was_planned_before(two, story):
    """Plans of a warm and of a fresh process are equal after each thing that may happen."""

    async def told():
        world = SimulatedRuntime()
        for event, number in (("sync", 0), *story):
            wanted = desired(*two[number])
            await happen(event, world, wanted)
            live = await world.observe()
            warm = [plan(wanted, live, POLICY) for _ in range(2)]
            assert warm == [planned_from_nothing(wanted, live)] * 2

    asyncio.run(told())


@settings(max_examples=60, deadline=None)
@given(st.tuples(revisions(), revisions()), steps)
def test_a_status_is_the_same_whatever_was_said_before(two, story):
    """What is said with and without a memory is equal, before a plan is known, with it and once it is old."""

    async def told():
        world, known, made = SimulatedRuntime(), KnownStatuses(), None
        for event, number in (("sync", 0), *story):
            wanted = desired(*two[number])
            await happen(event, world, wanted)
            live = await world.observe()
            for todo in (made, plan(wanted, live, POLICY), None):
                warm = application_status(SOURCE, wanted, live, todo, known=known)
                assert warm == application_status(SOURCE, wanted, live, todo)
            made = plan(wanted, live, POLICY)

    asyncio.run(told())

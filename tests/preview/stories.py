"""Previews to look at and to judge: a world that is brought to rest, and a pull request against it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from placement.policy import Policy as PlacementPolicy
from reconciler.planning.planner import Policy
from reconciler.preview.comparison import Commits, compare
from reconciler.preview.preview import Note, Preview
from reconciler.preview.serving import Timeouts
from reconciler.preview.ways import Side
from runtime.state import LiveState
from schemas.resource import Resource
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, settle

COMMITS = Commits("b" * 40, "c" * 40, merged=True)
TIMEOUTS = Timeouts(unload=902, load=7200, loads_at_once=4)

Revision = Iterable[Resource]


def at_rest(*applications: tuple[str, Revision], policy: Policy = POLICY) -> LiveState:
    """A world that has come to what these applications want, one after the other."""

    async def story() -> LiveState:
        runtime = SimulatedRuntime()
        for name, resources in applications:
            await settle(desired(*resources, application=name), runtime, policy)
        return await runtime.observe()

    return asyncio.run(story())


def side(
    name: str,
    base: Revision,
    head: Revision,
    policy: Policy = POLICY,
    notes: tuple[Note, ...] = (),
    **facts: object,
) -> Side:
    """One application; ``facts`` are those of the head beside its resources (``problems``, ``invalid``)."""
    wanted = desired(*head, application=name, revision="head", **facts)
    return Side(desired(*base, application=name, revision="base"), wanted, policy, notes)


def preview(
    base: Sequence[Resource],
    head: Sequence[Resource],
    live: LiveState | None = None,
    placement: PlacementPolicy | None = None,
    **facts: object,
) -> Preview:
    """Of one application ``app`` whose base is live, unless ``live`` says otherwise."""
    policy = POLICY if placement is None else replace(POLICY, placement=placement)
    live = at_rest(("app", base), policy=policy) if live is None else live
    return compare(COMMITS, [side("app", base, head, policy, **facts)], live, TIMEOUTS)

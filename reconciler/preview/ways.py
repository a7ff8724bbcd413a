"""Both sides of a pull request gone through: every application planned in sync order, against what the one before
it leaves. Pure; what the two ways differ in is :mod:`reconciler.preview.comparison`'s matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.desired import Desired
from reconciler.planning.outcome import outcome
from reconciler.planning.plan import Failure, Plan
from reconciler.planning.planner import Policy, plan
from reconciler.preview.preview import Note
from runtime.state import LiveState
from schemas.resource import ResourceKey

REASON = "Preview"
"""Why these plans are made."""


@dataclass(frozen=True)
class Side:
    """One application as the pull request finds it and leaves it, what planning it depends on, and what
    a reviewer should know of it. ``depends_on`` are applications without which it is not synced."""

    base: Desired
    head: Desired
    policy: Policy
    notes: tuple[Note, ...] = ()
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """Plans of one side in sync order, and the states that they were made against and leave: one more.
    ``blocked`` says of which application each one waits in vain that is not well; empty where none does, and
    then nothing of it is executed."""

    plans: tuple[Plan, ...]
    states: tuple[LiveState, ...]
    blocked: tuple[str, ...]

    @property
    def end(self) -> LiveState:
        """What is left by the last one."""
        return self.states[-1]

    @property
    def executed(self) -> tuple[Plan, ...]:
        """Those plans that nothing keeps from being executed."""
        return tuple(made for made, cause in zip(self.plans, self.blocked, strict=True) if not cause)

    @property
    def failures(self) -> Mapping[tuple[ResourceKey, str], Failure]:
        """What cannot be brought about in the end, by key and reason: each plan tells of the whole runtime."""
        last = self.plans[-1].failures if self.plans else ()
        return {(failure.key, failure.reason): failure for failure in last}


def assumed(sides: Sequence[Side], live: LiveState) -> LiveState:
    """``live`` once the base of every side was synced: what there is where nobody says what there is."""
    return go(live, ((side, side.base) for side in sides)).end


def go(live: LiveState, wanted: Iterable[tuple[Side, Desired]]) -> Way:
    """From ``live`` through one side of each application. What depends on an application that will not be well is
    planned, and nothing of it is executed."""
    plans: list[Plan] = []
    blocked: list[str] = []
    states, unwell = [live], set[str]()
    for side, desired in wanted:
        made = plan(desired, states[-1], side.policy, REASON)
        cause = next((name for name in side.depends_on if name in unwell), "")
        plans.append(made)
        blocked.append(cause)
        states.append(states[-1] if cause else outcome(made, states[-1]))
        if cause or not _ends_well(made, desired):
            unwell.add(desired.application)
    return Way(tuple(plans), tuple(states), tuple(blocked))


def _ends_well(made: Plan, desired: Desired) -> bool:
    """Whether the application is synced and healthy once its plan is executed, as those need it that depend on
    it. What is partly placed is healthy."""
    own = {resource.key for resource in desired.resources}
    failing = any(f.key in own and f.reason != "PartiallyScheduled" for f in made.failures)
    return not (failing or made.held or desired.invalid or desired.unreadable)

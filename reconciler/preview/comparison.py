"""From two revisions and a world to a preview: the plan of the merge, told apart from what waits on the base.

Pure. Both sides go through the one planner, in sync order, each application against what the one before it
leaves; the difference of the two outcomes is what the merge adds. Nothing here is executed, and the plan is
the one that a sync of the merge makes as long as live state and policy stay what they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.planning.diff import all_fields, field_changes
from reconciler.planning.plan import Failure, FieldChange, Held, Plan
from reconciler.planning.planner import basis_facts
from reconciler.preview.preview import (
    ApplicationPreview,
    Note,
    Preview,
    ResourceChange,
    ServingChange,
)
from reconciler.preview.rooms import capacity, replica_changes
from reconciler.preview.serving import NO_TIMEOUTS, Timeouts
from reconciler.preview.serving_changes import serving_changes
from reconciler.preview.verdict import verdict
from reconciler.preview.ways import Side, Way, go
from reconciler.secrecy import shown_plan
from runtime.state import LiveState
from schemas.codec import digest
from schemas.problem import Problem
from schemas.resource import Resource, ResourceKey


@dataclass(frozen=True)
class Commits:
    """What is compared, by commit ids; ``merged`` says that the head's side is the merge result."""

    base: str
    head: str
    merged: bool


def compare(
    commits: Commits,
    sides: Sequence[Side],
    live: LiveState,
    timeouts: Timeouts = NO_TIMEOUTS,
    notes: tuple[Note, ...] = (),
) -> Preview:
    """The preview of ``sides``, which are in sync order, against ``live``."""
    base = go(live, ((side, side.base) for side in sides))
    head = go(live, ((side, side.head) for side in sides))
    serving = serving_changes(live, base.end, head.end, head.executed, timeouts)
    parts = _Parts(sides, base, head, serving)
    told = [number for number in range(len(sides)) if parts.says_anything(number)]
    applications = tuple(parts.application(number, last=number == told[-1]) for number in told)
    replicas = replica_changes(live, base.end, head.end)
    return Preview(
        base=commits.base,
        head=commits.head,
        merged=commits.merged,
        verdict=verdict(applications),
        applications=applications,
        replicas=replicas,
        before=capacity(each.before for each in replicas),
        after=capacity(each.after for each in replicas),
        needs=_needs(applications),
        notes=notes,
        digest=digest({each.application: each.plan.digest for each in applications}),
        basis=digest({each.application: each.plan.basis for each in applications}),
    )


@dataclass(frozen=True)
class _Parts:
    """Everything that is known, taken apart by application."""

    sides: Sequence[Side]
    base: Way
    head: Way
    serving: tuple[ServingChange, ...]

    def says_anything(self, number: int) -> bool:
        """True but for an application that only depends on another one and for which nothing is to be done."""
        side = self.sides[number]
        idle = self.base.plans[number].empty and self.head.plans[number].empty
        return side.base.tree != side.head.tree or bool(side.notes) or not idle

    def application(self, number: int, *, last: bool) -> ApplicationPreview:
        """What one side has of it; the last one also has what belongs to no side."""
        side, made, waits = self.sides[number], self.head.plans[number], self.base.plans[number]
        theirs = _Share(self.sides, number, last=last)
        before, after = self.base.failures, self.head.failures
        known = {(warning.key, warning.reason) for warning in waits.warnings}
        return ApplicationPreview(
            application=side.head.application,
            namespace=side.head.namespace,
            plan=shown_plan(made),
            basis=basis_facts(side.head, self.head.states[number], side.policy),
            waits="" if waits.empty else waits.digest,
            changes=tuple(_resource_changes(side, made)),
            serving=tuple(each for each in self.serving if theirs.has(each.key)),
            failures=theirs.of(failure for at, failure in after.items() if at not in before),
            waiting_failures=theirs.own(failure for at, failure in after.items() if at in before),
            mended=theirs.of(failure for at, failure in before.items() if at not in after),
            warnings=tuple(w for w in made.warnings if (w.key, w.reason) not in known),
            problems=_new_problems(side.base.problems, side.head.problems),
            waiting_problems=len(side.base.problems),
            notes=(*side.notes, *_waiting(self.head.blocked[number])),
        )


def _waiting(cause: str) -> tuple[Note, ...]:
    message = f"not synced after the merge: it depends on application {cause}, which will not be healthy then"
    return (Note("DependencyNotReady", message),) if cause else ()


class _Share:
    """Which resources one side speaks of: its own, and the last side also of those of nobody here."""

    def __init__(self, sides: Sequence[Side], number: int, *, last: bool) -> None:
        declared = [_declared(side) for side in sides]
        self._own = declared[number]
        self._others = frozenset[ResourceKey]().union(*declared) - self._own
        self._last = last

    def has(self, key: ResourceKey) -> bool:
        """True where this side speaks of it."""
        return key in self._own or (self._last and key not in self._others)

    def own(self, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        """Those of its own resources, by key: what fails elsewhere in any case is nothing of this merge."""
        return tuple(sorted((f for f in failures if f.key in self._own), key=lambda f: f.key))

    def of(self, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        """Those of this side, by key."""
        return tuple(sorted((f for f in failures if self.has(f.key)), key=lambda f: f.key))


def _declared(side: Side) -> frozenset[ResourceKey]:
    resources = (*side.base.resources, *side.head.resources)
    return frozenset((*(r.key for r in resources), *side.base.invalid, *side.head.invalid))


def _resource_changes(side: Side, made: Plan) -> Iterator[ResourceChange]:
    """What differs between the manifests of both sides, by key. One that is no longer valid is a problem, and
    no delete."""
    before = {resource.key: resource for resource in side.base.resources}
    after = {resource.key: resource for resource in side.head.resources}
    planned = {change.key for change in made.changes}
    held = {item.key: item for item in made.held}
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key) or key in side.head.invalid:
            continue
        yield _resource_change(key, before.get(key), after.get(key), key in planned, held.get(key))


def _resource_change(
    key: ResourceKey, before: Resource | None, after: Resource | None, planned: bool, held: Held | None
) -> ResourceChange:
    origin = (after or before).origin  # type: ignore[union-attr]  # one of them is there
    return ResourceChange(
        action="create" if before is None else "delete" if after is None else "update",
        key=key,
        fields=_fields(before, after),
        effect="Planned" if planned else "AlreadySo" if held is None else "Held",
        reason="" if planned or held is None else held.reason,
        message="" if planned or held is None else held.message,
        file=origin.file,
        line=origin.line,
    )


def _fields(before: Resource | None, after: Resource | None) -> tuple[FieldChange, ...]:
    if after is None:
        return ()
    return all_fields(after) if before is None else field_changes(before, after)


def _new_problems(before: Iterable[Problem], after: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems of the head that the base has not, wherever in a file they stand."""
    known = {_said(problem) for problem in before}
    return tuple(problem for problem in after if _said(problem) not in known)


def _said(problem: Problem) -> tuple[str, ...]:
    return (
        problem.code,
        problem.file,
        problem.kind,
        problem.namespace,
        problem.name,
        problem.path,
        problem.message,
    )


def _needs(applications: Iterable[ApplicationPreview]) -> tuple[str, ...]:
    """What would make room for what this merge cannot place, each said once, by text."""
    failures = (failure for each in applications for failure in each.failures)
    return tuple(sorted({failure.remedy.message for failure in failures if failure.remedy is not None}))

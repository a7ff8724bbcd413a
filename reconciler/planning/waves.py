"""Whose turn it is: what a plan holds back because something before it is not well, and the turns of the rest.

Pure. A resource comes after all of its application that have a lower wave, and after those it names as
dependencies. Where one of these fails in this very plan, or is not well and the plan does not mend it, the
changes behind it are held, so that the preview shows what execution will do. What is held may leave others
without room or candidates, or give them some: so the plan is made anew until nothing more is held. What is
held once stays held in this plan, also where that helped what it waits for: the next plan lets it go.

Deletes come last. As long as something is held only those happen whose memory a load of the plan needs:
what replaces the others is not there yet. How the steps wait for each other is :mod:`reconciler.planning.barriers`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from itertools import count

from reconciler.desired import Desired
from reconciler.health import Observation, health
from reconciler.planning.annotated import dependencies, is_ordered, sync_wave
from reconciler.planning.barriers import arranged
from reconciler.planning.diff import Diff
from reconciler.planning.guards import ChangePolicy
from reconciler.planning.order import necessary_steps
from reconciler.planning.plan import Change, Held, Plan, PlanWarning, Turn
from reconciler.planning.touched import touched
from runtime.state import LiveState
from schemas.resource import Resource, ResourceKey

Effects = Callable[[tuple[Change, ...]], Plan]
"""What follows from changes."""
Dependencies = Mapping[ResourceKey, tuple[ResourceKey, ...]]

BLOCKED = "WaveBlocked"
MOST_LOOKS = 8
"""Plans that are made to find what is held; after these everything is that has something before it."""


def plan_in_turn(
    desired: Desired, live: LiveState, policy: ChangePolicy, difference: Diff, effects: Effects
) -> Plan:
    """What follows from those changes of ``difference`` whose turn it is; the rest is held, the plan's
    turns and warnings say how it is ordered."""
    gone = (live.manifests.get(change.key) for change in difference.changes if change.after is None)
    if not any(is_ordered(resource) for resource in (*desired.resources, *filter(None, gone))):
        return replace(effects(difference.changes), held=difference.held)
    order, causes = _order(desired, live, policy), dict[ResourceKey, ResourceKey]()
    for look in count():  # ends: every look but the last takes a change away
        made = effects(tuple(change for change in difference.changes if change.key not in causes))
        glance = Glance(made, live, order, causes.keys())
        found = _held_now(glance, causes, everything=look >= MOST_LOOKS)
        if not found:
            break
        causes.update(found)
    held = (Held(key, BLOCKED, _why(cause, glance)) for key, cause in causes.items())
    made = replace(made, held=tuple(sorted((*difference.held, *held), key=lambda item: item.key)))
    return _with_turns(made, _turned(made, desired, live), order.circular)


@dataclass(frozen=True)
class Order:
    """Waves of an application's resources, and what they depend on (also of other applications), by key.
    ``invalid`` ones have no readable manifest; ``circular`` are those whose dependencies do not count."""

    waves: Mapping[ResourceKey, int]
    after: Dependencies
    invalid: frozenset[ResourceKey] = frozenset()
    circular: tuple[ResourceKey, ...] = ()


def _order(desired: Desired, live: LiveState, policy: ChangePolicy) -> Order:
    """A manifest that cannot be read counts as of the wave it had, or of wave 0."""
    waves = {r.key: sync_wave(r) for r in desired.resources if not policy.leaves_out(r.key)}
    invalid = frozenset(key for key in desired.invalid if not policy.leaves_out(key))
    for key in invalid:
        waves[key] = sync_wave(live.manifests[key]) if key in live.manifests else 0
    said = {r.key: dependencies(r) for r in desired.resources if is_ordered(r)}
    after, circular = without_circles({key: named for key, named in said.items() if named})
    return Order(waves, after, invalid, circular)


def without_circles(after: Dependencies) -> tuple[Dependencies, tuple[ResourceKey, ...]]:
    """``after`` without the dependencies that run in a circle, or from one circle to another; and whose
    they were, sorted."""
    kept = _peeled(after)
    backward: dict[ResourceKey, list[ResourceKey]] = {}
    for key in after.keys() - kept:
        for other in after[key]:
            backward.setdefault(other, []).append(key)
    loose = _peeled({key: tuple(named) for key, named in backward.items()})
    circular = {key for key in after.keys() - kept if key not in loose and key in backward}
    cleaned = {
        key: tuple(other for other in named if not (key in circular and other in circular))
        for key, named in after.items()
    }
    return cleaned, tuple(sorted(circular))


def _peeled(after: Dependencies) -> set[ResourceKey]:
    """What is left of no circle when what waits for nothing is taken away again and again."""
    waiting = {key: sum(other in after for other in set(named)) for key, named in after.items()}
    behind: dict[ResourceKey, list[ResourceKey]] = {}
    for key, named in after.items():
        for other in set(named):
            behind.setdefault(other, []).append(key)
    free = deque(key for key, count in waiting.items() if not count)
    peeled: set[ResourceKey] = set()
    while free:
        key = free.popleft()
        peeled.add(key)
        for other in behind.get(key, ()):
            waiting[other] -= 1
            if not waiting[other]:
                free.append(other)
    return peeled


@dataclass
class Glance:
    """One plan looked at for what is not well in it; ``held`` are changes that are left out of it."""

    made: Plan
    live: LiveState
    order: Order
    held: Iterable[ResourceKey]
    changed: dict[ResourceKey, Resource | None] = field(init=False)

    def __post_init__(self) -> None:
        self.held = frozenset(self.held)
        self.changed = {change.key: change.after for change in self.made.changes}
        self._seen = Observation(self.live, self.made)
        self._touched = touched(self.made, self.live)

    def trouble(self, key: ResourceKey) -> str:
        """Why what comes after ``key`` has to wait, empty where it need not."""
        if key in self.held:
            return BLOCKED
        if key in self.order.invalid:
            return "InvalidManifest"
        resource = self.changed[key] if key in self.changed else self.live.manifests.get(key)
        if resource is None:
            return "NotApplied"
        failure = self._seen.failures.get(key)
        if failure is not None and failure.reason != "PartiallyScheduled":
            return f"{failure.reason}: {failure.message}"
        if key in self._touched:
            return ""
        state = health(resource, self._seen)
        return "" if state.status == "Healthy" else f"{state.reason}: {state.message}"


def _held_now(
    glance: Glance, causes: Mapping[ResourceKey, ResourceKey], *, everything: bool
) -> dict[ResourceKey, ResourceKey]:
    """What of this plan is held, with what it waits for: creates and updates first, then deletes."""
    order = glance.order
    candidates = [key for key, after in glance.changed.items() if after is not None and key in order.waves]
    first = min(order.waves.values(), default=0)
    if everything:
        cause = next(iter(causes.values()))
        found = {key: cause for key in candidates if order.waves[key] > first or order.after.get(key)}
    else:
        found = blocked(candidates, order, glance.trouble)
    if found or not causes:
        return found
    needed = {(u.namespace, u.model) for load in glance.made.loads for u in load.needs}
    cause = next(iter(causes.values()))
    return {
        key: cause
        for key, after in glance.changed.items()
        if after is None and not (key.kind == "Model" and (key.namespace, key.name) in needed)
    }


def blocked(
    candidates: Iterable[ResourceKey], order: Order, trouble: Callable[[ResourceKey], str]
) -> dict[ResourceKey, ResourceKey]:
    """Those of ``candidates`` that have to wait, each with what it waits for; linear in the order."""
    waiting = sorted(candidates, key=lambda key: (order.waves[key], key))
    behind: dict[ResourceKey, list[ResourceKey]] = {}
    for key in waiting:
        for other in order.after.get(key, ()):
            behind.setdefault(other, []).append(key)
    troubled = {key: said for key in {*order.waves, *behind} if (said := trouble(key))}
    # What is held itself says less than what it is held for.
    queue = deque(sorted(troubled, key=lambda key: (troubled[key] == BLOCKED, order.waves.get(key, 0), key)))
    found: dict[ResourceKey, ResourceKey] = {}
    while queue:
        cause = queue.popleft()
        later = list(behind.get(cause, ()))
        while cause in order.waves and waiting and order.waves[waiting[-1]] > order.waves[cause]:
            later.append(waiting.pop())
        fresh = sorted(key for key in later if key not in found)
        found.update((key, cause) for key in fresh)
        queue.extend(fresh)
    return found


def _why(cause: ResourceKey, glance: Glance) -> str:
    wave = glance.order.waves.get(cause)
    said = glance.trouble(cause) or "this plan brings it about first"
    return f"waits for {cause}{'' if wave is None else f' of wave {wave}'}: {said}"


def _turned(made: Plan, desired: Desired, live: LiveState) -> Iterator[Turn]:
    """The turns of the application's resources that have steps in this plan, by key."""
    gone = {change.key for change in made.changes if change.after is None}
    manifests = {**live.manifests, **{c.key: c.after for c in made.changes if c.after is not None}}
    own = {entry.resource.key for entry in live.resources if entry.owner == desired.application}
    own.update(change.key for change in made.changes)
    involved = {step.resource for step in necessary_steps(made)} & own
    said = {
        key: tuple(other for other in dependencies(manifests[key]) if other in involved - gone)
        for key in sorted(filter(None, involved))
    }
    after, _ = without_circles({key: () if key in gone else named for key, named in said.items()})
    waves = {key: sync_wave(manifests[key]) for key in said}
    for key, named in after.items():
        yield Turn(key, waves[key], named)


def _with_turns(made: Plan, turns: Iterable[Turn], circular: tuple[ResourceKey, ...]) -> Plan:
    """``made`` with its turns, and a warning for each that cannot be had as it was asked for."""
    asked = tuple(turns)
    pulled = tuple(pulled_forward(asked))
    made = replace(made, turns=pulled)
    early = {*arranged(made).early, *(a.key for a, b in zip(asked, pulled, strict=True) if a != b)}
    changing = {change.key for change in made.changes}
    circle = "its dependencies run in a circle: they are not waited for"
    before = "some of its steps come before its wave or dependency: an earlier one cannot do without them"
    warnings = [
        *made.warnings,
        *(PlanWarning(key, "WaveOverridden", before) for key in early),
        *(PlanWarning(key, "DependencyCycle", circle) for key in circular if key in changing),
    ]
    return replace(made, warnings=tuple(sorted(warnings, key=lambda w: (w.key, w.reason))))


def pulled_forward(turns: tuple[Turn, ...]) -> Iterator[Turn]:
    """``turns``, where what others depend on is of no later wave than these; their order stays."""
    waves = {turn.key: turn.wave for turn in turns}
    for turn in reversed(list(_dependencies_first(turns))):
        for other in turn.after:
            waves[other] = min(waves[other], waves[turn.key])
    for turn in turns:
        yield replace(turn, wave=waves[turn.key])


def _dependencies_first(turns: tuple[Turn, ...]) -> Iterator[Turn]:
    by_key = {turn.key: turn for turn in turns}
    order = TopologicalSorter({turn.key: turn.after for turn in turns})
    return (by_key[key] for key in order.static_order())

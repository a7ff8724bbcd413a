"""The order that people ask for, laid over the one that has to be: waves and dependencies as barriers. Pure.

A wave's barrier is done once everything is done that brings the wave about: records, servers, loads and
routes. Whatever belongs to a later wave waits for it. What is deleted comes last, its highest wave first.
One barrier stands for all pairs of steps, so the graph grows with the plan and not with its square.

What a step has to wait for in any case comes first: memory for a load of wave 0 may be what a model of wave
1 holds. So a step is never later than the steps that cannot do without it. Such a step waits for the
barriers before *those*, and the order that was asked for gives way; a plan warns of it. That is why no
circle can come about: every barrier stands between two levels, and no step waits for a higher level than
its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import pairwise

from reconciler.planning.order import Step, necessary_steps
from reconciler.planning.plan import Plan, Turn
from runtime.operations import (
    LoadModel,
    RecordResource,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
)
from schemas.resource import ResourceKey

_Level = tuple[int, int, int]
"""(0, wave, dependencies before it in that wave), or (1, −wave, 0) for what is deleted; sorts by turn."""
_Group = tuple[int, int]
"""Level without dependencies: what one barrier closes."""

_NO_TURN: _Level = (2, 0, 0)
_FORWARD = (RecordResource, StartServerReplica, ReplaceServerReplica, LoadModel, SetRoutes)


@dataclass(frozen=True)
class Arranged:
    """Steps with the barriers between them, and the resources whose steps come before their turn, sorted."""

    steps: tuple[Step, ...]
    early: tuple[ResourceKey, ...]


def steps(plan: Plan) -> tuple[Step, ...]:
    """The steps of ``plan``, each after those it waits for."""
    return arranged(plan).steps


def arranged(plan: Plan) -> Arranged:
    """The steps of ``plan`` in the order that has to be, and then in the one that was asked for."""
    todo = necessary_steps(plan)
    if not plan.turns:
        return Arranged(todo, ())
    deleted = {change.key for change in plan.changes if change.after is None}
    return _Arrangement(todo, plan.turns, deleted).arranged()


class _Arrangement:
    """Levels of resources and steps, and the barriers between them."""

    def __init__(self, todo: Sequence[Step], turns: Sequence[Turn], deleted: set[ResourceKey]) -> None:
        self._todo = todo
        self._turns = {turn.key: turn for turn in turns}
        self._levels = dict(_levels(turns, deleted))
        self._earliest = self._effective()
        members = self._members()
        groups = sorted({self._levels[key][:2] for key in members})
        self._before: dict[_Group, str] = {group: _name(previous) for previous, group in pairwise(groups)}
        self._groups = groups
        self._awaited = members

    def arranged(self) -> Arranged:
        early: set[ResourceKey] = set()
        placed = [self._placed(step, early) for step in self._todo]
        waited = {name for step in placed for name in step.after}
        return Arranged((*placed, *self._barriers(waited)), tuple(sorted(early)))

    def _members(self) -> dict[ResourceKey, list[str]]:
        """The steps that bring each resource about, or take it away."""
        members: dict[ResourceKey, list[str]] = {}
        for step in self._todo:
            if step.resource not in self._levels or step.resource is None:
                continue
            named = members.setdefault(step.resource, [])
            if self._levels[step.resource][0] or isinstance(step.operation, _FORWARD):
                named.append(step.id)
        return members

    def _effective(self) -> dict[str, _Level]:
        """The level of every step: its resource's, or the lowest of those that have to wait for it."""
        earliest = {
            step.id: self._levels.get(step.resource, _NO_TURN) if step.resource else _NO_TURN
            for step in self._todo
        }
        after = {step.id: step.after for step in self._todo}
        for name in reversed(list(TopologicalSorter(after).static_order())):
            for other in after[name]:
                earliest[other] = min(earliest[other], earliest[name])
        return earliest

    def _placed(self, step: Step, early: set[ResourceKey]) -> Step:
        """``step`` after the barriers of its level; ``early`` is told whose turn gave way."""
        if step.resource is None or step.resource not in self._levels:
            return step
        own, level = self._levels[step.resource], self._earliest[step.id]
        gates = [self._before[level[:2]]] if level[:2] in self._before else []
        gives_way = level[:2] < own[:2] and own[0] == 0
        for other in self._turns[step.resource].after if own[0] == 0 else ():
            if self._levels[other] < level:
                # One of an earlier wave is waited for with its wave.
                gates += (
                    [str(other)] if self._levels[other][:2] == level[:2] and self._awaited.get(other) else []
                )
            else:
                gives_way = True
        if gives_way:
            early.add(step.resource)
        return replace(step, after=(*gates, *step.after)) if gates else step

    def _barriers(self, waited: set[str]) -> Iterator[Step]:
        """Those of resources by key, then those of waves in their order."""
        by_group: dict[_Group, list[str]] = {}
        for key, names in sorted(self._awaited.items()):
            by_group.setdefault(self._levels[key][:2], []).extend(names)
            if str(key) in waited:
                yield Step(str(key), None, tuple(names))
        for group in self._groups[:-1]:
            before = (self._before[group],) if group in self._before else ()
            yield Step(_name(group), None, (*before, *by_group[group]))


def _name(group: _Group) -> str:
    return f"deletes of wave {-group[1]}" if group[0] else f"wave {group[1]}"


def _levels(turns: Iterable[Turn], deleted: set[ResourceKey]) -> Iterator[tuple[ResourceKey, _Level]]:
    """The level of every resource that has a turn."""
    by_key = {turn.key: turn for turn in turns}
    depths: dict[ResourceKey, int] = {}
    for key in TopologicalSorter({turn.key: turn.after for turn in by_key.values()}).static_order():
        turn = by_key[key]
        beside = [other for other in turn.after if by_key[other].wave == turn.wave]
        depths[key] = max((depths[other] + 1 for other in beside), default=0)
        yield key, (1, -turn.wave, 0) if key in deleted else (0, turn.wave, depths[key])

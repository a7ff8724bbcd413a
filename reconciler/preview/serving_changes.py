"""What becomes of every model and experiment that a merge touches: one word, before and after. Pure.

Told of live state against the outcome of the merge; what the base would do all the same is marked as
waiting. Who goes unanswered meanwhile is worked out in :mod:`reconciler.preview.serving`.
"""

from collections.abc import Iterable, Iterator, Sequence

from reconciler.planning.plan import Plan
from reconciler.preview.preview import ServingChange, Standing, Verb
from reconciler.preview.serving import Name, Timeouts, break_of, standing
from runtime.routes import Route
from runtime.state import LiveState
from schemas.resource import ResourceKey, key

_EXPERIMENT = ".experiment"
"""What follows an experiment's name where it is asked for itself; no Kubernetes name of a model ends so."""


def serving_changes(
    live: LiveState, base: LiveState, merged: LiveState, plans: Sequence[Plan], timeouts: Timeouts
) -> tuple[ServingChange, ...]:
    """Everything that ``plans`` change between ``live`` and ``merged``, by key; ``base`` is what the base comes
    to without the merge."""
    comparison = _Comparison(live, base, merged, plans, timeouts)
    found = (comparison.change(key) for key in sorted(set(_touched(plans))))
    return tuple(change for change in found if change is not None)


def _touched(plans: Iterable[Plan]) -> Iterator[ResourceKey]:
    for plan in plans:
        yield from (_asked_for(change.namespace, change.name) for change in plan.routes)
        yield from (key("Model", load.namespace, load.model) for load in plan.loads)
        yield from (key("Model", unload.namespace, unload.model) for unload in plan.unloads)
        yield from (f.key for f in plan.failures if f.key.kind in ("Model", "Experiment"))
        yield from (change.key for change in plan.changes if change.key.kind in ("Model", "Experiment"))


def _asked_for(namespace: str, name: str) -> ResourceKey:
    """Whose route it is: an experiment may shape that of a model, and it is still the model's."""
    experiment = name.removesuffix(_EXPERIMENT)
    return key("Model", namespace, name) if experiment == name else key("Experiment", namespace, experiment)


class _Comparison:
    def __init__(
        self,
        live: LiveState,
        base: LiveState,
        merged: LiveState,
        plans: Sequence[Plan],
        timeouts: Timeouts,
    ) -> None:
        self._live = live
        self._base = base
        self._merged = merged
        self._plans = plans
        self._timeouts = timeouts
        self._failed = {failure.key for failure in plans[-1].failures} if plans else set()

    def change(self, resource: ResourceKey) -> ServingChange | None:
        """What becomes of one model or experiment; None where nothing does."""
        before, after = self._standing(resource, self._live), self._standing(resource, self._merged)
        verb = self._verb(resource, before, after)
        if verb is None:
            return None
        wanted = resource in self._merged.applied
        name = _route_name(resource)
        return ServingChange(
            key=resource,
            owner=self._owner(resource),
            verb=verb,
            before=before,
            after=after,
            interruption=break_of(name, self._live, self._plans, self._timeouts, wanted=wanted),
            waiting=self._is_same(resource, self._base, self._merged),
        )

    def _standing(self, resource: ResourceKey, live: LiveState) -> Standing | None:
        return standing(_route_name(resource), live) if resource.kind == "Model" else None

    def _verb(self, resource: ResourceKey, before: Standing | None, after: Standing | None) -> Verb | None:
        if resource not in self._merged.applied:
            return "Removed" if resource in self._live.applied else None
        if resource.kind == "Model":
            if resource in self._failed and (after is None or after == before):
                return "Unplaced"
            if after is None:
                return "Unloaded" if before is not None else None
            if before is None:
                return "Placed" if resource in self._live.applied else "Added"
            if before != after:
                return _moved(before, after)
        elif resource not in self._live.applied:
            return "Added"
        return None if self._routes_as_before(resource) else "Rerouted"

    def _routes_as_before(self, resource: ResourceKey) -> bool:
        return self._route(resource, self._live) == self._route(resource, self._merged)

    def _route(self, resource: ResourceKey, live: LiveState) -> Route | None:
        return live.routed.get(_route_name(resource))

    def _is_same(self, resource: ResourceKey, one: LiveState, other: LiveState) -> bool:
        """True where resource, standing and route are the same in both."""
        applied = [each.applied.get(resource) for each in (one, other)]
        return (
            (applied[0] and applied[0].resource) == (applied[1] and applied[1].resource)
            and self._standing(resource, one) == self._standing(resource, other)
            and self._route(resource, one) == self._route(resource, other)
        )

    def _owner(self, resource: ResourceKey) -> str:
        found = (each.applied.get(resource) for each in (self._merged, self._live))
        return next((entry.owner for entry in found if entry is not None), "")


def _route_name(resource: ResourceKey) -> Name:
    name = resource.name if resource.kind == "Model" else f"{resource.name}{_EXPERIMENT}"
    return resource.namespace, name


def _moved(before: Standing, after: Standing) -> Verb:
    if before.version != after.version:
        return "NewVersion"
    had, has = set(before.replicas), set(after.replicas)
    if had < has:
        return "MoreReplicas"
    return "FewerReplicas" if has < had else "Moved"

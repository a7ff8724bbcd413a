"""Routes: what a plan wants the gateway to do, and what can be done of it right now.

A planned :class:`Route` names versions by digest and replicas by identity. :func:`effective` leaves
out replicas that are not serving: that is repair, which needs no new plan. Weights and members only
change by a plan. Nothing here knows Envoy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from placement.inventory import ReplicaId
from schemas.codec import Digested


@dataclass(frozen=True, order=True)
class Target:
    """One model version on the replicas that are to answer for it, sorted."""

    model: str
    version: str
    replicas: tuple[ReplicaId, ...]


@dataclass(frozen=True)
class WeightedTarget:
    """A target and its share: weight ÷ sum of the weights in the route."""

    target: Target
    weight: int


@dataclass(frozen=True)
class MirrorTarget:
    """A target that gets a copy of ``percent`` of the requests."""

    target: Target
    percent: int


@dataclass(frozen=True)
class Route(Digested):
    """What ``seldon-model: NAME`` reaches. ``name`` is a model or ``<experiment>.experiment``.

    ``targets`` are sorted by model. ``experiment`` names the experiment that shaped the route; then
    answers are sticky. With ``strict`` the split holds only while every member serves, otherwise all
    traffic goes to ``default`` (the reference's rule).
    """

    namespace: str
    name: str
    targets: tuple[WeightedTarget, ...]
    mirror: MirrorTarget | None = None
    experiment: str | None = None
    strict: bool = False
    default: str | None = None


def effective(route: Route, serving: Callable[[Target, ReplicaId], bool]) -> Route | None:
    """The route over the replicas that serve, or None where nothing is left to answer."""
    targets = tuple(
        replace(weighted, target=kept)
        for weighted in route.targets
        if (kept := _serving_part(weighted.target, serving)).replicas
    )
    mirror = route.mirror
    if mirror is not None:
        kept = _serving_part(mirror.target, serving)
        mirror = replace(mirror, target=kept) if kept.replicas else None
    if route.strict and (len(targets) < len(route.targets) or (route.mirror and not mirror)):
        targets = tuple(w for w in targets if w.target.model == route.default)
        mirror = None
    if not targets:
        return None
    return replace(route, targets=targets, mirror=mirror)


def _serving_part(target: Target, serving: Callable[[Target, ReplicaId], bool]) -> Target:
    return replace(target, replicas=tuple(r for r in target.replicas if serving(target, r)))

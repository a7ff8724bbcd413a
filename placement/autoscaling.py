"""How many replicas a server or a model should have, as a recommendation.

The formulas and bounds are those of Seldon Core 2 (its scheduler's ``server`` package and its agent's
scaling rules); where it goes wrong, see *Autoscaling* in ``docs/placement.md``. Nothing is written here:
what is recommended reaches a manifest by a commit, or not at all. A recommendation that differs from the
current count lies within the bounds; what is outside them is left to the check of the manifest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from placement.demand import Demand
from placement.filters import has_capabilities, has_explainer_runtime, is_holding, reject_server
from placement.inventory import Inventory, Server, ServerReplica
from placement.placement import Assignment
from schemas.scaling import UNLIMITED, Scaling

ScalingReason = Literal[
    "ModelReplicaCount",
    "EmptyReplicas",
    "ServerPacking",
    "InferenceLag",
    "Inactive",
    "AtBound",
    "NotAvailable",
    "RecentlyChanged",
    "AutoscalingOff",
    "Unchanged",
]


@dataclass(frozen=True)
class Recommendation:
    """So many replicas are ``desired``; where that is the current count, ``reason`` says why not more
    or fewer."""

    desired: int
    reason: ScalingReason
    message: str


@dataclass(frozen=True)
class LagRules:
    """Requests that may be on their way per replica, and seconds. ``period_seconds`` is how often a
    model's load is measured, ``settle_seconds`` how long a count stands before it is lowered."""

    lag_threshold: int = 30
    inactive_seconds: int = 600
    period_seconds: int = 20
    settle_seconds: int = 60


@dataclass(frozen=True)
class ModelLoad:
    """What was measured of a model: requests that came in and are not answered yet, on its busiest
    replica; seconds since the last request and since its replicas last changed; whether the latest
    version is available."""

    lag: int
    idle_seconds: int
    unchanged_seconds: int
    available: bool


def scale_model(scaling: Scaling, load: ModelLoad, rules: LagRules = LagRules()) -> Recommendation:
    """One replica more where requests queue up, one fewer where none come, never below 1.

    ``scaling.replicas`` is the current count.
    """
    current = scaling.replicas
    if scaling.min_replicas <= 0 and scaling.max_replicas == UNLIMITED:
        return Recommendation(current, "AutoscalingOff", "neither minReplicas nor maxReplicas is set")
    if load.lag >= rules.lag_threshold:
        return _more(scaling, load, rules)
    if load.idle_seconds >= rules.inactive_seconds:
        return _fewer(scaling, load, rules)
    return Recommendation(current, "Unchanged", f"lag {load.lag}, idle for {load.idle_seconds} s")


def _more(scaling: Scaling, load: ModelLoad, rules: LagRules) -> Recommendation:
    current = scaling.replicas
    if not load.available:
        return Recommendation(current, "NotAvailable", "the latest version is not available yet")
    if current >= scaling.max_replicas:
        return Recommendation(current, "AtBound", f"maxReplicas is {scaling.max_replicas}")
    desired = max(current + 1, scaling.min_replicas)
    return Recommendation(desired, "InferenceLag", f"lag {load.lag} is not below {rules.lag_threshold}")


def _fewer(scaling: Scaling, load: ModelLoad, rules: LagRules) -> Recommendation:
    current, least = scaling.replicas, max(scaling.min_replicas, 1)
    if current <= least:
        return Recommendation(current, "AtBound", f"at least {least} stays")
    if load.unchanged_seconds < rules.settle_seconds:
        message = f"changed {load.unchanged_seconds} s ago, {rules.settle_seconds} s have to pass"
        return Recommendation(current, "RecentlyChanged", message)
    desired = min(current - 1, scaling.max_replicas)
    return Recommendation(desired, "Inactive", f"no request for {load.idle_seconds} s")


def scale_server_up(scaling: Scaling, needed: int) -> Recommendation:
    """As many replicas as the model with the most replicas there needs (:func:`needed_replicas`), since
    a server replica holds at most one of them. ``scaling.replicas`` is the current count, −1 unknown."""
    current, desired = scaling.replicas, min(needed, scaling.max_replicas)
    if current < 0:
        return Recommendation(current, "Unchanged", "the number of replicas is not known")
    if needed <= current:
        return Recommendation(current, "Unchanged", f"models need {needed} replicas of {current}")
    if desired <= current:
        return Recommendation(current, "AtBound", f"a model needs {needed}, maxReplicas is {desired}")
    return Recommendation(desired, "ModelReplicaCount", f"a model needs {needed} replicas")


def scale_server_down(scaling: Scaling, needed: int, empty: int, packing: bool = False) -> Recommendation:
    """Fewer replicas after a model replica left: the ``empty`` ones may go, with ``packing``
    (:func:`packs`) all beyond what the largest model needs. At least 1 and ``minReplicas`` stay."""
    current, least = scaling.replicas, max(scaling.min_replicas, 1)
    if current <= least:
        return Recommendation(current, "AtBound", f"at least {least} stays")
    if packing and needed < current:
        desired = min(max(least, needed), scaling.max_replicas)
        return Recommendation(desired, "ServerPacking", f"no model needs more than {needed} replicas")
    if empty <= 0:
        return Recommendation(current, "Unchanged", "no replica is empty")
    desired = min(max(least, current - empty), scaling.max_replicas)
    return Recommendation(desired, "EmptyReplicas", f"{empty} of {current} replicas are empty")


def packs(removal: int, share: Fraction) -> bool:
    """True where the ``removal``-th removal of a model replica (from 1) may pack its server: ``share``
    of them, spread evenly. An exact fraction, as 0.29 × 100 is less than 29."""
    return removal * share // 1 > (removal - 1) * share // 1


def empty_replicas(server: Server) -> int:
    """Replicas of the server that hold nothing and are there."""
    return sum(
        replica.state != "Lost" and not replica.unlisted and not any(map(is_holding, replica.loaded))
        for replica in server.replicas
    )


def needed_replicas(
    server: Server, demands: Iterable[Demand], assignments: Sequence[Assignment], inventory: Inventory
) -> int:
    """The most replicas that a model wants which is on the server, or which waits and would be if the
    server had more of them (:func:`growing_server`)."""
    spots = {(done.namespace, done.model): done.server for done in assignments}
    needed = 0
    for demand in demands:
        if demand.namespace == server.namespace and demand.replicas > needed:
            spot = spots.get((demand.namespace, demand.model))
            if spot == server.name or (spot is None and growing_server(demand, inventory) == server):
                needed = demand.replicas
    return needed


def growing_server(demand: Demand, inventory: Inventory) -> Server | None:
    """The server that should grow for a model that waits: first one that serves the model, then by name,
    of those that have too few replicas and whose replicas could serve it when empty."""
    found = [server for server in inventory.in_namespace(demand.namespace) if _would_help(demand, server)]
    return min(found, key=lambda server: (not _serves(demand, server), server.name), default=None)


def _would_help(demand: Demand, server: Server) -> bool:
    few = max(server.expected_replicas, len(server.replicas)) < demand.replicas
    return few and reject_server(demand, server) is None and any(_could(demand, r) for r in server.replicas)


def _could(demand: Demand, replica: ServerReplica) -> bool:
    able = has_capabilities(demand, replica) is None and has_explainer_runtime(demand, replica) is None
    return able and replica.state != "Lost" and demand.memory <= replica.limit - replica.reserved


def _serves(demand: Demand, server: Server) -> bool:
    return any(e.model == demand.model and is_holding(e) for r in server.replicas for e in r.loaded)

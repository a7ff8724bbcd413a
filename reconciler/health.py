"""Health of every resource and of an application, from what was observed. Pure; the one place for it.

The words are Argo CD's: Healthy, Suspended, Progressing, Missing, Degraded, Unknown, from best to
worst; an application is as healthy as its worst resource. The reasons of models and servers are the
reference's states where it has one (ModelAvailable, ScheduleFailed, …).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from placement.inventory import ReplicaId
from reconciler.planning.plan import Failure, Plan
from runtime.state import LiveModelReplica, LiveServerReplica, LiveState
from schemas.resource import Resource, ResourceKey
from schemas.scaling import Scaling, effective_scaling
from schemas.specs import ExperimentSpec, ModelSpec, ServerSpec

HealthStatus = Literal["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]
WORST_LAST: tuple[HealthStatus, ...] = (
    "Healthy",
    "Suspended",
    "Progressing",
    "Missing",
    "Degraded",
    "Unknown",
)


@dataclass(frozen=True)
class Health:
    """How a resource is, with the CamelCase reason and a sentence; ``available`` of ``desired`` replicas."""

    status: HealthStatus
    reason: str = ""
    message: str = ""
    desired: int = 0
    available: int = 0


def worst(healths: Iterable[HealthStatus]) -> HealthStatus:
    """The worst of them; Healthy where there is none."""
    return max(healths, key=WORST_LAST.index, default="Healthy")


class Observation:
    """One live state and the plan made from it, indexed for questions about single resources.

    ``waiting`` says that nothing will be done about the plan now (a gate is closed): what it changes is
    then as well as what is applied, and not on its way.
    """

    def __init__(self, live: LiveState, plan: Plan | None, *, waiting: bool = False) -> None:
        self.applied = live.applied
        self.quiet = Observation(live, None) if waiting else None
        self.failures: Mapping[ResourceKey, Failure] = (
            {failure.key: failure for failure in plan.failures} if plan else {}
        )
        self.changing = {change.key for change in plan.changes} if plan else set()
        self.held = {item.key: item for item in plan.held} if plan else {}
        self.models = live.by_model
        self.servers: dict[tuple[str, str], list[LiveServerReplica]] = {}
        for replica in live.servers:
            self.servers.setdefault((replica.id.namespace, replica.id.server), []).append(replica)
        self.states: dict[ReplicaId, str] = {replica.id: replica.state for replica in live.servers}
        self.moving = {(load.namespace, load.model) for load in plan.loads} if plan else set()
        self.server_moves = (
            {(m.replica.namespace, m.replica.server) for m in plan.server_moves} if plan else set()
        )
        self.routes = {(change.namespace, change.name) for change in plan.routes} if plan else set()
        said = {*self.failures, *self.changing, *self.held}
        self.named = self.moving.union((key.namespace, key.name) for key in said)
        """What the plan says anything about that a model's health may depend on, by (namespace, name)."""


def health(resource: Resource, seen: Observation) -> Health:
    """The health of one wanted resource."""
    if seen.quiet is not None and resource.key in seen.changing and resource.key in seen.applied:
        return health(seen.applied[resource.key].resource, seen.quiet)
    if resource.key not in seen.applied:
        return Health("Missing", "NotApplied", "not applied yet")
    match resource.spec:
        case ModelSpec():
            return _model_health(resource, resource.spec, seen)
        case ServerSpec():
            return _server_health(resource, resource.spec, seen)
        case ExperimentSpec():
            return _experiment_health(resource, resource.spec, seen)
    failure = seen.failures.get(resource.key)
    if failure is not None:
        return Health("Degraded", failure.reason, failure.message)
    return Health("Healthy", "Applied")


def _model_health(resource: Resource, spec: ModelSpec, seen: Observation) -> Health:
    """The reference's rules, but for two: a failed load is no failure of a model that has all its replicas
    elsewhere, and what this plan still has to load is progress."""
    scaling = effective_scaling(spec.replicas, spec.min_replicas, spec.max_replicas)
    name = (resource.key.namespace, resource.key.name)
    version = spec.version
    entries = [entry for entry in seen.models.get(name, ()) if entry.version == version]
    available = sum(_serves(entry, seen) for entry in entries)
    counts = (scaling.replicas, available)
    failed = next((entry for entry in entries if entry.state == "LoadFailed"), None)
    failure = seen.failures.get(resource.key)
    if failure is not None and failure.reason == "ScheduleFailed":
        reason = "LoadFailed" if failed else failure.reason
        message = failed.message if failed else failure.message
        return Health("Degraded", reason, message, *counts)
    if name in seen.moving:
        return Health("Progressing", "ModelProgressing", "replicas are to be loaded", *counts)
    if failed and available < scaling.replicas:
        return Health("Degraded", "LoadFailed", f"on {failed.replica}: {failed.message}", *counts)
    if failure is not None and failure.reason == "NamespaceNotServed":
        return Health("Degraded", failure.reason, failure.message, *counts)
    return _availability(scaling, available, failure)


def _availability(scaling: Scaling, available: int, failure: Failure | None) -> Health:
    """``minReplicas`` are enough to be available, where they are set; else all that are placed."""
    counts = (scaling.replicas, available)
    if scaling.replicas == 0:
        if available:
            return Health("Progressing", "ModelProgressing", "replicas are to be unloaded", *counts)
        return Health("Healthy", "ModelScaledDown", "replicas: 0", *counts)
    placed = scaling.replicas if failure is None else failure.placed
    short = f"{available} of {placed} replicas are ready"
    if available < min(placed, scaling.min_replicas or placed):
        return Health("Progressing", "ModelProgressing", short, *counts)
    if failure is not None:
        return Health("Healthy", failure.reason, failure.message, *counts)
    return Health("Healthy", "ModelAvailable", short if available < placed else "", *counts)


def _serves(entry: LiveModelReplica, seen: Observation) -> bool:
    return entry.state == "Loaded" and seen.states.get(entry.replica) == "Ready"


def _server_health(resource: Resource, spec: ServerSpec, seen: Observation) -> Health:
    desired = effective_scaling(spec.replicas, spec.min_replicas, spec.max_replicas).replicas
    name = (resource.key.namespace, resource.key.name)
    replicas = seen.servers.get(name, [])
    ready = sum(replica.state == "Ready" for replica in replicas)
    failure = seen.failures.get(resource.key)
    if failure is not None:
        return Health("Degraded", failure.reason, failure.message, desired, ready)
    lost = next((r for r in replicas if r.state == "Lost"), None)
    if lost is not None:
        reason = lost.reason or "ServerReplicaLost"
        return Health("Degraded", reason, f"replica {lost.id.index}: {lost.message}", desired, ready)
    kept = next((r for r in replicas if r.state == "Ready" and r.reason), None)
    if kept is not None and name in seen.server_moves:  # its replacement failed and is still wanted
        message = f"replica {kept.id.index}: {kept.message}"
        return Health("Degraded", kept.reason, message, desired, ready)
    if name in seen.server_moves or ready < desired:
        waiting = next((r for r in replicas if r.state != "Ready"), None)
        message = f"{ready} of {desired} replicas are ready"
        if waiting is not None and waiting.message:
            message += f"; replica {waiting.id.index}: {waiting.message}"
        return Health("Progressing", "ServerProgressing", message, desired, ready)
    return Health("Healthy", "ServerReady", _missing_runtimes(replicas), desired, ready)


def _missing_runtimes(replicas: Iterable[LiveServerReplica]) -> str:
    missing = sorted({c for r in replicas for c in set(r.template.capabilities) - set(r.capabilities)})
    return f"declared but not installed here: {', '.join(missing)}" if missing else ""


def _experiment_health(resource: Resource, spec: ExperimentSpec, seen: Observation) -> Health:
    failure = seen.failures.get(resource.key)
    if failure is not None:
        return Health("Degraded", failure.reason, failure.message, failure.desired, failure.placed)
    names = [f"{resource.key.name}.experiment", *([spec.default] if spec.default else [])]
    count = len(spec.candidates)
    if any((resource.key.namespace, name) in seen.routes for name in names):
        return Health("Progressing", "ExperimentProgressing", "routes are to be set", count, count)
    down = sorted(
        candidate.name
        for candidate in spec.candidates
        if not any(_serves(e, seen) for e in seen.models.get((resource.key.namespace, candidate.name), ()))
    )
    if down:
        message = f"not ready: {', '.join(down)}"
        return Health("Degraded", "CandidatesNotReady", message, count, count - len(down))
    return Health("Healthy", "ExperimentActive", "experiment active", count, count)

"""Which version on which replicas answers for each model once a plan is done. Pure.

A model that is placed answers from where it is placed. One that cannot be placed goes on answering
from what it has: the version that routes lead to now, else the wanted one, else the one on most
replicas.
"""

from collections.abc import Iterable, Mapping, Sequence

from placement.inventory import ReplicaId
from placement.placement import Assignment
from reconciler.planning.book import Book, ModelName, assigned_target
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState


def targets(
    assignments: Iterable[Assignment],
    book: Book,
    by_model: Mapping[ModelName, Sequence[LiveModelReplica]],
    live: LiveState,
) -> dict[ModelName, Target]:
    """The target of every model that answers, by (namespace, model)."""
    found: dict[ModelName, Target] = {}
    failed: dict[ModelName, Assignment] = {}
    for assignment in assignments:
        name = (assignment.namespace, assignment.model)
        if assignment.outcome == "ScheduleFailed":
            failed[name] = assignment
        elif assignment.indices:
            found[name] = assigned_target(assignment)
    routed = _routed(live) if failed else {}
    for name, assignment in failed.items():
        target = _kept(assignment, _standing(by_model.get(name, ()), book), routed.get(name))
        if target is not None:
            found[name] = target
    return found


def _routed(live: LiveState) -> dict[ModelName, str]:
    """The version of each model that routes lead to now."""
    return {
        (route.namespace, weighted.target.model): weighted.target.version
        for route in live.routes
        for weighted in route.targets
    }


def _standing(entries: Iterable[LiveModelReplica], book: Book) -> dict[str, list[ReplicaId]]:
    """Where each version of a model stands and stays, replicas sorted."""
    versions: dict[str, list[ReplicaId]] = {}
    for entry in sorted(entries, key=lambda e: e.replica):
        if book.holds(entry.replica, entry.model, entry.version):
            versions.setdefault(entry.version, []).append(entry.replica)
    return versions


def _kept(
    assignment: Assignment, versions: Mapping[str, Sequence[ReplicaId]], routed: str | None
) -> Target | None:
    if not versions:
        return None
    if routed is not None and routed in versions:
        version = routed
    elif assignment.version in versions:
        version = assignment.version
    else:
        version = max(sorted(versions), key=lambda v: len(versions[v]))
    return Target(assignment.model, version, tuple(versions[version]))

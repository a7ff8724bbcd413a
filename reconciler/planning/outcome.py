"""What lives once a plan was executed without faults. Pure; nothing is executed here.

Several applications of one pull request are planned one after the other, each against what the one before
leaves, and a preview shows servers and routes as they will be. That the executor leaves just this behind
is a property of the tests (``tests/preview/test_outcome.py``). Version numbers are the record's business: one
that is not known yet is counted on from what still lives.
"""

from collections.abc import Iterator

from placement.inventory import ReplicaId
from reconciler.planning.plan import Load, Plan
from runtime.capabilities import offered
from runtime.routes import Route
from runtime.state import AppliedResource, LiveModelReplica, LiveServerReplica, LiveState


def outcome(plan: Plan, live: LiveState) -> LiveState:
    """``live`` after ``plan``, which was made from it."""
    if plan.empty:
        return live
    servers = _servers(plan, live)
    return LiveState(
        resources=_resources(plan, live),
        servers=tuple(servers[replica] for replica in sorted(servers)),
        models=tuple(_models(plan, live)),
        routes=_routes(plan, live),
        environments=live.environments,
    )


def _resources(plan: Plan, live: LiveState) -> tuple[AppliedResource, ...]:
    applied = dict(live.applied)
    for change in plan.changes:
        if change.after is None:
            applied.pop(change.key, None)
        else:
            applied[change.key] = AppliedResource(change.after, plan.application)
    return tuple(applied[key] for key in sorted(applied))


def _servers(plan: Plan, live: LiveState) -> dict[ReplicaId, LiveServerReplica]:
    servers = {entry.id: entry for entry in live.servers}
    for move in plan.server_moves:
        if move.template is None:
            servers.pop(move.replica, None)
            continue
        offers, _ = offered(move.template.capabilities, live.environments[move.template.server_config])
        servers[move.replica] = LiveServerReplica(move.replica, "Ready", move.template, offers)
    return servers


def _models(plan: Plan, live: LiveState) -> Iterator[LiveModelReplica]:
    """By namespace, model, version and replica. A failed load is a fact of one incarnation of a server replica."""
    stopped = {move.replica for move in plan.server_moves if move.template is None}
    anew = {move.replica for move in plan.server_moves if move.action == "replace"}
    models = {
        (entry.namespace, entry.model, entry.version, entry.replica): entry
        for entry in live.models
        if entry.replica not in stopped and not (entry.state == "LoadFailed" and entry.replica in anew)
    }
    numbers: dict[tuple[str, str], dict[str, int]] = {}
    for load in plan.loads:
        loaded = LiveModelReplica(
            load.namespace,
            load.model,
            load.version,
            _number(load, numbers, live),
            load.replica,
            plan.specs[load.version].memory or 0,
            "Loaded",
        )
        models[load.namespace, load.model, load.version, load.replica] = loaded
    for unload in plan.unloads:
        models.pop((unload.namespace, unload.model, unload.version, unload.replica), None)
    yield from (models[place] for place in sorted(models))


def _number(load: Load, numbers: dict[tuple[str, str], dict[str, int]], live: LiveState) -> int:
    """The number of the version that is loaded; ``numbers`` are those given so far."""
    name = (load.namespace, load.model)
    if name not in numbers:
        numbers[name] = {entry.version: entry.number for entry in live.by_model.get(name, ())}
    return numbers[name].setdefault(load.version, 1 + max(numbers[name].values(), default=0))


def _routes(plan: Plan, live: LiveState) -> tuple[Route, ...]:
    routes = dict(live.routed)
    for change in plan.routes:
        if change.after is None:
            routes.pop((change.namespace, change.name), None)
        else:
            routes[change.namespace, change.name] = change.after
    return tuple(routes[name] for name in sorted(routes))

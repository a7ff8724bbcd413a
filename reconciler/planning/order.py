"""From a plan to steps: which operation waits for which.

Pure. The order of a sync: record what is wanted; bring server replicas up; load; route; unload; stop
server replicas; forget. Route before unload, the new version before the old one goes, one index of a
server replaced at a time. Steps without a path between them may run at once. That is what has to be, whoever
the steps are for; the waves and dependencies that people ask for are laid over it in
:mod:`reconciler.planning.barriers`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from placement.inventory import ReplicaId
from reconciler.planning.plan import Load, Plan, RouteChange, ServerMove, Unload
from reconciler.planning.transition import Member, members
from runtime.operations import (
    ForgetResource,
    LoadModel,
    Operation,
    RecordResource,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from runtime.routes import Route
from schemas.resource import ResourceKey, key


@dataclass(frozen=True)
class Step:
    """One operation for ``resource``; ``after`` names the steps that have to be done first. ``id`` is unique
    in a plan and says what is done, for people. A barrier has no operation and belongs to no resource: it is
    done once what it waits for is."""

    id: str
    operation: Operation | None
    after: tuple[str, ...] = ()
    resource: ResourceKey | None = None


def necessary_steps(plan: Plan) -> tuple[Step, ...]:
    """The steps of ``plan``, each with those that it has to wait for in any case."""
    return (
        *_records(plan),
        *_server_ups(plan.server_moves),
        *_loads(plan),
        *_routes(plan),
        *_unloads(plan),
        *_server_downs(plan),
        *_forgets(plan),
    )


def _records(plan: Plan) -> Iterator[Step]:
    for change in plan.changes:
        if change.after is not None:
            operation = RecordResource(change.after, plan.application)
            yield Step(f"record {change.key}", operation, (), change.key)


def _server_ups(moves: Iterable[ServerMove]) -> Iterator[Step]:
    replaced: dict[tuple[str, str], str] = {}
    for move in moves:
        if move.template is None:
            continue
        if move.action == "start":
            start = StartServerReplica(move.replica, move.template)
            yield Step(_server_id(move), start, (), _server(move.replica))
            continue
        server = (move.replica.namespace, move.replica.server)
        before = (replaced[server],) if server in replaced else ()
        replaced[server] = _server_id(move)
        replacement = ReplaceServerReplica(move.replica, move.template)
        yield Step(replaced[server], replacement, before, _server(move.replica))


def _loads(plan: Plan) -> Iterator[Step]:
    ups = {move.replica: _server_id(move) for move in plan.server_moves if move.template is not None}
    for load in plan.loads:
        after = [_unload_id(unload) for unload in load.needs]
        if load.replica in ups:
            after.append(ups[load.replica])
        operation = LoadModel(
            load.namespace, load.model, load.version, plan.specs[load.version], load.replica
        )
        yield Step(_load_id(load), operation, tuple(after), key("Model", load.namespace, load.model))


def _routes(plan: Plan) -> Iterator[Step]:
    loads = {_loaded(load): _load_id(load) for load in plan.loads}
    for change in plan.routes:
        waits: tuple[str, ...] = ()
        for stage in _stages(change):
            # What the route leads to already need not be waited for.
            new = sorted(stage.leads_to - stage.led_to)
            after = (*waits, *(loads[member] for member in new if member in loads))
            yield Step(stage.id, _set_route(change, stage.route), after, _routed(change))
            waits = (stage.id,)


def _routed(change: RouteChange) -> ResourceKey:
    """Whose route it is: an experiment may shape that of a model."""
    route = change.after or change.before
    if route is not None and route.experiment is not None:
        return key("Experiment", change.namespace, route.experiment)
    return key("Model", change.namespace, change.name)


def _server(replica: ReplicaId) -> ResourceKey:
    return key("Server", replica.namespace, replica.server)


def _set_route(change: RouteChange, route: Route | None) -> SetRoutes:
    return SetRoutes(set=(route,)) if route else SetRoutes(delete=((change.namespace, change.name),))


@dataclass(frozen=True)
class _Stage:
    """One state of a route on its way, and what the route led to before it."""

    id: str
    route: Route | None
    led_to: frozenset[Member]

    @property
    def leads_to(self) -> frozenset[Member]:
        return frozenset(members(self.route))


def _stages(change: RouteChange) -> Iterator[_Stage]:
    name = f"route {change.namespace}/{change.name}"
    led_to = frozenset(members(change.before))
    for number, route in enumerate(change.via, 1):
        yield _Stage(f"{name} (by way {number})", route, led_to)
        led_to = frozenset(members(route))
    yield _Stage(name, change.after, led_to)


def _unloads(plan: Plan) -> Iterator[Step]:
    """An unload waits for every route of this plan that leads there to let go, and for the load that it
    takes back."""
    releases: dict[Member, list[str]] = {}
    for change in plan.routes:
        for stage in _stages(change):
            for member in stage.led_to - stage.leads_to:
                releases.setdefault(member, []).append(stage.id)
    loads = {_loaded(load): _load_id(load) for load in plan.loads}
    for unload in plan.unloads:
        member = (unload.namespace, unload.model, unload.version, unload.replica)
        after = (*releases.get(member, ()), *([loads[member]] if member in loads else []))
        operation = UnloadModel(unload.namespace, unload.model, unload.version, unload.replica)
        yield Step(_unload_id(unload), operation, after, key("Model", unload.namespace, unload.model))


def _server_downs(plan: Plan) -> Iterator[Step]:
    unloads: dict[ReplicaId, list[str]] = {}
    for unload in plan.unloads:
        unloads.setdefault(unload.replica, []).append(_unload_id(unload))
    for move in plan.server_moves:
        if move.template is None:
            after = tuple(unloads.get(move.replica, ()))
            yield Step(_server_id(move), StopServerReplica(move.replica), after, _server(move.replica))


def _forgets(plan: Plan) -> Iterator[Step]:
    holders: dict[ResourceKey, list[str]] = {}
    for unload in plan.unloads:
        holders.setdefault(key("Model", unload.namespace, unload.model), []).append(_unload_id(unload))
    for move in plan.server_moves:
        holders.setdefault(_server(move.replica), []).append(_server_id(move))
    for change in plan.changes:
        if change.after is None:
            after = tuple(holders.get(change.key, ()))
            yield Step(f"forget {change.key}", ForgetResource(change.key), after, change.key)


def _loaded(load: Load) -> Member:
    return load.namespace, load.model, load.version, load.replica


def _load_id(load: Load) -> str:
    return f"load {load.namespace}/{load.model}@{load.version[:12]} on {load.replica}"


def _unload_id(unload: Unload) -> str:
    return f"unload {unload.namespace}/{unload.model}@{unload.version[:12]} from {unload.replica}"


def _server_id(move: ServerMove) -> str:
    return f"{move.action} server {move.replica}"

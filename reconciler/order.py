"""From a plan to steps: which operation waits for which.

Pure. The order of a sync: record what is wanted; bring server replicas up; load; route; unload; stop
server replicas; forget. Route before unload, the new version before the old one goes, one index of a
server replaced at a time. Steps without a path between them may run at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from placement.inventory import ReplicaId
from reconciler.plan import Load, Plan, RouteChange, ServerMove, Unload
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
from runtime.routes import Route, Target

Version = tuple[str, str, str]
"""(namespace, model, version digest)."""


@dataclass(frozen=True)
class Step:
    """One operation; ``after`` names the steps that have to be done first. ``id`` is unique in a plan
    and says what is done, for people."""

    id: str
    operation: Operation
    after: tuple[str, ...] = ()


def steps(plan: Plan) -> tuple[Step, ...]:
    """The steps of ``plan``, each after those it waits for."""
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
            yield Step(f"record {change.key}", operation)


def _server_ups(moves: Iterable[ServerMove]) -> Iterator[Step]:
    replaced: dict[tuple[str, str], str] = {}
    for move in moves:
        if move.template is None:
            continue
        if move.action == "start":
            yield Step(_server_id(move), StartServerReplica(move.replica, move.template))
            continue
        server = (move.replica.namespace, move.replica.server)
        before = (replaced[server],) if server in replaced else ()
        replaced[server] = _server_id(move)
        yield Step(replaced[server], ReplaceServerReplica(move.replica, move.template), before)


def _loads(plan: Plan) -> Iterator[Step]:
    ups = {move.replica: _server_id(move) for move in plan.server_moves if move.template is not None}
    for load in plan.loads:
        after = [_unload_id(unload) for unload in load.needs]
        if load.replica in ups:
            after.append(ups[load.replica])
        operation = LoadModel(
            load.namespace, load.model, load.version, plan.specs[load.version], load.replica
        )
        yield Step(_load_id(load), operation, tuple(after))


def _routes(plan: Plan) -> Iterator[Step]:
    loads = _loads_by_version(plan)
    for change in plan.routes:
        for stage in _stages(plan, change):
            route = _at_stage(change, stage, loads)
            if route is None:
                yield Step(stage.id, SetRoutes(delete=((change.namespace, change.name),)))
                continue
            after = (_load_id(load) for member in _members(route) for load in loads.get(member, ()))
            yield Step(stage.id, SetRoutes(set=(route,)), tuple(after))


@dataclass(frozen=True)
class _Stage:
    """One state of a route on its way; ``round`` None is the last."""

    id: str
    round: int | None


def _stages(plan: Plan, change: RouteChange) -> list[_Stage]:
    """Mostly one. A route has to let go of a version early where a load of this plan waits for that
    unload: the load may be of another member of the same route."""
    counted_on = {unload for load in plan.loads for unload in load.needs}
    before = set(_members(change.before))
    rounds = sorted({u.round for u in counted_on if (u.namespace, u.model, u.version) in before})
    name = f"route {change.namespace}/{change.name}"
    return [*(_Stage(f"{name} (round {n})", n) for n in rounds), _Stage(name, None)]


def _at_stage(change: RouteChange, stage: _Stage, loads: Mapping[Version, list[Load]]) -> Route | None:
    """The route with the members that are decided by then; later ones keep what they had."""
    if stage.round is None or change.after is None:
        return change.after
    last = stage.round

    def is_late(target: Target) -> bool:
        version = (change.namespace, target.model, target.version)
        return any(load.round > last for load in loads.get(version, ()))

    kept = {w.target.model: w.target for w in (change.before.targets if change.before else ())}
    members = []
    for weighted in change.after.targets:
        if not is_late(weighted.target):
            members.append(weighted)
        elif weighted.target.model in kept:
            members.append(replace(weighted, target=kept[weighted.target.model]))
    mirror = change.after.mirror
    if mirror is not None and is_late(mirror.target):
        mirror = None
    return replace(change.after, targets=tuple(members), mirror=mirror) if members else None


def _unloads(plan: Plan) -> Iterator[Step]:
    """An unload waits for every route of this plan that used that version, wherever it leads now."""
    routed: dict[Version, list[list[_Stage]]] = {}
    for change in plan.routes:
        for member in _members(change.before):
            routed.setdefault(member, []).append(_stages(plan, change))
    for unload in plan.unloads:
        version = (unload.namespace, unload.model, unload.version)
        after = (_first_without(unload, stages) for stages in routed.get(version, ()))
        operation = UnloadModel(unload.namespace, unload.model, unload.version, unload.replica)
        yield Step(_unload_id(unload), operation, tuple(after))


def _first_without(unload: Unload, stages: list[_Stage]) -> str:
    """The first stage at which the route no longer leads to what is unloaded."""
    return next(s.id for s in stages if s.round is None or s.round >= unload.round)


def _server_downs(plan: Plan) -> Iterator[Step]:
    unloads: dict[ReplicaId, list[str]] = {}
    for unload in plan.unloads:
        unloads.setdefault(unload.replica, []).append(_unload_id(unload))
    for move in plan.server_moves:
        if move.template is None:
            after = tuple(unloads.get(move.replica, ()))
            yield Step(_server_id(move), StopServerReplica(move.replica), after)


def _forgets(plan: Plan) -> Iterator[Step]:
    holders: dict[tuple[str, str, str], list[str]] = {}
    for unload in plan.unloads:
        holders.setdefault(("Model", unload.namespace, unload.model), []).append(_unload_id(unload))
    for move in plan.server_moves:
        server = ("Server", move.replica.namespace, move.replica.server)
        holders.setdefault(server, []).append(_server_id(move))
    for change in plan.changes:
        if change.after is None:
            after = holders.get((change.key.kind, change.key.namespace, change.key.name), ())
            yield Step(f"forget {change.key}", ForgetResource(change.key), tuple(after))


def _loads_by_version(plan: Plan) -> Mapping[Version, list[Load]]:
    loads: dict[Version, list[Load]] = {}
    for load in plan.loads:
        loads.setdefault((load.namespace, load.model, load.version), []).append(load)
    return loads


def _members(route: Route | None) -> list[Version]:
    """Every version that a route uses, the mirror's too."""
    if route is None:
        return []
    targets = [weighted.target for weighted in route.targets]
    if route.mirror is not None:
        targets.append(route.mirror.target)
    return [(route.namespace, target.model, target.version) for target in targets]


def _load_id(load: Load) -> str:
    return f"load {load.namespace}/{load.model}@{load.version[:12]} on {load.replica}"


def _unload_id(unload: Unload) -> str:
    return f"unload {unload.namespace}/{unload.model}@{unload.version[:12]} from {unload.replica}"


def _server_id(move: ServerMove) -> str:
    return f"{move.action} server {move.replica}"

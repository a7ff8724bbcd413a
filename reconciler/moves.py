"""From what the engine wants to what has to be loaded and unloaded, and who answers meanwhile.

Pure. Placement and moves are worked out in rounds: each round places against the inventory as the
moves so far leave it, until nothing that waits can be helped by what is freed. A load that only fits
because of an unload of this plan names it in ``needs``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from reconciler.plan import Capacity, Load, LoadReason, Unload, UnloadReason
from reconciler.projection import Loaded, inventory, standing_models
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState

ModelName = tuple[str, str]


@dataclass(frozen=True)
class Moves:
    """The moves of a plan, sorted by (replica, model, version), and what they lead to.

    ``assignments`` pairs each demand with the engine's last word on it; ``targets`` says which
    version on which replicas answers for each model once the plan is done, ``inventory`` what is then where.
    """

    loads: tuple[Load, ...]
    unloads: tuple[Unload, ...]
    assignments: tuple[tuple[Demand, Assignment], ...]
    targets: Mapping[ModelName, Target]
    capacity: tuple[Capacity, ...]
    inventory: Inventory


@dataclass
class _Book:
    """What is where while the rounds go on. ``freed`` are unloads decided in earlier rounds, by
    replica: only those may be counted on."""

    loaded: Loaded
    round: int = 0
    loads: dict[ModelName, dict[ReplicaId, Load]] = field(default_factory=dict)
    unloads: dict[tuple[ReplicaId, str, str], Unload] = field(default_factory=dict)
    freed: dict[ReplicaId, tuple[Unload, ...]] = field(default_factory=dict)
    occupied: dict[ReplicaId, int] = field(default_factory=dict)


def plan_moves(demands: Sequence[Demand], servers: Sequence[Server], live: LiveState) -> Moves:
    """The moves that bring every demand to where the engine wants it, as far as it can be had."""
    by_model = _by_model(live.models)
    standing = standing_models(servers, live)
    before = inventory(servers, standing)
    replicas = {s.replica_id(r.index): r for s in servers for r in s.replicas}
    book = _open_book(demands, replicas.keys(), standing, live)
    settled = {
        demand: assignment
        for demand in demands
        if (assignment := _settled(demand, by_model, replicas, book)) is not None
    }
    moving = [demand for demand in demands if demand not in settled]
    decided = dict(settled)
    while moving:
        book.round += 1
        after = inventory(servers, book.loaded)
        assignments = place(moving, after).assignments
        decided.update(_paired(moving, assignments))
        _load_assigned(assignments, moving, by_model, replicas, book)
        freed = _unload_superseded(assignments, by_model, book)
        waiting = any(a.outcome in ("ScheduleFailed", "PartiallyScheduled") for a in assignments)
        if not (freed and waiting):
            break
    after = inventory(servers, book.loaded)
    assigned = tuple((demand, decided[demand]) for demand in demands)
    return Moves(
        loads=_sorted_loads(book),
        unloads=tuple(book.unloads[place_] for place_ in sorted(book.unloads)),
        assignments=assigned,
        targets=_targets(assigned, book, by_model, live),
        capacity=_capacity(before, after),
        inventory=after,
    )


def _paired(
    demands: Iterable[Demand], assignments: Iterable[Assignment]
) -> Iterator[tuple[Demand, Assignment]]:
    """Each demand with its assignment; the engine answers in its own order."""
    by_model = {(a.namespace, a.model): a for a in assignments}
    return ((demand, by_model[demand.namespace, demand.model]) for demand in demands)


def _settled(
    demand: Demand,
    by_model: Mapping[ModelName, list[LiveModelReplica]],
    replicas: Mapping[ReplicaId, ServerReplica],
    book: _Book,
) -> Assignment | None:
    """The assignment of a model that is just where it shall be, without asking the engine.

    The engine would keep it there: it takes the server and the replicas that hold the version first,
    and what is held needs no memory. So a plan costs what it changes, not what it keeps.
    """
    entries = by_model.get((demand.namespace, demand.model), ())
    if not entries or len(entries) != demand.replicas or demand.explainer:
        return None
    server = entries[0].replica.server
    if demand.server not in (None, server):
        return None
    for entry in entries:
        replica = replicas.get(entry.replica)
        if (
            entry.version != demand.version
            or entry.state not in ("Loaded", "Loading")
            or entry.replica.server != server
            or replica is None
            or replica.state != "Ready"
            or not replica.capability_set.issuperset(demand.requirements)
            or entry.replica not in book.loaded
        ):
            return None
    indices = tuple(sorted(entry.replica.index for entry in entries))
    return Assignment(demand.namespace, demand.model, demand.version, server, indices, "Scheduled", "")


def _sorted_loads(book: _Book) -> tuple[Load, ...]:
    loads = [load for by_replica in book.loads.values() for load in by_replica.values()]
    return tuple(sorted(loads, key=lambda load: (load.replica, load.model, load.version)))


def _by_model(models: Iterable[LiveModelReplica]) -> dict[ModelName, list[LiveModelReplica]]:
    by_model: dict[ModelName, list[LiveModelReplica]] = {}
    for entry in models:
        by_model.setdefault((entry.namespace, entry.model), []).append(entry)
    return by_model


def _open_book(
    demands: Sequence[Demand], existing: Collection[ReplicaId], standing: Loaded, live: LiveState
) -> _Book:
    """The world before the first round: deleted models and vanishing server replicas are freed."""
    book = _Book({replica: dict(entries) for replica, entries in standing.items()})
    wanted = {(d.namespace, d.model) for d in demands}
    for entry in live.models:
        if entry.state != "LoadFailed":
            book.occupied[entry.replica] = book.occupied.get(entry.replica, 0) + entry.memory
        if (entry.namespace, entry.model) not in wanted:
            _unload(entry, "ModelDeleted", book)
        elif entry.replica not in existing:
            _unload(entry, "ServerReplicaGone", book)
    _close_round(book)
    return book


def _load_assigned(
    assignments: Iterable[Assignment],
    demands: Sequence[Demand],
    by_model: Mapping[ModelName, list[LiveModelReplica]],
    replicas: Mapping[ReplicaId, ServerReplica],
    book: _Book,
) -> None:
    memory = {(d.namespace, d.model): d.memory for d in demands}
    for assignment in assignments:
        for index in assignment.indices:
            assert assignment.server is not None
            replica = ReplicaId(assignment.namespace, assignment.server, index)
            held = book.loaded[replica].get((assignment.model, assignment.version))
            if held is not None and held.state in ("Loaded", "Loading"):
                continue
            needed = memory[assignment.namespace, assignment.model]
            entries = by_model.get((assignment.namespace, assignment.model), [])
            _load(assignment, replica, needed, _load_reason(assignment, entries), replicas, book)


def _load(
    assignment: Assignment,
    replica: ReplicaId,
    memory: int,
    reason: LoadReason,
    replicas: Mapping[ReplicaId, ServerReplica],
    book: _Book,
) -> None:
    occupied = book.occupied.get(replica, 0) + memory
    book.occupied[replica] = occupied
    fits = memory == 0 or occupied <= replicas[replica].limit
    load = Load(
        assignment.namespace,
        assignment.model,
        assignment.version,
        replica,
        memory,
        reason,
        book.round,
        () if fits else book.freed.get(replica, ()),
    )
    book.loads.setdefault((assignment.namespace, assignment.model), {})[replica] = load
    book.loaded[replica][assignment.model, assignment.version] = LoadedModel(
        assignment.model, assignment.version, memory, "Loading"
    )


def _load_reason(assignment: Assignment, entries: Sequence[LiveModelReplica]) -> LoadReason:
    live = [entry for entry in entries if entry.state != "LoadFailed"]
    if not live:
        return "NewModel"
    same = [entry for entry in live if entry.version == assignment.version]
    if not same:
        return "NewVersion"
    stays = any(
        entry.replica.server == assignment.server and entry.replica.index in assignment.indices
        for entry in same
    )
    return "MoreReplicas" if stays else "Moved"


def _unload_superseded(
    assignments: Iterable[Assignment], by_model: Mapping[ModelName, list[LiveModelReplica]], book: _Book
) -> bool:
    """Unload what placed models no longer need; True where that freed something new.

    A model that could not be placed keeps everything it has: its loaded replicas go on serving.
    """
    for assignment in assignments:
        if assignment.outcome == "ScheduleFailed":
            continue
        _cancel_loads(assignment, book)
        for entry in by_model.get((assignment.namespace, assignment.model), []):
            reason = _unload_reason(assignment, entry)
            if reason is not None:
                _unload(entry, reason, book)
    return _close_round(book)


def _unload_reason(assignment: Assignment, entry: LiveModelReplica) -> UnloadReason | None:
    if entry.version != assignment.version:
        return "OldVersion"
    if entry.state == "LoadFailed":
        return None  # the fact keeps this replica rejected until something about it changes
    if entry.replica.server == assignment.server and entry.replica.index in assignment.indices:
        return None
    moved = assignment.server is not None and entry.replica.server != assignment.server
    return "Moved" if moved else "FewerReplicas"


def _cancel_loads(assignment: Assignment, book: _Book) -> None:
    """Take back loads of an earlier round that a later one has overtaken."""
    by_replica = book.loads.get((assignment.namespace, assignment.model), {})
    for replica, load in list(by_replica.items()):
        if replica.server == assignment.server and replica.index in assignment.indices:
            continue
        del by_replica[replica]
        book.occupied[replica] -= load.memory
        book.loaded[replica].pop((load.model, load.version), None)


def _unload(entry: LiveModelReplica, reason: UnloadReason, book: _Book) -> None:
    place_ = (entry.replica, entry.model, entry.version)
    if place_ in book.unloads:
        return
    memory = 0 if entry.state == "LoadFailed" else entry.memory
    book.unloads[place_] = Unload(
        entry.namespace, entry.model, entry.version, entry.replica, memory, reason, book.round
    )
    book.loaded.get(entry.replica, {}).pop((entry.model, entry.version), None)


def _close_round(book: _Book) -> bool:
    """Make this round's unloads countable; True where there are new ones."""
    freed: dict[ReplicaId, list[Unload]] = {}
    for place_ in sorted(book.unloads):
        unload = book.unloads[place_]
        if unload.memory:
            freed.setdefault(unload.replica, []).append(unload)
    new = {replica: tuple(unloads) for replica, unloads in freed.items()}
    grown = new != book.freed
    book.freed = new
    return grown


def _targets(
    assignments: Iterable[tuple[Demand, Assignment]],
    book: _Book,
    by_model: Mapping[ModelName, list[LiveModelReplica]],
    live: LiveState,
) -> dict[ModelName, Target]:
    failed = {(a.namespace, a.model): a for _, a in assignments if a.outcome == "ScheduleFailed"}
    targets = {
        (assignment.namespace, assignment.model): target
        for _, assignment in assignments
        if assignment.outcome != "ScheduleFailed" and (target := _assigned_target(assignment)) is not None
    }
    routed = _routed(live) if failed else {}
    for name, assignment in failed.items():
        versions = _standing_versions(by_model.get(name, ()), book)
        target = _kept_target(assignment, versions, routed.get(name))
        if target is not None:
            targets[name] = target
    return targets


def _routed(live: LiveState) -> dict[ModelName, str]:
    """The version of each model that routes lead to now."""
    return {
        (route.namespace, weighted.target.model): weighted.target.version
        for route in live.routes
        for weighted in route.targets
    }


def _standing_versions(entries: Iterable[LiveModelReplica], book: _Book) -> dict[str, list[ReplicaId]]:
    """Where each version of a model stands and stays, replicas sorted."""
    versions: dict[str, list[ReplicaId]] = {}
    for entry in sorted(entries, key=lambda e: e.replica):
        held = book.loaded.get(entry.replica, {}).get((entry.model, entry.version))
        if held is not None and held.state in ("Loaded", "Loading"):
            versions.setdefault(entry.version, []).append(entry.replica)
    return versions


def _assigned_target(assignment: Assignment) -> Target | None:
    if not assignment.indices:
        return None
    assert assignment.server is not None
    replicas = tuple(
        ReplicaId(assignment.namespace, assignment.server, index) for index in sorted(assignment.indices)
    )
    return Target(assignment.model, assignment.version, replicas)


def _kept_target(
    assignment: Assignment, versions: Mapping[str, list[ReplicaId]], routed: str | None
) -> Target | None:
    """What goes on serving where the wanted placement cannot be had: the routed version first, then
    the wanted one, then the one on most replicas."""
    if not versions:
        return None
    if routed is not None and routed in versions:
        version = routed
    elif assignment.version in versions:
        version = assignment.version
    else:
        version = max(sorted(versions), key=lambda v: len(versions[v]))
    return Target(assignment.model, version, tuple(versions[version]))


def _capacity(before: Inventory, after: Inventory) -> tuple[Capacity, ...]:
    """Server replicas whose used memory changes."""
    return tuple(
        Capacity(server.replica_id(then.index), now.limit, now.used, then.used)
        for server, later in zip(before.servers, after.servers, strict=True)
        for now, then in zip(server.replicas, later.replicas, strict=True)
        if now.loaded is not then.loaded and now.used != then.used
    )

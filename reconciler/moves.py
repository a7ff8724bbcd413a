"""From what the engine wants to what has to be loaded and unloaded, and who answers meanwhile.

Pure. Placement and moves are worked out in rounds: each round places against the inventory as the
moves so far leave it, until nothing that waits can be helped by what is freed. A load that only fits
because of an unload of this plan names it in ``needs``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, ReplicaId, Server
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
    book = _open_book(demands, servers, live)
    limits = {s.replica_id(r.index): r.limit for s in servers for r in s.replicas}
    while True:
        book.round += 1
        placement = place(demands, inventory(servers, book.loaded))
        decided = {(a.namespace, a.model): a for a in placement.assignments}
        _load_assigned(placement.assignments, demands, by_model, limits, book)
        freed = _unload_superseded(placement.assignments, by_model, book)
        waiting = any(a.outcome in ("ScheduleFailed", "PartiallyScheduled") for a in decided.values())
        if not (freed and waiting):
            break
    assignments = tuple((d, decided[d.namespace, d.model]) for d in demands)
    return Moves(
        loads=_sorted_loads(book),
        unloads=tuple(book.unloads[place_] for place_ in sorted(book.unloads)),
        assignments=assignments,
        targets=_targets(assignments, book, live),
        capacity=_capacity(servers, book.loaded, live),
        inventory=inventory(servers, book.loaded),
    )


def _sorted_loads(book: _Book) -> tuple[Load, ...]:
    loads = [load for by_replica in book.loads.values() for load in by_replica.values()]
    return tuple(sorted(loads, key=lambda load: (load.replica, load.model, load.version)))


def _by_model(models: Iterable[LiveModelReplica]) -> dict[ModelName, list[LiveModelReplica]]:
    by_model: dict[ModelName, list[LiveModelReplica]] = {}
    for entry in models:
        by_model.setdefault((entry.namespace, entry.model), []).append(entry)
    return by_model


def _open_book(demands: Sequence[Demand], servers: Sequence[Server], live: LiveState) -> _Book:
    """The world before the first round: deleted models and vanishing server replicas are freed."""
    book = _Book(standing_models(servers, live))
    existing = {s.replica_id(r.index) for s in servers for r in s.replicas}
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
    limits: Mapping[ReplicaId, int],
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
            _load(assignment, replica, needed, _load_reason(assignment, entries), limits, book)


def _load(
    assignment: Assignment,
    replica: ReplicaId,
    memory: int,
    reason: LoadReason,
    limits: Mapping[ReplicaId, int],
    book: _Book,
) -> None:
    occupied = book.occupied.get(replica, 0) + memory
    book.occupied[replica] = occupied
    fits = memory == 0 or occupied <= limits[replica]
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
    assignments: Iterable[tuple[Demand, Assignment]], book: _Book, live: LiveState
) -> dict[ModelName, Target]:
    routed = {
        (route.namespace, weighted.target.model): weighted.target.version
        for route in live.routes
        for weighted in route.targets
    }
    serving = _serving(book.loaded)
    targets = {}
    for _, assignment in assignments:
        name = (assignment.namespace, assignment.model)
        if assignment.outcome == "ScheduleFailed":
            target = _kept_target(assignment, serving.get(name, {}), routed.get(name))
        else:
            target = _assigned_target(assignment)
        if target is not None:
            targets[name] = target
    return targets


def _serving(loaded: Loaded) -> dict[ModelName, dict[str, list[ReplicaId]]]:
    serving: dict[ModelName, dict[str, list[ReplicaId]]] = {}
    for replica in sorted(loaded):
        for (model, version), entry in loaded[replica].items():
            if entry.state in ("Loaded", "Loading"):
                versions = serving.setdefault((replica.namespace, model), {})
                versions.setdefault(version, []).append(replica)
    return serving


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


def _capacity(servers: Sequence[Server], loaded: Loaded, live: LiveState) -> tuple[Capacity, ...]:
    """Server replicas whose used memory changes."""
    before = inventory(servers, standing_models(servers, live))
    after = inventory(servers, loaded)
    return tuple(
        Capacity(server.replica_id(then.index), now.limit, now.used, then.used)
        for server, later in zip(before.servers, after.servers, strict=True)
        for now, then in zip(server.replicas, later.replicas, strict=True)
        if now.used != then.used
    )

"""From what the engine wants to what has to be loaded and unloaded, and who answers meanwhile.

Pure. Placement and moves are worked out in rounds: each round places against the inventory as the
moves so far leave it, until nothing that waits can be helped by what is freed. A load that only fits
because of an unload of this plan names it in ``needs``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from placement.policy import Policy
from reconciler.book import Book, ModelName, used_memory
from reconciler.plan import Capacity, Load, LoadReason, Unload, UnloadReason
from reconciler.projection import listed
from reconciler.targets import targets
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState

Timeline = Mapping[ModelName, Sequence[tuple[int, Target | None]]]
"""What answers for each model from which round on; None where nothing does."""

Entries = dict[ModelName, list[LiveModelReplica]]


@dataclass(frozen=True)
class Moves:
    """The moves of a plan, sorted by (replica, model, version), and what they lead to.

    ``assignments`` pairs each demand with the engine's last word on it; ``targets`` says which
    version on which replicas answers for each model once the plan is done, ``timeline`` from which
    round on for those that are placed anew; ``inventory`` is what is then where, models that nobody
    asked about unlisted.
    """

    loads: tuple[Load, ...]
    unloads: tuple[Unload, ...]
    assignments: tuple[tuple[Demand, Assignment], ...]
    targets: Mapping[ModelName, Target]
    timeline: Timeline
    capacity: tuple[Capacity, ...]
    inventory: Inventory


def plan_moves(
    demands: Sequence[Demand],
    servers: Sequence[Server],
    live: LiveState,
    policy: Policy,
    examined: ModelName | None = None,
) -> Moves:
    """The moves that bring every demand to where the engine wants it, as far as it can be had.

    ``examined`` names a model that is asked about: it is listed in the inventory also where it stays.
    """
    by_model = _by_model(live.models)
    replicas = {s.replica_id(r.index): r for s in servers for r in s.replicas}
    settled: dict[ModelName, Assignment] = {}
    moving: list[Demand] = []
    for demand in demands:
        name = (demand.namespace, demand.model)
        stays = _settled(demand, by_model.get(name, ()), replicas) if name != examined else None
        if stays is None:
            moving.append(demand)
        else:
            settled[name] = stays
    used = used_memory(live.models)
    book = _open_book(demands, settled, servers, replicas, by_model, used)
    decided = {**settled, **_place_in_rounds(moving, by_model, book, policy)}
    loads = book.settle()
    assigned = tuple((demand, decided[demand.namespace, demand.model]) for demand in demands)
    return Moves(
        loads=loads,
        unloads=book.sorted_unloads(),
        assignments=assigned,
        targets=targets(decided.values(), book, by_model, live),
        timeline=book.timeline,
        capacity=book.capacity(),
        inventory=book.inventory(),
    )


def _by_model(models: Iterable[LiveModelReplica]) -> Entries:
    by_model: Entries = {}
    for entry in models:
        by_model.setdefault((entry.namespace, entry.model), []).append(entry)
    return by_model


def _settled(
    demand: Demand, entries: Sequence[LiveModelReplica], replicas: Mapping[ReplicaId, ServerReplica]
) -> Assignment | None:
    """The assignment of a model that is just where it shall be, without asking the engine.

    The engine would keep it there: it takes the server and the replicas that hold the version first,
    and what is held needs no memory.
    """
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
        ):
            return None
    indices = tuple(sorted(entry.replica.index for entry in entries))
    return Assignment(demand.namespace, demand.model, demand.version, server, indices, "Scheduled", "")


def _open_book(
    demands: Iterable[Demand],
    settled: Mapping[ModelName, Assignment],
    servers: Sequence[Server],
    replicas: Mapping[ReplicaId, ServerReplica],
    by_model: Entries,
    used: Mapping[ReplicaId, int],
) -> Book:
    """The world before the first round: deleted models and vanishing server replicas are freed."""
    wanted = {(demand.namespace, demand.model) for demand in demands}
    stirred = [entry for name, entries in by_model.items() if name not in settled for entry in entries]
    standing = [entry for entry in stirred if _stands(entry, replicas)]
    unlisted = dict(used)
    for replica, memory in used_memory(stirred).items():
        unlisted[replica] -= memory
    book = Book(tuple(servers), replicas, listed(standing), unlisted, used)
    for entry in stirred:
        if (entry.namespace, entry.model) not in wanted:
            book.unload(entry, "ModelDeleted")
        elif entry.replica not in replicas:
            book.unload(entry, "ServerReplicaGone")
    book.close_round()
    return book


def _stands(entry: LiveModelReplica, replicas: Mapping[ReplicaId, ServerReplica]) -> bool:
    """What stands on a Lost replica is not there: only Lost frees models (design decision 5). A failed
    load is a fact of one incarnation and is forgotten with it."""
    replica = replicas.get(entry.replica)
    if replica is None or replica.state == "Lost":
        return False
    return not (entry.state == "LoadFailed" and replica.state == "Pending")


def _place_in_rounds(
    moving: Sequence[Demand], by_model: Entries, book: Book, policy: Policy
) -> dict[ModelName, Assignment]:
    decided: dict[ModelName, Assignment] = {}
    waiting = moving
    while waiting:
        book.round += 1
        assignments = place(waiting, book.inventory(), policy).assignments
        decided.update(((a.namespace, a.model), a) for a in assignments)
        for demand, assignment in _paired(waiting, decided):
            _load_assigned(demand, assignment, by_model, book)
        for assignment in assignments:
            _unload_superseded(assignment, by_model, book)
        if not book.close_round():
            break
        # What is placed as it wants to be would be placed there again.
        waiting = [demand for demand, assignment in _paired(waiting, decided) if _waits(assignment)]
    return decided


def _waits(assignment: Assignment) -> bool:
    return assignment.outcome in ("ScheduleFailed", "PartiallyScheduled")


def _paired(
    demands: Iterable[Demand], decided: Mapping[ModelName, Assignment]
) -> Iterator[tuple[Demand, Assignment]]:
    return ((demand, decided[demand.namespace, demand.model]) for demand in demands)


def _load_assigned(demand: Demand, assignment: Assignment, by_model: Entries, book: Book) -> None:
    entries = by_model.get((demand.namespace, demand.model), [])
    for index in assignment.indices:
        assert assignment.server is not None
        replica = ReplicaId(assignment.namespace, assignment.server, index)
        if not book.holds(replica, assignment.model, assignment.version):
            book.load(assignment, replica, demand.memory, _load_reason(assignment, entries))


def _load_reason(assignment: Assignment, entries: Sequence[LiveModelReplica]) -> LoadReason:
    live = [entry for entry in entries if entry.state != "LoadFailed"]
    if not live:
        return "NewModel"
    same = [entry for entry in live if entry.version == assignment.version]
    if not same:
        return "NewVersion"
    return "MoreReplicas" if any(_is_assigned(assignment, entry) for entry in same) else "Moved"


def _unload_superseded(assignment: Assignment, by_model: Entries, book: Book) -> None:
    """Unload what a placed model no longer needs. One that could not be placed keeps everything it
    has: its loaded replicas go on serving."""
    if assignment.outcome == "ScheduleFailed":
        return
    book.answer(assignment)
    book.overtake(assignment)
    for entry in by_model.get((assignment.namespace, assignment.model), []):
        reason = _unload_reason(assignment, entry)
        if reason is not None:
            book.unload(entry, reason)


def _unload_reason(assignment: Assignment, entry: LiveModelReplica) -> UnloadReason | None:
    if entry.version != assignment.version:
        return "OldVersion"
    if entry.state == "LoadFailed":
        return None  # the fact keeps this replica rejected until something about it changes
    if _is_assigned(assignment, entry):
        return None
    moved = assignment.server is not None and entry.replica.server != assignment.server
    return "Moved" if moved else "FewerReplicas"


def _is_assigned(assignment: Assignment, entry: LiveModelReplica) -> bool:
    return entry.replica.server == assignment.server and entry.replica.index in assignment.indices

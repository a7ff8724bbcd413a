"""The groups of a rebalance as loads and unloads of a plan. Pure; they are found in :mod:`placement.rebalancing.rebalance`.

A group is a round of its own: what it loads finds room beside everything that stands, and what it leaves
may be counted on by later rounds only. After each, what waits is placed as ever.
"""

from collections.abc import Mapping, Sequence

from placement.demand import Demand
from placement.filters import reject_replica
from placement.inventory import ReplicaId
from placement.placement import Assignment
from placement.policy import Policy
from placement.rebalancing.rebalance import Group, rebalance
from placement.rebalancing.workplace import Move, with_model
from reconciler.planning.book import Book, ModelName
from reconciler.planning.rounds import Decided, Entries, place_in_rounds, waits


def regroup(
    demands: Sequence[Demand], decided: Decided, by_model: Entries, book: Book, policy: Policy, most: int
) -> tuple[Book, tuple[Group, ...]]:
    """The book with up to ``most`` served replicas moved, and what that gains; ``decided`` learns of it.

    A group that has lost its room to what was placed before it ends the rebalance, and so does one whose
    freed replicas something that waits would fill: what waits may be placed in ways that the search for
    groups does not know (``Recreate``).
    """
    wanted = {(demand.namespace, demand.model): demand for demand in demands}
    done: list[Group] = []
    for group in rebalance(demands, book.inventory(), policy, most).groups:
        if not _has_room(group, wanted, book):
            break
        trial = book.branch()
        now = {**decided, **_move(group, wanted, by_model, trial)}
        waiting = [demand for name, demand in wanted.items() if waits(now[name])]
        trial, placed = place_in_rounds(waiting, (), by_model, trial, policy)
        if any(_is_used(at, trial) for each in (*done, group) for at in each.frees):
            break
        book = trial
        decided.update({**now, **placed})
        done.append(group)
    return book, tuple(done)


def _is_used(replica: ReplicaId, book: Book) -> bool:
    return any(entry.state != "LoadFailed" for entry in book.loaded.get(replica, {}).values())


def _has_room(group: Group, wanted: Mapping[ModelName, Demand], book: Book) -> bool:
    replicas = {s.replica_id(r.index): r for s in book.inventory().servers for r in s.replicas}
    for move in group.moves:
        demand = wanted[move.namespace, move.model]
        for at in move.loads:
            if reject_replica(demand, replicas[at]) is not None:
                return False
            replicas[at] = with_model(replicas[at], demand)
    return True


def _move(
    group: Group, wanted: Mapping[ModelName, Demand], by_model: Entries, book: Book
) -> dict[ModelName, Assignment]:
    """Enter the group's moves into the book; where its models are then."""
    book.round += 1
    moved = {(move.namespace, move.model): _assignment(move) for move in group.moves}
    for move in group.moves:
        name = (move.namespace, move.model)
        for at in move.loads:
            book.load(wanted[name], at, "Moved")
        book.answer(moved[name])
    for move in group.moves:
        for entry in by_model[move.namespace, move.model]:
            if entry.replica in move.unloads:
                book.unload(entry, "Moved")
    book.close_round()
    return moved


def _assignment(move: Move) -> Assignment:
    indices = tuple(replica.index for replica in move.after)
    server = move.after[0].server
    return Assignment(move.namespace, move.model, move.version, server, indices, "Scheduled", "")

"""Placing what is not where it shall be, round by round, until nothing that waits can be helped. Pure.

Each round places against the inventory as the moves so far leave it, so what one model leaves another
finds, in the same plan. A model with update strategy Recreate counts on its own old version, too: that
is tried on a branch of the book, and given back where the new version finds no place even so. With a
budget for moves, served models make room for those that still wait once all that is done.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from placement.demand import Demand
from placement.engine import place
from placement.inventory import ReplicaId
from placement.placement import Assignment
from placement.policy import Policy
from reconciler.planning.book import Book, ModelName
from reconciler.planning.plan import LoadReason, UnloadReason
from runtime.state import LiveModelReplica

Entries = Mapping[ModelName, Sequence[LiveModelReplica]]
"""Live replicas by model."""

Decided = dict[ModelName, Assignment]

MOST_TRIES = 16
"""Of models that are recreated and count on each other's room: each try gives some of them up."""

_LONGEST = 400
"""Characters of a failure's message, as the engine keeps to."""


def place_in_rounds(
    moving: Sequence[Demand], staying: Sequence[Demand], by_model: Entries, book: Book, policy: Policy
) -> tuple[Book, Decided]:
    """The book with all moves decided, and the last word on every demand of ``moving``, and of those of
    ``staying`` that were moved all the same: only these are, within the policy's budget."""
    return _Rounds(by_model, policy).run(moving, staying, book)


def waits(assignment: Assignment) -> bool:
    """True where a model is not, or not wholly, where its manifest wants it."""
    return assignment.outcome in ("ScheduleFailed", "PartiallyScheduled")


class _Rounds:
    def __init__(self, by_model: Entries, policy: Policy) -> None:
        self._by_model = by_model
        self._moves = policy.max_moves
        self._policy = policy
        self._decided: Decided = {}

    def run(self, moving: Sequence[Demand], staying: Sequence[Demand], book: Book) -> tuple[Book, Decided]:
        movable = {_name(demand): demand for demand in staying}
        waiting = moving
        while waiting:
            book = self._rest(waiting, book)
            waiting = self._waiting(waiting)
            if not (waiting and self._make_room(waiting, movable, book)):
                break
        return book, self._decided

    def _waiting(self, demands: Iterable[Demand]) -> list[Demand]:
        return [demand for demand in demands if waits(self._decided[_name(demand)])]

    def _rest(self, demands: Sequence[Demand], book: Book) -> Book:
        """Until the same once more would change nothing."""
        policy = replace(self._policy, max_moves=0)
        while demands:
            before = book.moves()
            book = self._recreate(demands, book, policy)
            demands = self._waiting(demands)
            hopeful = self._recreated(demands, book)
            if book.moves() == before:
                book = self._recreate_one(hopeful[:MOST_TRIES], book, policy)
            if not hopeful or book.moves() == before:
                break
            demands = self._waiting(demands)
        return book

    def _recreate_one(self, demands: Sequence[Demand], book: Book, policy: Policy) -> Book:
        """The first that finds its place alone: those that want the same room may have kept each other from
        it."""
        before = book.moves()
        for demand in demands:
            if book.moves() == before:
                book = self._recreate([demand], book, policy)
        return book

    def _recreate(self, demands: Sequence[Demand], book: Book, policy: Policy) -> Book:
        """Place all, those of Recreate counting on their old versions as far as that gets them placed."""
        hopeful = self._recreated(demands, book)
        failed: Decided = {}
        for _ in range(MOST_TRIES):
            if not hopeful:
                break
            trial = book.branch()
            self._let_go(hopeful, trial)
            found = self._place(_others(demands, failed), trial, policy)
            less = [d for d in hopeful if found[_name(d)].outcome == "ScheduleFailed"]
            if not less:
                self._decided.update({**found, **failed})
                return trial
            for demand in less:
                failure = found[_name(demand)]
                failed[_name(demand)] = _kept(failure) if self._stays(demand, book) else failure
            hopeful = _others(hopeful, failed)
        failed.update((_name(demand), _entangled(demand)) for demand in hopeful)
        self._decided.update({**self._place(_others(demands, failed), book, policy), **failed})
        return book

    def _recreated(self, demands: Iterable[Demand], book: Book) -> list[Demand]:
        """Demands of Recreate whose old version is still there and whose new one is not."""
        return [
            demand
            for demand in demands
            if demand.recreate and demand.replicas > 0 and any(True for _ in self._old(demand, book))
        ]

    def _old(self, demand: Demand, book: Book) -> Iterator[LiveModelReplica]:
        entries = self._by_model.get(_name(demand), ())
        standing = [e for e in entries if book.holds(e.replica, e.model, e.version)]
        if all(entry.version != demand.version for entry in standing):
            yield from standing
            yield from (e for e in entries if e.version != demand.version and book.leaves(e))

    def _stays(self, demand: Demand, book: Book) -> bool:
        """True where some of the old version goes on serving."""
        return any(not book.leaves(entry) for entry in self._old(demand, book))

    def _let_go(self, demands: Iterable[Demand], book: Book) -> None:
        for demand in demands:
            for entry in list(self._old(demand, book)):
                book.recreate(entry)
        book.close_round()

    def _place(self, demands: Sequence[Demand], book: Book, policy: Policy) -> Decided:
        """Rounds until one frees nothing, or nobody waits."""
        decided: Decided = {}
        while demands:
            decided.update(self._round(demands, book, policy))
            if not book.close_round():
                break
            # What is placed as it wants to be would be placed there again.
            demands = [demand for demand in demands if waits(decided[_name(demand)])]
        return decided

    def _round(self, demands: Sequence[Demand], book: Book, policy: Policy) -> Decided:
        book.round += 1
        assignments = place(demands, book.inventory(), policy).assignments
        decided = {(a.namespace, a.model): a for a in assignments}
        for demand in demands:
            self._load(demand, decided[_name(demand)], book)
        for assignment in assignments:
            self._unload(assignment, book)
        return decided

    def _make_room(self, waiting: Sequence[Demand], movable: dict[ModelName, Demand], book: Book) -> bool:
        """Let the engine send served models elsewhere; True where it did. Whoever was moved stays there.

        A model of Recreate that found no place is not asked for again: it would be placed beside its old
        version.
        """
        if not self._moves:
            return False
        asked = [demand for demand in waiting if not self._recreated([demand], book)]
        policy = replace(self._policy, max_moves=self._moves)
        known = {name: self._at(demand) for name, demand in movable.items()}
        found = self._round([*asked, *movable.values()], book, policy)
        book.close_round()
        moved = [movable.pop(name) for name, at in known.items() if _places(found[name]) != at]
        self._decided.update((_name(demand), found[_name(demand)]) for demand in (*asked, *moved))
        self._moves -= sum(demand.replicas for demand in moved)
        return bool(moved)

    def _at(self, demand: Demand) -> set[ReplicaId]:
        return {entry.replica for entry in self._by_model[_name(demand)]}

    def _load(self, demand: Demand, assignment: Assignment, book: Book) -> None:
        entries = self._by_model.get(_name(demand), ())
        for replica in sorted(_places(assignment)):
            if not book.holds(replica, assignment.model, assignment.version):
                book.load(demand, replica, _load_reason(assignment, entries))

    def _unload(self, assignment: Assignment, book: Book) -> None:
        """Unload what a placed model no longer needs. One that could not be placed keeps everything it
        has: its loaded replicas go on serving."""
        if assignment.outcome == "ScheduleFailed":
            return
        book.answer(assignment)
        book.overtake(assignment)
        for entry in self._by_model.get((assignment.namespace, assignment.model), ()):
            reason = _unload_reason(assignment, entry)
            if reason is not None:
                book.unload(entry, reason)


def _name(demand: Demand) -> ModelName:
    return demand.namespace, demand.model


def _others(demands: Iterable[Demand], names: Collection[ModelName]) -> list[Demand]:
    return [demand for demand in demands if _name(demand) not in names]


def _places(assignment: Assignment) -> set[ReplicaId]:
    namespace, server = assignment.namespace, assignment.server
    return {ReplicaId(namespace, server, index) for index in assignment.indices} if server else set()


def _kept(assignment: Assignment) -> Assignment:
    message = f"even without its old version, which goes on serving: {assignment.message}"
    return replace(assignment, message=message[:_LONGEST])


def _entangled(demand: Demand) -> Assignment:
    message = "too many models with update strategy Recreate count on each other's room; change fewer at once"
    return Assignment(demand.namespace, demand.model, demand.version, None, (), "ScheduleFailed", message)


def _load_reason(assignment: Assignment, entries: Sequence[LiveModelReplica]) -> LoadReason:
    live = [entry for entry in entries if entry.state != "LoadFailed"]
    if not live:
        return "NewModel"
    same = [entry for entry in live if entry.version == assignment.version]
    if not same:
        return "NewVersion"
    return "MoreReplicas" if any(_is_assigned(assignment, entry) for entry in same) else "Moved"


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

"""Rebalancing: moves of what is served that free whole server replicas, or place what waits.

Only asked for, never done by itself. Moves come in groups, each with a gain that is real once the group
is done: a replica that is half empty is none. What counts as a gain, in this order: a model that waited
is placed, or gets more of its replicas; a replica is emptied of which no higher index of its server is in
use, since scale-down takes the highest indices; any other replica is emptied. Among equals fewest moves,
then fewest bytes, come first.

A group is made before it breaks: each new place has room beside everything that stands before the group,
and what the group leaves is free for the next. How a group is found is :mod:`placement.rebalancing.evacuation`'s
business, what a server replica takes is the filters', and what waits is placed by the engine itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from placement.demand import Demand
from placement.inventory import Inventory, ReplicaId
from placement.placement import Assignment
from placement.policy import REFERENCE, Policy
from placement.rebalancing.evacuation import Evacuation, Steps
from placement.rebalancing.workplace import Move, Workplace, is_in_use

MAX_MOVES = 10
"""Moves of one run where nobody says otherwise."""
STEPS = 50_000
"""Looks at a server replica in one run, at most."""

_TRIED = 20  # proposals that are done on a copy of the world before the next gain is looked for


@dataclass(frozen=True)
class Group:
    """Moves that are of use together, sorted by model; ``frees`` are replicas that they empty, sorted;
    ``places`` is where models that waited are placed once the moves are done, sorted by model."""

    moves: tuple[Move, ...]
    frees: tuple[ReplicaId, ...] = ()
    places: tuple[Assignment, ...] = ()

    @property
    def cost(self) -> tuple[int, int]:
        """Served replicas that are loaded anew, and their bytes."""
        return cost_of(self.moves)


@dataclass(frozen=True)
class Rebalance:
    """Groups in the order in which they are to be done; a later one may use what an earlier one left."""

    groups: tuple[Group, ...] = ()

    @property
    def moves(self) -> int:
        """Served replicas that are moved."""
        return sum(group.cost[0] for group in self.groups)


def cost_of(moves: Iterable[Move]) -> tuple[int, int]:
    """Served replicas that are loaded anew, and their bytes."""
    every = tuple(moves)
    return sum(len(move.loads) for move in every), sum(move.memory for move in every)


def rebalance(
    demands: Sequence[Demand],
    inventory: Inventory,
    policy: Policy = REFERENCE,
    max_moves: int = MAX_MOVES,
    steps: int = STEPS,
) -> Rebalance:
    """The groups of moves that gain something, ``max_moves`` served replicas together at most.

    One demand per model; ``policy`` places what waits. Only models that are served just as they shall be
    are moved, each once at most: all replicas wanted, all Loaded, on Ready server replicas. The same input
    gives the same answer, in whatever order it is written.
    """
    ordered = sorted(demands, key=lambda demand: (demand.namespace, demand.model))
    return _Run(Workplace(ordered, inventory, policy), max_moves, steps).run()


class _Run:
    def __init__(self, world: Workplace, max_moves: int, steps: int) -> None:
        self._world = world
        self._left = max_moves
        self._freed: set[ReplicaId] = set()
        # Half for each kind of gain: what can never be placed must not keep replicas from being freed.
        self._placing, self._freeing = Steps(steps // 2), Steps(steps // 2)

    def run(self) -> Rebalance:
        """Gain after gain, until there is none or no moves are left."""
        groups: list[Group] = []
        while self._left > 0 and (found := self._next()):
            group, self._world = found
            self._left -= group.cost[0]
            self._freed.update(group.frees)
            groups.append(group)
        return Rebalance(tuple(groups))

    def _next(self) -> tuple[Group, Workplace] | None:
        """The best group that can be done now, and the world after it."""
        for candidates in Evacuation(self._world, self._left, self._placing).to_place():
            for moves in self._in_order(candidates):
                if (found := self._done(moves)) and found[0].places:
                    return found
        for candidates in Evacuation(self._world, self._left, self._freeing).to_free():
            for moves in self._in_order(candidates):
                if found := self._done(moves):
                    return found
        return None

    def _in_order(self, candidates: Iterable[tuple[Move, ...]]) -> list[tuple[Move, ...]]:
        """Those that may be done, cheapest first; among equals the order in which they come decides."""
        affordable = [moves for moves in candidates if cost_of(moves)[0] <= self._left]
        return sorted(affordable, key=cost_of)[:_TRIED]

    def _done(self, moves: tuple[Move, ...]) -> tuple[Group, Workplace] | None:
        """The moves with their gain, and the world after them; None where nothing is gained."""
        after = self._world.after(moves)
        if after is None or any(is_in_use(after.replicas[at]) for at in self._freed):
            return None  # what an earlier group promised stays true
        left, entered = (
            {at for move in moves for at in getattr(move, side)} for side in ("unloads", "loads")
        )
        idle = {at for at in entered if not is_in_use(self._world.replicas[at])}
        frees = sorted(at for at in left if not is_in_use(after.replicas[at])) if not idle else []
        group = Group(moves, tuple(frees), tuple(self._placed_better(after)))
        return (group, after) if group.frees or group.places else None

    def _placed_better(self, after: Workplace) -> Iterator[Assignment]:
        """Models that waited and have more replicas now, by name."""
        for demand in sorted(self._world.waiting, key=lambda d: (d.namespace, d.model)):
            name = (demand.namespace, demand.model)
            if len(after.placed[name].indices) > len(self._world.placed[name].indices):
                yield after.placed[name]

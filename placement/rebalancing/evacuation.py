"""Proposals for rebalancing: which served models could leave a server replica, and where they could go.

A model leaves one replica for another of its server, or it leaves its server as a whole. What it takes
elsewhere has to be there beside everything that stands now. Proposals are only possible, not yet of use:
:mod:`placement.rebalancing.rebalance` does them on a copy of the world and looks. What has to leave other servers so
that a waiting model finds all its replicas on one is :mod:`placement.packing.relocation`'s business and asked there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, combinations

from placement.demand import Demand
from placement.filters import reject_replica, reject_server, required_memory
from placement.inventory import ReplicaId, Server, ServerReplica
from placement.ledger import Ledger
from placement.packing.relocation import relocate
from placement.policy import Policy
from placement.rebalancing.workplace import Move, Workplace, is_in_use, with_model, without_model
from placement.reference import Decision, decide, in_order

Moves = tuple[Move, ...]

_AT_ONCE = 2  # models that leave a replica for one that waits, unless all leave


class Steps:
    """What is left of the looks that a run may take: the same on every machine."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self) -> bool:
        """Take one; false where none is left."""
        self.left -= 1
        return self.left >= 0


class Evacuation:
    """Proposals for one state of the world, ``most`` moved replicas each."""

    def __init__(self, world: Workplace, most: int, steps: Steps) -> None:
        self._world = world
        self._most = most
        self._steps = steps
        self._used = {at for at, replica in world.replicas.items() if is_in_use(replica)}

    def to_place(self) -> Iterator[Iterator[Moves]]:
        """For each model that waits, the most urgent first, and before them for whole servers: moves that
        may let it in."""
        if self._world.waiting:
            yield self._relocations()
        for demand in self._world.waiting:
            yield self._to_let_in(demand)

    def to_free(self) -> Iterator[Iterator[Moves]]:
        """Moves that empty a replica into others that are in use: first where no higher index of the server
        is in use, then anywhere; of each the cheapest ones, last servers and highest indices first."""
        emptiable = [(at, leaving) for at in sorted(self._used) if (leaving := self._all_of(at))]
        emptiable.sort(key=lambda pair: (pair[0].namespace, pair[0].server, pair[0].index), reverse=True)
        tops = {(at.namespace, at.server): at for at in sorted(self._used)}
        last = [pair for pair in emptiable if tops[pair[0].namespace, pair[0].server] == pair[0]]
        yield self._cheapest(last)
        yield self._cheapest([pair for pair in emptiable if pair not in last])

    def _cheapest(self, emptiable: Iterable[tuple[ReplicaId, Sequence[Demand]]]) -> Iterator[Moves]:
        """A model costs one move at least, so who has more models than a proposal has moves is not asked."""
        fewest = self._most
        for at, leaving in sorted(emptiable, key=lambda pair: len(pair[1])):
            if len(leaving) > fewest:
                return
            moves = self._leave(at, leaving, self._used.__contains__)
            if moves:
                fewest = min(fewest, sum(len(move.loads) for move in moves))
                yield moves

    def _relocations(self) -> Iterator[Moves]:
        """By the server that is left: each is left for one that waits."""
        ledger = Ledger(self._world.inventory())
        before = [decide(d, ledger) for d in in_order(list(self._world.demands.values()), ledger)]
        policy = Policy("pack", max(0, self._steps.left), self._most)
        by_source: dict[tuple[str, str], list[Move]] = {}
        for was, now in zip(before, relocate(before, ledger, policy), strict=True):
            if now != was:
                move = self._move(now.demand, _replicas(now))
                if move is not None:
                    by_source.setdefault((move.namespace, move.before[0].server), []).append(move)
        yield from (tuple(moves) for moves in by_source.values())

    def _to_let_in(self, demand: Demand) -> Iterator[Moves]:
        """One or two models, or all, leave a replica that could have the demand then."""
        for server in self._world.servers.values():
            if server.namespace != demand.namespace or reject_server(demand, server) is not None:
                continue
            for at in self._world.members(server):
                yield from self._to_let_in_at(demand, at)

    def _to_let_in_at(self, demand: Demand, at: ReplicaId) -> Iterator[Moves]:
        replica, there = self._world.replicas[at], self._there(at)
        if not there or self._takes(demand, replica) or not self._takes(demand, _without(replica, there)):
            return
        for leaving in chain(*(combinations(there, size) for size in range(1, _AT_ONCE + 1)), [there]):
            if self._takes(demand, _without(replica, leaving)):
                moves = self._leave(at, leaving, lambda _: True)
                if moves:
                    yield moves

    def _there(self, at: ReplicaId) -> list[Demand]:
        """Models of a replica that may be moved, by name."""
        listed = ((at.namespace, entry.model) for entry in self._world.replicas[at].loaded)
        names = sorted(name for name in listed if name in self._world.movable)
        return [self._world.demands[name] for name in names]

    def _all_of(self, at: ReplicaId) -> list[Demand]:
        """The models of a replica where all that stands there may be moved, else none."""
        there = self._there(at)
        return there if not is_in_use(_without(self._world.replicas[at], there)) else []

    def _takes(self, demand: Demand, replica: ServerReplica) -> bool:
        return self._steps.take() and reject_replica(demand, replica) is None

    def _leave(
        self, at: ReplicaId, leaving: Sequence[Demand], allowed: Callable[[ReplicaId], bool]
    ) -> Moves | None:
        """Where all of them could go at the same time, the largest first, each where it is tightest."""
        changed: dict[ReplicaId, ServerReplica] = {}
        moves = []
        for demand in sorted(leaving, key=lambda d: (-d.memory, d.model)):
            after = self._target(demand, at, allowed, changed)
            move = self._move(demand, after) if after else None
            if move is None:
                return None
            for load in move.loads:
                changed[load] = with_model(changed.get(load, self._world.replicas[load]), demand)
            moves.append(move)
        return tuple(sorted(moves, key=lambda move: (move.namespace, move.model)))

    def _target(
        self,
        demand: Demand,
        at: ReplicaId,
        allowed: Callable[[ReplicaId], bool],
        changed: dict[ReplicaId, ServerReplica],
    ) -> tuple[ReplicaId, ...]:
        """Its replicas with another one of the same server instead of ``at``, else as many of another."""
        before = self._world.movable[demand.namespace, demand.model]
        stay = tuple(replica for replica in before if replica != at)
        own = self._world.servers[at.namespace, at.server]
        options = []
        for server in self._world.servers.values():
            if server.namespace != at.namespace or reject_server(demand, server) is not None:
                continue
            kept, count = (stay, 1) if server is own else ((), len(before))
            ranked = self._ranked(demand, server, lambda r: r != at and r not in stay and allowed(r), changed)
            if len(ranked) >= count:
                chosen = ranked[:count]
                rest = sum(free for free, _ in chosen)
                options.append((count, rest, server.name, (*kept, *(replica for _, replica in chosen))))
        return tuple(sorted(min(options)[3])) if options else ()

    def _ranked(
        self,
        demand: Demand,
        server: Server,
        open_: Callable[[ReplicaId], bool],
        changed: dict[ReplicaId, ServerReplica],
    ) -> list[tuple[int, ReplicaId]]:
        """Replicas that take the demand, those with the least room first."""
        found = []
        for at in filter(open_, self._world.members(server)):
            replica = changed.get(at, self._world.replicas[at])
            if self._takes(demand, replica):
                found.append((replica.free, at))
        return sorted(found)

    def _move(self, demand: Demand, after: tuple[ReplicaId, ...]) -> Move | None:
        """The move of a model to ``after``; None where it may not be moved."""
        before = self._world.movable.get((demand.namespace, demand.model))
        if before is None or not after:
            return None
        memory = sum(required_memory(demand, self._world.replicas[at]) for at in after if at not in before)
        return Move(demand.namespace, demand.model, demand.version, before, after, memory)


def _without(replica: ServerReplica, leaving: Iterable[Demand]) -> ServerReplica:
    for demand in leaving:
        replica = without_model(replica, demand.model, demand.version)
    return replica


def _replicas(decision: Decision) -> tuple[ReplicaId, ...]:
    server = decision.server
    if server is None:
        return ()
    return tuple(server.server.replica_id(server.replicas[p].index) for p in decision.positions)

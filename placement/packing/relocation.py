"""Moving what is served, so that what waits finds room: only when asked for, and never more than asked.

A move is made before it breaks: the model is assigned to another server that has room for all of it
now, and what it leaves is free once it is unloaded. So the model that it makes room for is placed by
the next run, on the inventory without the old replicas; this run only keeps others out of that room.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from placement.demand import Demand
from placement.ledger import Ledger, NamespaceLedger, ServerLedger
from placement.policy import Policy
from placement.reference import Decision, is_waiting, may_use, traces

_AT_ONCE = 2  # models moved for one that waits


class _Move(NamedTuple):
    place: int
    server: ServerLedger
    positions: tuple[int, ...]


def relocate(decisions: Sequence[Decision], ledger: Ledger, policy: Policy) -> list[Decision]:
    """The decisions, some served models sent elsewhere; what a run may move, and look at, is bounded by
    the policy. Charges the ledger."""
    return _Relocation(decisions, ledger, policy).run()


class _Relocation:
    def __init__(self, decisions: Sequence[Decision], ledger: Ledger, policy: Policy) -> None:
        self._decisions = list(decisions)
        self._ledger = ledger
        self._moves, self._steps = policy.max_moves, policy.steps
        self._closed: set[ServerLedger] = set()
        self._settled: dict[ServerLedger, list[int]] = {}
        for place, decision in enumerate(decisions):
            if decision.server and self._is_settled(decision):
                self._settled.setdefault(decision.server, []).append(place)

    def run(self) -> list[Decision]:
        """The cheapest model of the highest priority that waits is helped first."""
        failed = [
            (-d.demand.priority, d.demand.memory * _least(d.demand), place)
            for place, d in enumerate(self._decisions)
            if d.outcome == "ScheduleFailed" and d.demand.replicas > 0 and is_waiting(d.demand, self._ledger)
        ]
        for _, _, place in sorted(failed):
            self._help(self._decisions[place].demand)
        return self._decisions

    def _is_settled(self, decision: Decision) -> bool:
        """True where all replicas are held and may go elsewhere."""
        demand, server = decision.demand, decision.server
        namespace = self._ledger.namespaces[demand.namespace]
        trace = traces(demand, namespace).get(server) if server else None
        if decision.outcome != "Scheduled" or demand.server is not None or trace is None:
            return False
        return trace.held == set(decision.positions)

    def _help(self, demand: Demand) -> None:
        namespace = self._ledger.namespaces.get(demand.namespace)
        if namespace is None:
            return
        best: tuple[int, str, tuple[int, ...]] | None = None
        for server in namespace.servers:
            if server in self._closed or not may_use(demand, server):
                continue
            for cost, leaving in self._ways(demand, namespace, server):
                if best is None or (cost, server.name, leaving) < best:
                    best = cost, server.name, leaving
        if best:
            self._move(best[2], namespace, namespace.by_name[best[1]])

    def _ways(
        self, demand: Demand, namespace: NamespaceLedger, server: ServerLedger
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Sets of models that could leave the server to let the demand in, and their replicas."""
        takers = set(server.takers(self._ledger.classes.need(demand)))
        trace = traces(demand, namespace).get(server)
        if trace:
            takers -= trace.failed
        settled = [
            place
            for place in self._settled.get(server, ())
            if self._weighs(place) and takers & set(self._decisions[place].positions)
        ]
        for size in range(1, _AT_ONCE + 1):
            for leaving in combinations(settled, size):
                if not self._steps:
                    return
                self._steps -= 1
                cost = sum(len(self._decisions[place].positions) for place in leaving)
                if cost > self._moves:
                    continue
                if self._makes_room(demand, server, takers, leaving) and self._plan(
                    leaving, namespace, server
                ):
                    yield cost, leaving

    def _weighs(self, place: int) -> bool:
        demand = self._decisions[place].demand
        return bool(demand.memory or demand.resources)

    def _makes_room(
        self, demand: Demand, server: ServerLedger, takers: set[int], leaving: Sequence[int]
    ) -> bool:
        gone = [self._decisions[place] for place in leaving]
        for decision in gone:
            server.charge(decision.positions, decision.demand, -1)
        fitting = sum(_fits(demand, server, position) for position in takers)
        for decision in gone:
            server.charge(decision.positions, decision.demand)
        return fitting >= _least(demand)

    def _plan(self, leaving: Sequence[int], namespace: NamespaceLedger, source: ServerLedger) -> list[_Move]:
        """Where each of them can go at the same time, or nothing. Leaves the ledger as it was."""
        moves: list[_Move] = []
        for place in leaving:
            move = self._target(place, namespace, source)
            if move:
                move.server.charge(move.positions, self._decisions[place].demand)
                moves.append(move)
        for move in moves:
            move.server.charge(move.positions, self._decisions[move.place].demand, -1)
        return moves if len(moves) == len(leaving) else []

    def _target(self, place: int, namespace: NamespaceLedger, source: ServerLedger) -> _Move | None:
        """The server with the tightest room for all of a model."""
        demand = self._decisions[place].demand
        need, traced = self._ledger.classes.need(demand), traces(demand, namespace)
        targets = []
        for server in namespace.open:
            if server is source or server in self._closed:
                continue
            positions = server.suitable(need, demand.memory, traced.get(server), demand.replicas)
            if len(positions) == demand.replicas:
                rest = sum(server.free[position] for position in positions)
                targets.append((rest, server.name, _Move(place, server, tuple(sorted(positions)))))
        return min(targets, key=lambda target: target[:2])[2] if targets else None

    def _move(self, leaving: Sequence[int], namespace: NamespaceLedger, source: ServerLedger) -> None:
        for move in self._plan(leaving, namespace, source):
            demand = self._decisions[move.place].demand
            move.server.charge(move.positions, demand)
            self._decisions[move.place] = Decision(demand, "Scheduled", move.server, move.positions)
            self._moves -= len(move.positions)
            self._settled[source].remove(move.place)
        self._closed.add(source)


def _fits(demand: Demand, server: ServerLedger, position: int) -> bool:
    needed = demand.memory * server.instances[position]
    return needed <= server.headroom(position) and server.has(demand.resources, position)


def _least(demand: Demand) -> int:
    return demand.min_replicas if 0 < demand.min_replicas < demand.replicas else demand.replicas

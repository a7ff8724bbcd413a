"""Demands that would take more room than they have, found by the server on which room appears.

A candidate is a demand that *may* gain; whether it does is for :mod:`placement.reference` to decide. No
demand that would gain is missed, and of the others few are found: those that wait are kept by class, pin
and number of replicas, sorted by memory, so one comparison passes over a whole line of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from placement.classes import Classes, Need
from placement.demand import Demand
from placement.ledger import NamespaceLedger, ServerLedger
from placement.reference import Decision


class _Line(NamedTuple):
    """What is asked alike of a server: room on so many replicas, for models of a class."""

    need: Need
    pin: str | None
    replicas: int


class _Place(NamedTuple):
    line: _Line
    memory: int
    servers: frozenset[str]


class Waiting:
    """The demands of one namespace that wait, wholly or for further replicas."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._lines: dict[_Line, list[tuple[int, str]]] = {}
        self._places: dict[str, _Place] = {}
        self._known: dict[str, set[str]] = {}
        self.idle: set[str] = set()

    def put(self, decision: Decision, namespace: NamespaceLedger | None) -> None:
        """Have the demand wait if the decision leaves it wanting; ``idle`` are models with 0 replicas."""
        demand = decision.demand
        if demand.replicas <= 0:
            self.idle.add(demand.model)
        elif decision.outcome != "Scheduled":
            entries = namespace.entries(demand.model) if namespace else ()
            servers = frozenset(server.name for server, _, _ in entries)
            self._enter(demand, _least(decision), servers)

    def _enter(self, demand: Demand, count: int, servers: frozenset[str]) -> None:
        line = _Line(self._classes.need(demand), demand.server, count)
        _insert(self._lines.setdefault(line, []), (demand.memory, demand.model))
        self._places[demand.model] = _Place(line, demand.memory, servers)
        for server in servers:
            self._known.setdefault(server, set()).add(demand.model)

    def remove(self, model: str) -> None:
        """Have the model wait no more, if it does."""
        self.idle.discard(model)
        place = self._places.pop(model, None)
        if place is None:
            return
        line = self._lines[place.line]
        del line[bisect_left(line, (place.memory, model))]
        if not line:
            del self._lines[place.line]
        for server in place.servers:
            self._known[server].discard(model)

    def candidates(self, server: ServerLedger) -> Iterator[str]:
        """Models that may gain from what is free on the server now. A server that has something of a
        model needs less room for it than the line says, so these are found by name."""
        yield from self._known.get(server.name, ())
        most = max(server.free, default=-1)
        for line, waiting in self._lines.items():
            if waiting[0][0] <= most and line.pin in (None, server.name):
                room = server.nth_free(line.need, line.replicas)
                for _, model in waiting[: bisect_right(waiting, room, key=itemgetter(0))]:
                    yield model

    def models(self) -> Iterator[str]:
        """All models that wait for room."""
        return iter(self._places)


def _insert(line: list[tuple[int, str]], item: tuple[int, str]) -> None:
    line.insert(bisect_left(line, item), item)


def _least(decision: Decision) -> int:
    """The fewest replicas on a server that has nothing of the model for which the decision would change."""
    demand = decision.demand
    if decision.outcome == "PartiallyScheduled" or demand.min_replicas <= 0:
        return demand.replicas
    return min(demand.replicas, demand.min_replicas)

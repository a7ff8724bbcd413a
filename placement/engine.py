"""Where each model version shall run: the reference's decision, made reproducible.

    for each demand: served models first, then by namespace, name, version
        servers:  the one that has this version, then one that has another version, then by name
        replicas: holders first, then most free memory, then lowest index
        1. the first server with ``replicas`` suitable replicas takes exactly these
        2. else the first with at least ``min_replicas`` takes what it can
        3. else ScheduleFailed, and what is loaded goes on serving

Pure. Memory that a run frees (moves, fewer replicas, old versions) is not credited in that run: a
caller that wants to credit it takes it out of the inventory first. Sentences are written when all is
decided, so they tell what is free after the plan.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from placement.census import Census
from placement.classes import Need
from placement.demand import Demand
from placement.filters import is_holding, reject_server
from placement.inventory import Inventory
from placement.ledger import Ledger, NamespaceLedger, ServerLedger, Trace
from placement.placement import Assignment, Outcome, Placement


class _Decision(NamedTuple):
    demand: Demand
    outcome: Outcome
    server: ServerLedger | None = None
    positions: tuple[int, ...] = ()


class _Found(NamedTuple):
    server: ServerLedger
    positions: list[int]
    held: AbstractSet[int]


def place(demands: Sequence[Demand], inventory: Inventory) -> Placement:
    """Decide for every demand; one demand per model version.

    The answer depends on what the inputs say, not on their order, and neither is changed.
    """
    ledger = Ledger(inventory)
    decisions = [_decide(demand, ledger) for demand in _in_order(demands, ledger)]
    census = Census(ledger)
    return Placement(tuple(_conclude(decision, census) for decision in decisions))


def _in_order(demands: Sequence[Demand], ledger: Ledger) -> list[Demand]:
    def rank(demand: Demand) -> tuple[bool, str, str, str]:
        namespace = ledger.namespaces.get(demand.namespace)
        waiting = namespace is None or not namespace.serves(demand.model)
        return waiting, demand.namespace, demand.model, demand.version

    return sorted(demands, key=rank)


def _decide(demand: Demand, ledger: Ledger) -> _Decision:
    namespace = ledger.namespaces.get(demand.namespace)
    if namespace is None:
        return _Decision(demand, "ScheduleFailed")
    search = _Search(demand, ledger.classes.need(demand), namespace)
    if demand.replicas <= 0:
        return _Decision(demand, "ScaledDown" if search.matching() else "ScheduleFailed")
    found = search.first_with(demand.replicas)
    if not found and demand.min_replicas > 0:
        found = search.first_with(demand.min_replicas)
    return _take(demand, found) if found else _Decision(demand, "ScheduleFailed")


def _take(demand: Demand, found: _Found) -> _Decision:
    found.server.charge(
        [position for position in found.positions if position not in found.held], demand.memory
    )
    outcome: Outcome = "Scheduled" if len(found.positions) == demand.replicas else "PartiallyScheduled"
    return _Decision(demand, outcome, found.server, tuple(sorted(found.positions)))


class _Search:
    """The servers that one demand may go to, in the order in which they are tried."""

    def __init__(self, demand: Demand, need: Need, namespace: NamespaceLedger) -> None:
        self._demand = demand
        self._need = need
        self._namespace = namespace
        self._traces = _traces(demand, namespace)
        self._preferred = _preferred(self._traces)

    def matching(self) -> bool:
        """True where a server could serve the model if it had room."""
        if self._demand.server is None:
            return self._namespace.offers(self._need)
        return any(server.offers(self._need) for server in self._by_name(least=0))

    def first_with(self, least: int) -> _Found | None:
        """The first server with ``least`` suitable replicas, and the best of them, no more than wanted."""
        for server in self._candidates(least):
            trace = self._traces.get(server)
            positions = server.suitable(self._need, self._demand.memory, trace, self._demand.replicas)
            if len(positions) >= least:
                return _Found(server, positions, trace.held if trace else frozenset())
        return None

    def _candidates(self, least: int) -> Iterator[ServerLedger]:
        if not self._preferred:
            return self._by_name(least)
        preferred = (server for server in self._preferred if self._may_use(server))
        others = (server for server in self._by_name(least) if server not in self._preferred)
        return chain(preferred, others)

    def _by_name(self, least: int) -> Iterator[ServerLedger]:
        pin = self._demand.server
        if pin is None:
            return self._namespace.fitting(self._need, least, self._demand.memory)
        server = self._namespace.by_name.get(pin)
        return iter([server] if server and self._may_use(server) else [])

    def _may_use(self, server: ServerLedger) -> bool:
        if self._demand.server is None:
            return server.is_open
        return reject_server(self._demand, server.server) is None


def _traces(demand: Demand, namespace: NamespaceLedger) -> dict[ServerLedger, Trace]:
    traces: dict[ServerLedger, Trace] = {}
    for server, position, entry in namespace.entries(demand.model):
        trace = traces.setdefault(server, Trace())
        if entry.version != demand.version:
            trace.kin += is_holding(entry)
        elif is_holding(entry):
            trace.held.add(position)
        elif entry.state == "LoadFailed":
            trace.failed.add(position)
    return traces


def _preferred(traces: Mapping[ServerLedger, Trace]) -> list[ServerLedger]:
    """Servers that serve the model: by replicas of this version, of other versions, then by name."""
    serving = [server for server, trace in traces.items() if trace.held or trace.kin]
    return sorted(serving, key=lambda server: (-len(traces[server].held), -traces[server].kin, server.name))


def _conclude(decision: _Decision, census: Census) -> Assignment:
    demand, server = decision.demand, decision.server
    indices = tuple(server.replicas[position].index for position in decision.positions) if server else ()
    name = server.name if server else None
    message = _message(decision, census)
    return Assignment(
        demand.namespace, demand.model, demand.version, name, indices, decision.outcome, message
    )


def _message(decision: _Decision, census: Census) -> str:
    if decision.outcome == "Scheduled":
        return ""
    if decision.outcome == "ScaledDown":
        return "0 replicas wanted"
    if decision.server is None:
        return census.explain(decision.demand)
    return census.explain_partial(decision.demand, decision.server, decision.positions)

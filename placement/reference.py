"""The reference's decision, made reproducible: one model version at a time, never looking back.

    for each demand: served models first, then by priority, namespace, name, version
        servers:  the one that has this version, then one that has another version, then by name
        replicas: holders first, then most free memory, then lowest index
        1. the first server with ``replicas`` suitable replicas takes exactly these
        2. else the first with at least ``min_replicas`` takes what it can
        3. else ScheduleFailed, and what is loaded goes on serving

Memory that a run frees (moves, fewer replicas, old versions) is not credited in that run.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from placement.classes import Need
from placement.demand import Demand
from placement.filters import is_holding, reject_server
from placement.ledger import Ledger, NamespaceLedger, ServerLedger, Trace
from placement.placement import Outcome


class Decision(NamedTuple):
    """What was decided for a demand; ``positions`` are sorted positions of replicas on ``server``."""

    demand: Demand
    outcome: Outcome
    server: ServerLedger | None = None
    positions: tuple[int, ...] = ()


class _Found(NamedTuple):
    server: ServerLedger
    positions: list[int]
    held: AbstractSet[int]


def in_order(demands: Sequence[Demand], ledger: Ledger) -> list[Demand]:
    """The demands in the order in which they are decided."""

    def rank(demand: Demand) -> tuple[bool, int, str, str, str]:
        waiting = is_waiting(demand, ledger)
        return waiting, -demand.priority, demand.namespace, demand.model, demand.version

    return sorted(demands, key=rank)


def is_waiting(demand: Demand, ledger: Ledger) -> bool:
    """True where nothing serves the model, in whatever version."""
    namespace = ledger.namespaces.get(demand.namespace)
    return namespace is None or not namespace.serves(demand.model)


def decide(demand: Demand, ledger: Ledger) -> Decision:
    """Decide for one demand and charge the ledger with it."""
    namespace = ledger.namespaces.get(demand.namespace)
    if namespace is None:
        return Decision(demand, "ScheduleFailed")
    search = _Search(demand, ledger.classes.need(demand), namespace)
    if demand.replicas <= 0:
        return Decision(demand, "ScaledDown" if search.matching() else "ScheduleFailed")
    found = search.first_with(demand.replicas)
    if not found and demand.min_replicas > 0:
        found = search.first_with(demand.min_replicas)
    return _take(demand, found) if found else Decision(demand, "ScheduleFailed")


def _take(demand: Demand, found: _Found) -> Decision:
    found.server.charge([position for position in found.positions if position not in found.held], demand)
    outcome: Outcome = "Scheduled" if len(found.positions) == demand.replicas else "PartiallyScheduled"
    return Decision(demand, outcome, found.server, tuple(sorted(found.positions)))


class _Search:
    """The servers that one demand may go to, in the order in which they are tried."""

    def __init__(self, demand: Demand, need: Need, namespace: NamespaceLedger) -> None:
        self._demand = demand
        self._need = need
        self._namespace = namespace
        self._traces = traces(demand, namespace)
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
        preferred = (server for server in self._preferred if may_use(self._demand, server))
        others = (server for server in self._by_name(least) if server not in self._preferred)
        return chain(preferred, others)

    def _by_name(self, least: int) -> Iterator[ServerLedger]:
        pin = self._demand.server
        if pin is None:
            return self._namespace.fitting(self._need, least, self._demand.memory)
        server = self._namespace.by_name.get(pin)
        return iter([server] if server and may_use(self._demand, server) else [])


def may_use(demand: Demand, server: ServerLedger) -> bool:
    """True where nothing about the server itself speaks against the demand."""
    if demand.server is None:
        return server.is_open
    return reject_server(demand, server.server) is None


def traces(demand: Demand, namespace: NamespaceLedger) -> dict[ServerLedger, Trace]:
    """What servers have of the demand's model."""
    found: dict[ServerLedger, Trace] = {}
    for server, position, entry in namespace.entries(demand.model):
        trace = found.setdefault(server, Trace())
        if entry.version != demand.version:
            trace.kin += is_holding(entry)
        elif is_holding(entry):
            trace.held.add(position)
        elif entry.state == "LoadFailed":
            trace.failed.add(position)
    return found


def _preferred(found: Mapping[ServerLedger, Trace]) -> list[ServerLedger]:
    """Servers that serve the model: by replicas of this version, of other versions, then by name."""
    serving = [server for server, trace in found.items() if trace.held or trace.kin]
    return sorted(serving, key=lambda server: (-len(found[server].held), -found[server].kin, server.name))

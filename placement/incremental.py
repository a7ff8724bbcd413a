"""A placement that is kept: it takes changes and answers with what they change.

The full plan is the same function from nothing. A change decides anew for the models that it names, for
those on servers that it changes, and, where memory gets free, for waiting models that may use it; all
others stand where they stand, and asking the engine about everything would say the same::

    kept.change(...)  ≡  place, load and unload what it says, until placing again changes nothing

Served models keep their place but for the reasons of :mod:`placement.reference`; what waits is decided
by the policy. Under ``pack`` everything that waits is packed anew with each change that frees or asks for
something, and ``max_moves`` is not heeded: moves are for whole plans. Nothing is executed here; the kept
inventory is what it will be once everything answered so far has been.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from placement.demand import Demand
from placement.engine import conclude
from placement.filters import is_holding
from placement.inventory import Inventory, LoadedModel, Server
from placement.ledger import Ledger, NamespaceLedger, ServerLedger
from placement.packing.pack import pack
from placement.placement import Assignment
from placement.policy import REFERENCE, Policy
from placement.reference import Decision, decide, in_order
from placement.waiting import Waiting
from placement.why.census import Census

ModelKey = tuple[str, str]
"""Namespace and name of a model."""
ServerKey = tuple[str, str]
"""Namespace and name of a server."""


class KeptPlacement:
    """Where every model shall be, kept up with changes."""

    def __init__(self, inventory: Inventory, policy: Policy = REFERENCE) -> None:
        self._policy = replace(policy, max_moves=0)
        self._ledger = Ledger(inventory)
        self._demands: dict[ModelKey, Demand] = {}
        self._decisions: dict[ModelKey, Decision] = {}
        self._waiting: dict[str, Waiting] = {}
        self._census = Census(self._ledger)

    def change(
        self,
        put: Iterable[Demand] = (),
        drop: Iterable[ModelKey] = (),
        servers: Iterable[Server] = (),
        gone: Iterable[ServerKey] = (),
    ) -> tuple[Assignment, ...]:
        """Take demands that are new or changed, models that nobody wants any more, servers that are new
        or changed (with what is loaded there), and servers that are gone.

        Answers with the assignments that are not what they were, sorted by namespace and model.
        """
        before = _Before(self._decisions)
        touched: set[ModelKey] = set()
        freed = self._change_servers(servers, gone, touched) | self._forget(drop)
        for demand in put:
            key = demand.namespace, demand.model
            self._demands[key] = demand
            touched.add(key)
        while concerned := self._concerned(touched, freed):
            freed = self._decide(concerned, before)
            touched = set()
        return tuple(self._conclude(key) for key in before.differing())

    def inventory(self) -> Inventory:
        """The servers with what is loaded once everything that was answered is done."""
        namespaces = sorted(self._ledger.namespaces.items())
        return Inventory(tuple(_as_it_stands(server) for _, group in namespaces for server in group.servers))

    def assignments(self) -> tuple[Assignment, ...]:
        """Where everything is, with reasons as of now, sorted by namespace and model."""
        return tuple(self._conclude(key) for key in sorted(self._decisions))

    def explain(self, key: ModelKey) -> Assignment:
        """Where one model is, with the reason as of now."""
        return self._conclude(key)

    def _conclude(self, key: ModelKey) -> Assignment:
        return conclude(self._decisions[key], self._census)

    def _concerned(self, touched: set[ModelKey], freed: set[ServerLedger]) -> list[Demand]:
        """What has to be decided anew: what the change names, and who may gain from what got free."""
        keys = touched & self._demands.keys()
        if self._policy.name == "pack" and (keys or freed):
            keys |= {(name, model) for name, waiting in self._waiting.items() for model in waiting.models()}
        else:
            for server in freed:
                namespace = server.server.namespace
                if namespace in self._waiting:
                    keys |= {(namespace, model) for model in self._waiting[namespace].candidates(server)}
        return [self._demands[key] for key in keys]

    def _decide(self, demands: list[Demand], before: "_Before") -> set[ServerLedger]:
        """Decide, and do what was decided; what gets free by it is answered, not yet used."""
        decisions = [decide(demand, self._ledger) for demand in in_order(demands, self._ledger)]
        if self._policy.name == "pack":
            decisions = pack(decisions, self._ledger, self._policy)
            for group in self._ledger.namespaces.values():
                group.forget_bounds()
        freed: set[ServerLedger] = set()
        for decision in decisions:
            key = decision.demand.namespace, decision.demand.model
            before.note(key)
            self._decisions[key] = decision
            namespace = self._ledger.namespaces.get(key[0])
            if namespace:
                freed |= _carry_out(decision, namespace)
            if decision.server:
                self._census.touch(decision.server)
            waiting = self._waiting.setdefault(key[0], Waiting(self._ledger.classes))
            waiting.remove(key[1])
            waiting.put(decision, namespace)
        return self._touch(freed)

    def _forget(self, models: Iterable[ModelKey]) -> set[ServerLedger]:
        freed: set[ServerLedger] = set()
        for key in models:
            self._demands.pop(key, None)
            self._decisions.pop(key, None)
            if key[0] in self._waiting:
                self._waiting[key[0]].remove(key[1])
            if key[0] in self._ledger.namespaces:
                namespace = self._ledger.namespaces[key[0]]
                freed |= _unload(namespace, namespace.entries(key[1]))
        return self._touch(freed)

    def _touch(self, servers: set[ServerLedger]) -> set[ServerLedger]:
        for server in servers:
            self._census.touch(server)
        return servers

    def _change_servers(
        self, servers: Iterable[Server], gone: Iterable[ServerKey], touched: set[ModelKey]
    ) -> set[ServerLedger]:
        """Exchange servers; every model that was or is there is touched, and what asks for 0 replicas."""
        changes: dict[ServerKey, Server | None] = dict.fromkeys(gone)
        changes |= {(server.namespace, server.name): server for server in servers}
        fresh: set[ServerLedger] = set()
        for (name, server_name), server in changes.items():
            namespace = self._ledger.namespaces.setdefault(name, NamespaceLedger((), self._ledger.classes))
            old, new = namespace.exchange(server_name, server)
            touched |= {(name, model) for side in (old, new) if side for model in _models(side)}
            fresh |= {new} if new else set()
            if not namespace.servers:
                del self._ledger.namespaces[name]
            if name in self._waiting:
                touched |= {(name, model) for model in self._waiting[name].idle}
        if changes:
            self._census = Census(self._ledger)
        return fresh


class _Before:
    """What was decided before a change, about the models that it touched."""

    def __init__(self, decisions: Mapping[ModelKey, Decision]) -> None:
        self._now = decisions
        self._noted: dict[ModelKey, Decision | None] = {}

    def note(self, key: ModelKey) -> None:
        """Remember what is decided now, if this is the first time that it may change."""
        if key not in self._noted:
            self._noted[key] = self._now.get(key)

    def differing(self) -> list[ModelKey]:
        """The models for which something else is decided now, sorted."""
        return sorted(
            key
            for key, old in self._noted.items()
            if old is None or _essence(old) != _essence(self._now[key])
        )


def _essence(decision: Decision) -> tuple[str, str, str, tuple[int, ...]]:
    server, version = decision.server, decision.demand.version
    if server is None:
        return version, decision.outcome, "", ()
    return version, decision.outcome, server.name, tuple(server.replicas[p].index for p in decision.positions)


def _models(server: ServerLedger) -> set[str]:
    return {entry.model for replica in server.replicas for entry in replica.loaded}


def _as_it_stands(server: ServerLedger) -> Server:
    return replace(server.server, replicas=tuple(server.replicas))


def _carry_out(decision: Decision, namespace: NamespaceLedger) -> set[ServerLedger]:
    """Load what was decided and unload the rest of the model; a failure leaves everything as it is.
    Failed loads of this version stay known. Answers with the servers that got memory back."""
    demand = decision.demand
    if decision.outcome == "ScheduleFailed":
        return set()
    held, surplus = set(), []
    for server, position, entry in namespace.entries(demand.model):
        same = entry.version == demand.version
        if same and server is decision.server and position in decision.positions and is_holding(entry):
            held.add(position)
        elif not same or entry.state != "LoadFailed":
            surplus.append((server, position, entry))
    freed = _unload(namespace, surplus)
    if decision.server:
        for position in decision.positions:
            if position not in held:
                namespace.record(decision.server, position, _entry(demand, decision.server, position))
    return freed


def _entry(demand: Demand, server: ServerLedger, position: int) -> LoadedModel:
    memory = demand.memory * server.instances[position]
    return LoadedModel(demand.model, demand.version, memory, "Loaded", resources=demand.resources)


def _unload(
    namespace: NamespaceLedger, entries: Iterable[tuple[ServerLedger, int, LoadedModel]]
) -> set[ServerLedger]:
    by_server: dict[ServerLedger, list[tuple[int, LoadedModel]]] = {}
    for server, position, entry in entries:
        by_server.setdefault(server, []).append((position, entry))
    for server, leaving in by_server.items():
        namespace.remove(server, leaving)
    return set(by_server)

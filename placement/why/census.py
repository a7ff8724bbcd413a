"""Sentences for everything a run could not place, at a price that does not multiply.

Asking every question for 10,000 unplaced models on 10,000 replicas would be 10⁸ answers. Here replicas
are counted once per requirement class (:mod:`placement.why.strangers`); only the few replicas that know the
model's own version are asked for themselves. The sentences are those of
:func:`placement.why.verdicts.summarise` on the inventory as it is after the plan.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from placement.classes import Need
from placement.demand import Demand
from placement.filters import reject_server, required_memory
from placement.inventory import LoadedModel, Server, ServerReplica
from placement.ledger import Ledger, NamespaceLedger, ServerLedger
from placement.placement import Verdict, VerdictReason
from placement.why.strangers import Strangers
from placement.why.verdicts import (
    Tally,
    describe,
    describe_partial,
    name_miss,
    near_miss,
    replica_verdict,
    server_verdicts,
    tally,
)

_Counts = Counter[VerdictReason]


class Census:
    """Explains demands against a ledger that changes only where :meth:`touch` says so."""

    def __init__(self, ledger: Ledger) -> None:
        self._namespaces = {name: _NamespaceCensus(group) for name, group in ledger.namespaces.items()}

    def touch(self, server: ServerLedger) -> None:
        """What is free on the server, or loaded there, is not what it was."""
        self._namespaces[server.server.namespace].touch(server)

    def explain(self, demand: Demand) -> str:
        """Why no server takes the demand."""
        namespace = self._namespaces.get(demand.namespace)
        return namespace.explain(demand) if namespace else describe(demand, Tally({}, {}, ""))

    def explain_partial(self, demand: Demand, server: ServerLedger, positions: Sequence[int]) -> str:
        """Why ``server``, which took the demand at ``positions``, took no more of it."""
        counted = self._namespaces[demand.namespace].tally_partial(demand, server, positions)
        return describe_partial(demand, server.name, len(positions), counted)


class _NamespaceCensus:
    def __init__(self, namespace: NamespaceLedger) -> None:
        self._namespace = namespace
        self._classes: dict[Need, Strangers] = {}
        self._sentences: dict[tuple[Need, str | None, int, int, int], str] = {}

    @cached_property
    def _refusals(self) -> _Counts:
        return _refusals(self._namespace, pin=None)

    @cached_property
    def _refusals_elsewhere(self) -> _Counts:
        return _refusals(self._namespace, pin="")

    def touch(self, server: ServerLedger) -> None:
        self._sentences.clear()
        for strangers in self._classes.values():
            strangers.touch(server)

    def explain(self, demand: Demand) -> str:
        need = self._namespace.classes.need(demand)
        known = {(server, position) for server, position, _ in self._known(demand)}
        if known:
            return describe(demand, self._tally(demand, need, known))
        key = (need, demand.server, demand.memory, demand.replicas, demand.min_replicas)
        if key not in self._sentences:
            self._sentences[key] = describe(demand, self._tally(demand, need, known))
        return self._sentences[key]

    def tally_partial(self, demand: Demand, server: ServerLedger, positions: Sequence[int]) -> Tally:
        """The server's replicas beside those at ``positions``, which took the demand."""
        known = {p for owner, p, entry in self._known(demand) if owner is server}
        strangers = self._strangers(self._namespace.classes.need(demand))
        others = [p for p in range(len(server.replicas)) if p not in positions]
        reasons = {p: strangers.reason(server, p, demand.memory) for p in others}
        closest = strangers.closest(server, demand.memory, others)
        if closest is None or not known.issubset(positions):
            return tally(demand, server_verdicts(demand, _after(server, demand, positions)))
        return Tally({}, Counter(reasons.values()), name_miss(_verdict_after(server, closest, demand)))

    def _known(self, demand: Demand) -> Iterator[tuple[ServerLedger, int, LoadedModel]]:
        entries = self._namespace.entries(demand.model)
        return (item for item in entries if item[2].version == demand.version)

    def _strangers(self, need: Need) -> Strangers:
        if need not in self._classes:
            self._classes[need] = Strangers(need, self._namespace)
        self._classes[need].refresh()
        return self._classes[need]

    def _tally(self, demand: Demand, need: Need, known: set[tuple[ServerLedger, int]]) -> Tally:
        if demand.server is not None:
            return self._tally_pinned(demand, self._namespace.by_name.get(demand.server))
        if not self._namespace.open:
            return Tally(self._refusals, {}, "")
        strangers = self._strangers(need)
        servers = Counter(self._refusals)
        servers["NotEnoughReplicas"] += len(self._namespace.open)
        replicas = strangers.count(demand.memory)  # classes name resources, so memory decides the rest
        for server, position in known:
            if server.is_open:
                replicas[strangers.reason(server, position, demand.memory)] -= 1
                replicas[_verdict_after(server, position, demand).reason] += 1
        nearest = strangers.nearest(demand.replicas)
        closest = None if known else strangers.closest(nearest, demand.memory)
        if closest is None:
            return Tally(servers, replicas, near_miss(server_verdicts(demand, _after(nearest, demand))))
        return Tally(servers, replicas, name_miss(_verdict_after(nearest, closest, demand)))

    def _tally_pinned(self, demand: Demand, server: ServerLedger | None) -> Tally:
        servers = Counter(self._refusals_elsewhere)
        if server is None:
            return Tally(servers, {}, "")
        own = tally(demand, server_verdicts(demand, _after(server, demand)))
        elsewhere = reject_server(replace(demand, server=""), server.server)
        assert elsewhere is not None  # no server is called ""
        servers[elsewhere.reason] -= 1
        servers.update(own.servers)
        return Tally(servers, own.replicas, own.nearest)


def _refusals(namespace: NamespaceLedger, pin: str | None) -> _Counts:
    probe = Demand("", "", "", server=pin)
    findings = (reject_server(probe, server.server) for server in namespace.servers)
    return Counter(finding.reason for finding in findings if finding)


def _after(server: ServerLedger, demand: Demand, placed: Sequence[int] = ()) -> Server:
    """The server after the plan, as far as one model can tell."""
    replicas = (
        _replica_after(server, position, demand, position in placed)
        for position in range(len(server.replicas))
    )
    return replace(server.server, replicas=tuple(replicas))


def _verdict_after(server: ServerLedger, position: int, demand: Demand) -> Verdict:
    return replica_verdict(demand, server.name, _replica_after(server, position, demand))


def _replica_after(
    server: ServerLedger, position: int, demand: Demand, placed: bool = False
) -> ServerReplica:
    """One replica after the plan; what other models occupy is lumped together."""
    replica = server.replicas[position]
    own = [
        entry for entry in replica.loaded if entry.model == demand.model and entry.version == demand.version
    ]
    if placed and not any(entry.state in ("Loading", "Loaded") for entry in own):
        memory = required_memory(demand, replica)
        own.append(LoadedModel(demand.model, demand.version, memory, "Loading", resources=demand.resources))
    occupied = [entry for entry in own if entry.state != "LoadFailed"]
    others = server.used[position] - sum(entry.memory for entry in occupied)
    rest = Counter(server.used_resources(position)) if demand.resources else Counter()
    for entry in occupied:
        rest.subtract(dict(entry.resources))
    unlisted = tuple(sorted(rest.items()))
    return replace(replica, loaded=tuple(own), unlisted=others, unlisted_resources=unlisted)

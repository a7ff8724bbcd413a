"""Sentences for everything a run could not place, at a price that does not multiply.

Asking every question for 10,000 unplaced models on 10,000 replicas would be 10⁸ answers. Here replicas
are counted once per requirement class, sorted by free memory, and a model finds its counts by bisection;
only the few replicas that know the model's own version are asked for themselves. The sentences are
those of :func:`placement.verdicts.summarise` on the inventory as it is after the plan.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from placement.classes import Need
from placement.demand import Demand
from placement.filters import LACKS_UNKNOWN, reject_server, required_memory
from placement.inventory import LoadedModel, Server, ServerReplica
from placement.ledger import Ledger, NamespaceLedger, ServerLedger
from placement.placement import Verdict, VerdictReason
from placement.verdicts import (
    Distance,
    Nearness,
    Tally,
    describe,
    describe_partial,
    distance,
    name_miss,
    near_miss,
    nearness,
    replica_verdict,
    server_verdicts,
    tally,
)

_Counts = Counter[VerdictReason]


class Census:
    """Explains demands against a ledger that no longer changes."""

    def __init__(self, ledger: Ledger) -> None:
        self._namespaces = {name: _NamespaceCensus(group) for name, group in ledger.namespaces.items()}

    def explain(self, demand: Demand) -> str:
        """Why no server takes the demand."""
        namespace = self._namespaces.get(demand.namespace)
        return namespace.explain(demand) if namespace else describe(demand, Tally({}, {}, ""))

    def explain_partial(self, demand: Demand, server: ServerLedger, positions: Sequence[int]) -> str:
        """Why ``server``, which took the demand at ``positions``, took no more of it."""
        counted = tally(demand, server_verdicts(demand, _after(server, demand, positions)))
        return describe_partial(demand, server.name, len(positions), counted)


class _NamespaceCensus:
    def __init__(self, namespace: NamespaceLedger) -> None:
        self._namespace = namespace
        self._classes: dict[Need, _ClassCensus] = {}
        self._sentences: dict[tuple[Need, str | None, int, int, int], str] = {}
        self._refusals = _refusals(namespace, pin=None)
        self._refusals_elsewhere = _refusals(namespace, pin="")

    def explain(self, demand: Demand) -> str:
        need = self._namespace.classes.need(demand)
        known = {
            (server, position)
            for server, position, entry in self._namespace.entries(demand.model)
            if entry.version == demand.version
        }
        if known:
            return describe(demand, self._tally(demand, need, known))
        key = (need, demand.server, demand.memory, demand.replicas, demand.min_replicas)
        if key not in self._sentences:
            self._sentences[key] = describe(demand, self._tally(demand, need, known))
        return self._sentences[key]

    def _tally(self, demand: Demand, need: Need, known: set[tuple[ServerLedger, int]]) -> Tally:
        if demand.server is not None:
            return self._tally_pinned(demand, self._namespace.by_name.get(demand.server))
        if not self._namespace.open:
            return Tally(self._refusals, {}, "")
        if need not in self._classes:
            self._classes[need] = _ClassCensus(need, self._namespace)
        strangers = self._classes[need]
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


class _ClassCensus:
    """The replicas of the open servers as one requirement class sees them."""

    def __init__(self, need: Need, namespace: NamespaceLedger) -> None:
        self._need = need
        self._near: list[ServerLedger] = []
        self._most = 1
        self._nearest: dict[int, ServerLedger] = {}
        self._closest: dict[ServerLedger, list[int]] = {}
        self._fixed: _Counts = Counter()
        self._shares: dict[VerdictReason, list[int]] = {}
        self._survey(namespace)

    def _survey(self, namespace: NamespaceLedger) -> None:
        standings = {kind: namespace.classes.standing(self._need, kind) for kind in namespace.by_kind}
        capable = {kind for kind, standing in standings.items() if standing.capable}
        for kind, standing in standings.items():
            if standing.depends:
                for server in namespace.by_kind[kind]:
                    self._share(server, server.kinds[kind], standing.roomy)
            else:
                self._fixed[standing.full] += namespace.sizes[kind]
        for shares in self._shares.values():
            shares.sort()
        self._near = namespace.of_kinds(capable) or [servers[0] for servers in namespace.by_kind.values()]
        self._most = max(len(server.replicas) for server in self._near)

    def _share(self, server: ServerLedger, positions: Sequence[int], roomy: VerdictReason) -> None:
        """Note bytes free per instance under what is said to those who ask for no more."""
        resources = self._need.resources
        for position in positions:
            reason = roomy if server.has(resources, position) else "InsufficientResources"
            share = server.free[position] // server.instances[position]
            self._shares.setdefault(reason, []).append(share)

    def count(self, memory: int) -> _Counts:
        """Replicas by what they say to a model of this class that they have not met."""
        counts = Counter(self._fixed)
        for reason, shares in self._shares.items():
            short = bisect_left(shares, memory)
            counts["InsufficientMemory"] += short
            counts[reason] += len(shares) - short
        return counts

    def reason(self, server: ServerLedger, position: int, memory: int) -> VerdictReason:
        """What :meth:`count` took one replica for."""
        standing = server.standing(self._need, position)
        if not standing.depends:
            return standing.full
        if server.free[position] < memory * server.instances[position]:
            return "InsufficientMemory"
        return standing.roomy if server.has(self._need.resources, position) else "InsufficientResources"

    def nearest(self, count: int) -> ServerLedger:
        """The server that comes nearest to taking ``count`` replicas."""
        count = min(count, self._most)  # beyond what any has, who has most is nearest
        if count not in self._nearest:
            self._nearest[count] = min(self._near, key=lambda server: self._nearness(server, count))
        return self._nearest[count]

    def closest(self, server: ServerLedger, memory: int) -> int | None:
        """The position that comes closest among those that reject ``memory`` bytes, if any does."""
        if server not in self._closest:
            self._closest[server] = sorted(range(len(server.free)), key=lambda p: self._distance(server, p))
        order = self._closest[server]
        return next((p for p in order if self.reason(server, p, memory) != "Accepted"), None)

    def _distance(self, server: ServerLedger, position: int) -> Distance:
        standing = server.standing(self._need, position)
        free = server.free[position] if standing.capable else None
        return distance(free, standing.lacking, server.replicas[position].index)

    def _nearness(self, server: ServerLedger, count: int) -> Nearness:
        standings = list(server.standings(self._need))
        frees = [server.free[p] for standing, group in standings if standing.capable for p in group]
        fewest = min((standing.lacking for standing, _ in standings), default=LACKS_UNKNOWN)
        return nearness(server.name, frees, fewest, count)


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

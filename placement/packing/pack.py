"""Policy ``pack``: as many models as possible, then their replicas, then few server replicas.

Starts from what the reference decided. What is served keeps that decision; what waits is packed anew
into the room that is left (:mod:`placement.packing.construct`, :mod:`placement.packing.repair`), and the better of both
answers is taken, so packing never places less. Deterministic for a budget in steps; more steps never
give a worse answer.
"""

from collections.abc import Iterable, Sequence

from placement.classes import Kind, Need
from placement.demand import Demand
from placement.ledger import Ledger, NamespaceLedger, ServerLedger
from placement.packing.bins import Packing
from placement.packing.construct import construct
from placement.packing.items import Bins, Item, Pool
from placement.packing.relocation import relocate
from placement.packing.repair import repair
from placement.placement import Outcome
from placement.policy import Policy
from placement.reference import Decision, is_waiting, may_use


def pack(decisions: Sequence[Decision], ledger: Ledger, policy: Policy) -> list[Decision]:
    """The reference's decisions, those about waiting models replaced by better ones.

    ``decisions`` are charged to the ledger; so is what is answered.
    """
    answer = list(decisions)
    places: dict[str, list[int]] = {}
    for place, decision in enumerate(decisions):
        if decision.demand.replicas > 0 and is_waiting(decision.demand, ledger):
            places.setdefault(decision.demand.namespace, []).append(place)
    total = sum(map(len, places.values()))
    for name in sorted(places.keys() & ledger.namespaces.keys()):
        steps = policy.steps * len(places[name]) // total
        given = [decisions[place] for place in places[name]]
        packed = _Bench(ledger, ledger.namespaces[name], given).improve(steps)
        for place, decision in zip(places[name], packed, strict=True):
            answer[place] = decision
    return relocate(answer, ledger, policy) if policy.max_moves else answer


_Make = tuple[str | None, frozenset[Kind], frozenset[Kind]]


class _Bench:
    """The waiting models of one namespace, and the replicas that may take them."""

    def __init__(self, ledger: Ledger, namespace: NamespaceLedger, given: Sequence[Decision]) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._given = given
        self._first: dict[ServerLedger, int] = {}
        self._spots: list[tuple[ServerLedger, int]] = []
        self._pools: dict[_Make, Pool] = {}
        self._reaches: dict[tuple[Need, str | None], tuple[Pool, ...]] = {}
        for server in namespace.servers:
            self._first[server] = len(self._spots)
            self._spots += [(server, position) for position in range(len(server.replicas))]

    def improve(self, steps: int) -> list[Decision]:
        """Decisions at least as good as those given, after at most about so many steps."""
        for decision in self._given:
            self._charge(decision, -1)
        items = [item for item in map(self._item, range(len(self._given)), self._given) if item]
        numbered = [item.number for item in items]
        for number, item in enumerate(items):
            item.number = number
        _weigh(items)
        packing = self._packing(items)
        packing.restore([self._bins(self._given[place]) for place in numbered])
        reference, where = packing.score, list(packing.where)
        construct(packing)
        repair(packing, steps)
        if packing.score > reference:
            where = list(packing.where)
        answer = list(self._given)
        for place, bins in zip(numbered, where, strict=True):
            answer[place] = self._decision(self._given[place].demand, bins)
        for decision in answer:
            self._charge(decision, 1)
        return answer

    def _charge(self, decision: Decision, sign: int) -> None:
        if decision.server:
            decision.server.charge(decision.positions, decision.demand, sign)

    def _packing(self, items: Sequence[Item]) -> Packing:
        # bytes per instance: sizes fit into the quotient exactly where all instances fit into the whole
        free = [server.free[position] // server.instances[position] for server, position in self._spots]
        owners = [self._first[server] for server, _ in self._spots]
        busy = {number for number, (server, position) in enumerate(self._spots) if server.used[position]}
        scarce = any(item.resources for item in items)
        spare = [server.spare[position] for server, position in self._spots] if scarce else ()
        return Packing(free, owners, items, busy, spare)

    def _bins(self, decision: Decision) -> Bins:
        if decision.server is None:
            return ()
        return tuple(self._first[decision.server] + position for position in decision.positions)

    def _decision(self, demand: Demand, bins: Bins) -> Decision:
        if not bins:
            return Decision(demand, "ScheduleFailed")
        server = self._spots[bins[0]][0]
        positions = tuple(sorted(self._spots[number][1] for number in bins))
        outcome: Outcome = "Scheduled" if len(bins) == demand.replicas else "PartiallyScheduled"
        return Decision(demand, outcome, server, positions)

    def _item(self, place: int, decision: Decision) -> Item | None:
        """The demand as an item, or None where no server could ever take it."""
        demand = decision.demand
        need = demand.min_replicas if 0 < demand.min_replicas < demand.replicas else demand.replicas
        pools = self._reach(demand)
        most = max((pool.most for pool in pools), default=0)
        if need > most:
            return None
        banned = frozenset(
            self._first[server] + position
            for server, position, entry in self._namespace.entries(demand.model)
            if entry.version == demand.version and entry.state == "LoadFailed"
        )
        want = min(demand.replicas, most)
        return Item(place, need, want, demand.memory, demand.priority, pools, banned, demand.resources)

    def _reach(self, demand: Demand) -> tuple[Pool, ...]:
        need = self._ledger.classes.need(demand)
        key = need, demand.server
        if key not in self._reaches:
            self._reaches[key] = tuple(self._find_pools(demand, need))
        return self._reaches[key]

    def _find_pools(self, demand: Demand, need: Need) -> Iterable[Pool]:
        """Servers of the same make say the same to a class, so they share a pool."""
        makes: dict[_Make, dict[int, Bins]] = {}
        for server in self._candidates(demand):
            takers = server.takers(need)
            if takers:
                taking = frozenset(kind for kind, group in server.kinds.items() if set(group) & set(takers))
                make = demand.server, frozenset(server.kinds), taking
                first = self._first[server]
                makes.setdefault(make, {})[first] = tuple(sorted(first + position for position in takers))
        for make, groups in makes.items():
            if make not in self._pools:
                self._pools[make] = Pool(groups)
            yield self._pools[make]

    def _candidates(self, demand: Demand) -> list[ServerLedger]:
        if demand.server is None:
            return self._namespace.open
        server = self._namespace.by_name.get(demand.server)
        return [server] if server and may_use(demand, server) else []


def _weigh(items: Sequence[Item]) -> None:
    """Worths that count models of higher priority first, as digits of one number; pools that few can
    use come first."""
    ranks = {priority: rank for rank, priority in enumerate(sorted({item.priority for item in items}))}
    users: dict[Pool, int] = {}
    for pools in dict.fromkeys(item.pools for item in items):
        for pool in pools:
            users[pool] = users.get(pool, 0) + 1
    for item in items:
        item.worth = (len(items) + 1) ** ranks[item.priority]
        item.pools = tuple(sorted(item.pools, key=users.__getitem__))

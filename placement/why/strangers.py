"""The replicas of the open servers as one requirement class sees them: models that they have not met.

Replicas are counted once per class, sorted by what is free, so a model finds its counts by bisection. What
changed since is looked at anew before the next question, server by server.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Container

from placement.classes import Need
from placement.filters import LACKS_UNKNOWN
from placement.ledger import NamespaceLedger, ServerLedger
from placement.placement import VerdictReason
from placement.why.verdicts import Distance, Nearness, distance, nearness


class Strangers:
    """What a class hears from replicas that have nothing of the model that asks."""

    def __init__(self, need: Need, namespace: NamespaceLedger) -> None:
        self._need = need
        self._stale: set[ServerLedger] = set()
        self._told: dict[ServerLedger, list[tuple[VerdictReason, int]]] = {}
        self._shares: dict[VerdictReason, list[int]] = {}
        self._nearness: dict[int, dict[ServerLedger, Nearness]] = {}
        self._nearest: dict[int, ServerLedger] = {}
        self._closest: dict[ServerLedger, list[int]] = {}
        self._survey(namespace)

    def _survey(self, namespace: NamespaceLedger) -> None:
        standings = {kind: namespace.classes.standing(self._need, kind) for kind in namespace.by_kind}
        capable = [kind for kind, standing in standings.items() if standing.capable]
        depends = [kind for kind, standing in standings.items() if standing.depends]
        self._fixed: Counter[VerdictReason] = Counter()
        for kind in standings.keys() - set(depends):
            self._fixed[standings[kind].full] += namespace.sizes[kind]
        for server in namespace.of_kinds(depends):
            self._told[server] = self._tell(server)
            for reason, share in self._told[server]:
                self._shares.setdefault(reason, []).append(share)
        for shares in self._shares.values():
            shares.sort()
        self._near = namespace.of_kinds(capable) or [servers[0] for servers in namespace.by_kind.values()]
        self._most = max((len(server.replicas) for server in self._near), default=0)

    def _tell(self, server: ServerLedger) -> list[tuple[VerdictReason, int]]:
        """Bytes free per instance, each with what is said to those who ask for no more."""
        resources, free, instances = self._need.resources, server.free, server.instances
        return [
            (
                standing.roomy if server.has(resources, position) else "InsufficientResources",
                free[position] // instances[position],
            )
            for standing, positions in server.standings(self._need)
            if standing.depends
            for position in positions
        ]

    def touch(self, server: ServerLedger) -> None:
        """What is free on the server is not what it was."""
        self._stale.add(server)

    def refresh(self) -> None:
        """Look again at what was touched. The other questions do not."""
        for server in self._stale:
            for reason, share in self._told.get(server, ()):
                shares = self._shares[reason]
                del shares[bisect_left(shares, share)]
            if server in self._told:
                self._told[server] = self._tell(server)
                for reason, share in self._told[server]:
                    insort(self._shares.setdefault(reason, []), share)
            self._closest.pop(server, None)
            for count, known in self._nearness.items():
                if server in known:
                    known[server] = self._measure(server, count)
                    self._nearest.pop(count, None)
        self._stale.clear()

    def count(self, memory: int) -> Counter[VerdictReason]:
        """Replicas by what they say to so many bytes."""
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
        if count not in self._nearness:
            self._nearness[count] = {server: self._measure(server, count) for server in self._near}
        if count not in self._nearest:
            known = self._nearness[count]
            self._nearest[count] = min(known, key=known.__getitem__)
        return self._nearest[count]

    def closest(self, server: ServerLedger, memory: int, among: Container[int] | None = None) -> int | None:
        """The position that comes closest of those (``among`` some) that reject ``memory`` bytes, if any
        does."""
        if server not in self._closest:
            self._closest[server] = sorted(range(len(server.free)), key=lambda p: self._distance(server, p))
        order = self._closest[server]
        rejects = (p for p in order if self.reason(server, p, memory) != "Accepted")
        return next((p for p in rejects if among is None or p in among), None)

    def _distance(self, server: ServerLedger, position: int) -> Distance:
        standing = server.standing(self._need, position)
        free = server.free[position] if standing.capable else None
        return distance(free, standing.lacking, server.replicas[position].index)

    def _measure(self, server: ServerLedger, count: int) -> Nearness:
        standings = list(server.standings(self._need))
        frees = [server.free[p] for standing, group in standings if standing.capable for p in group]
        fewest = min((standing.lacking for standing, _ in standings), default=LACKS_UNKNOWN)
        return nearness(server.name, frees, fewest, count)

"""The working copy of one server: what is left on each replica, and which replicas a class may take.

It judges by itself; which server is asked, and in what order, is :mod:`placement.ledger`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from placement.classes import Classes, Kind, Need, Standing
from placement.demand import Demand
from placement.filters import reject_server
from placement.inventory import LoadedModel, Server, ServerReplica
from schemas.placement_annotations import Resources


@dataclass
class Trace:
    """What one server has of one model version: positions of holders, of failed loads, and how many
    replicas hold another version of the model."""

    held: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    kin: int = 0


class ServerLedger:
    """One server: bytes free per replica as the run goes on. Replicas are known by their position in
    index order."""

    def __init__(self, server: Server, classes: Classes) -> None:
        self.server = server
        self.name = server.name
        self.replicas = sorted(server.replicas, key=lambda replica: replica.index)
        self.free = [replica.free for replica in self.replicas]
        self.used = [replica.used for replica in self.replicas]
        self.instances = [replica.instances for replica in self.replicas]
        self.kinds: dict[Kind, list[int]] = {}
        for position, replica in enumerate(self.replicas):
            self.kinds.setdefault(classes.kind(replica), []).append(position)
        self._classes = classes
        self._single = max(self.instances, default=1) == 1
        self._takers: dict[Need, list[int]] = {}
        self._ranked: dict[Need, list[tuple[int, int]]] = {}

    @cached_property
    def is_open(self) -> bool:
        """True where nothing about the server itself speaks against a model that names no server."""
        return reject_server(Demand("", "", ""), self.server) is None

    @cached_property
    def spare(self) -> list[dict[str, int]]:
        """What is left of named resources per replica; negative where a replica holds more than it may."""
        return [_spare(replica) for replica in self.replicas]

    def used_resources(self, position: int) -> dict[str, int]:
        """What is occupied of named resources on one replica."""
        capacity = dict(self.replicas[position].resources)
        return {name: capacity.get(name, 0) - left for name, left in self.spare[position].items()}

    def standing(self, need: Need, position: int) -> Standing:
        """What one replica says to a class."""
        return self._classes.standing(need, self._classes.kind(self.replicas[position]))

    def standings(self, need: Need) -> Iterator[tuple[Standing, list[int]]]:
        """What each kind of replica says to a class, and the positions of that kind."""
        return ((self._classes.standing(need, kind), positions) for kind, positions in self.kinds.items())

    def offers(self, need: Need) -> bool:
        """True where a replica has what the class asks for, room or not."""
        return any(standing.capable for standing, _ in self.standings(need))

    def takers(self, need: Need) -> list[int]:
        """Positions that take new models of the class, what is free permitting."""
        if need not in self._takers:
            self._takers[need] = [
                p for standing, group in self.standings(need) if standing.takes for p in group
            ]
        return self._takers[need]

    def ranked(self, need: Need) -> list[tuple[int, int]]:
        """The takers that have the resources left, as (−bytes free, position): most free first, then
        lowest index."""
        ranked = self._ranked.get(need)
        if ranked is None:
            if need.base:
                ranked = [item for item in self.ranked(need.base) if self.has(need.resources, item[1])]
            else:
                free = self.free
                ranked = sorted([(-free[position], position) for position in self.takers(need)])
            self._ranked[need] = ranked
        return ranked

    def has(self, resources: Resources, position: int) -> bool:
        """True where so much of each resource is left on one replica."""
        if not resources:
            return True
        spare = self.spare[position]
        return all(spare.get(name, 0) >= amount for name, amount in resources)

    def nth_free(self, need: Need, count: int) -> int:
        """Bytes per instance free on the taker with the ``count``-th most of them; −1 where takers with
        the resources left are fewer."""
        ranked = self.ranked(need)
        if count > len(ranked):
            return -1
        if self._single:
            return -ranked[count - 1][0]
        shares = sorted(
            (-negative // self.instances[position] for negative, position in ranked), reverse=True
        )
        return shares[count - 1]

    def suitable(self, need: Need, memory: int, trace: Trace | None, count: int) -> list[int]:
        """Up to ``count`` positions that can have the version of ``memory`` bytes per instance: holders
        first, then most free, then lowest index."""
        keeps = self._keepers(need, trace) if trace else []
        if len(keeps) >= count:
            return keeps[:count]
        if self._single:
            takes = [position for negative, position in self.ranked(need) if memory <= -negative]
        else:
            times = self.instances
            takes = [
                position for negative, position in self.ranked(need) if memory * times[position] <= -negative
            ]
        if trace:
            takes = [position for position in takes if position not in trace.held | trace.failed]
        return keeps + takes[: count - len(keeps)]

    def _keepers(self, need: Need, trace: Trace) -> list[int]:
        keeps = [p for p in trace.held - trace.failed if self.standing(need, p).keeps]
        return sorted(keeps, key=lambda p: (-self.free[p], p))

    def headroom(self, position: int) -> int:
        """Bytes left below the limit; negative where a replica holds more than it may."""
        replica = self.replicas[position]
        return replica.limit - replica.reserved - self.used[position]

    def charge(self, positions: Sequence[int], demand: Demand, sign: int = 1) -> None:
        """Take what the demand needs from each of the positions. A ``sign`` of −1 gives back what was
        taken; after that :meth:`NamespaceLedger.fitting` must not be asked any more."""
        memory = sign * demand.memory
        if memory:
            free, used, instances = self.free, self.used, self.instances
            for position in positions:
                amount = memory * instances[position]
                free[position] -= amount
                used[position] += amount
            self._ranked.clear()
        if demand.resources:
            self._charge_resources(positions, demand.resources, sign)

    def _charge_resources(self, positions: Sequence[int], resources: Resources, sign: int) -> None:
        for position in positions:
            spare = self.spare[position]
            for name, amount in resources:
                spare[name] = spare.get(name, 0) - sign * amount
        self._ranked.clear()

    def record(self, position: int, entry: LoadedModel) -> None:
        """List a version for which the position has been charged."""
        replica = self.replicas[position]
        self.replicas[position] = replace(replica, loaded=(*replica.loaded, entry))

    def remove(self, position: int, entry: LoadedModel) -> None:
        """List a version no more, and give back what it occupied."""
        replica, spare = self.replicas[position], self.spare[position] if entry.resources else {}
        left = tuple([other for other in replica.loaded if other is not entry])
        self.replicas[position] = replace(replica, loaded=left)
        if entry.state != "LoadFailed":
            self.used[position] -= entry.memory
            for name, amount in entry.resources:
                spare[name] = spare.get(name, 0) + amount
            self.free[position] = max(0, self.headroom(position))
            self._ranked.clear()


def _spare(replica: ServerReplica) -> dict[str, int]:
    spare = dict(replica.resources)
    for name, amount in replica.used_resources:
        spare[name] = spare.get(name, 0) - amount
    return spare

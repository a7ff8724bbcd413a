"""Working copies for one run: what is still free where, and who could take what.

The inventory is never changed; a run charges its assignments here. Models with the same needs form a
requirement class, and what :mod:`placement.filters` says of a class is asked once per kind of replica
(same state, same capabilities), not once per model and replica. Memory only shrinks during a run,
which is what makes the bounds of :meth:`NamespaceLedger.fitting` safe to keep.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from placement.demand import Demand
from placement.filters import lacking, reject_replica, reject_server, required_capabilities
from placement.inventory import Inventory, LoadedModel, ReplicaState, Server, ServerReplica
from placement.placement import VerdictReason


class Need(NamedTuple):
    """A requirement class: everything but memory that a replica is asked for."""

    capabilities: tuple[str, ...]
    explainer: bool


def need_of(demand: Demand) -> Need:
    """The requirement class of a demand."""
    return Need(required_capabilities(demand), demand.explainer)


class Standing(NamedTuple):
    """What a class hears from replicas of one kind: with room, without room, whether a holder keeps the
    model, and how many capabilities are lacking."""

    roomy: VerdictReason
    full: VerdictReason
    keeps: bool
    lacking: int

    @property
    def capable(self) -> bool:
        """True where the answer can depend on memory: nothing earlier speaks against it."""
        return self.full == "InsufficientMemory"


def _ask(need: Need, state: ReplicaState, capabilities: tuple[str, ...]) -> Standing:
    probe = Demand("", "probe", "probe", need.capabilities, 0, explainer=need.explainer)
    bare = ServerReplica(0, state, capabilities, memory_capacity=0, overcommit_percent=0)
    holder = replace(bare, loaded=(LoadedModel("probe", "probe", 0, "Loaded"),))
    roomy = reject_replica(probe, bare)
    full = reject_replica(replace(probe, memory=1), bare)
    assert full is not None  # a replica without memory rejects whatever asks for some
    keeps = reject_replica(probe, holder) is None
    return Standing(roomy.reason if roomy else "Accepted", full.reason, keeps, lacking(full.numbers))


class Standings:
    """The answers that were given so far, by class and kind of replica."""

    def __init__(self) -> None:
        self._known: dict[tuple[Need, ReplicaState, tuple[str, ...]], Standing] = {}

    def of(self, need: Need, replica: ServerReplica) -> Standing:
        """What ``replica`` says to ``need``."""
        key = (need, replica.state, replica.capabilities)
        if key not in self._known:
            self._known[key] = _ask(*key)
        return self._known[key]


class ServerLedger:
    """One server: bytes free per replica as the run goes on. Replicas are known by their position in
    index order."""

    def __init__(self, server: Server, standings: Standings) -> None:
        self.server = server
        self.name = server.name
        self.replicas = tuple(sorted(server.replicas, key=lambda replica: replica.index))
        self.free = [replica.free for replica in self.replicas]
        self.used = [replica.used for replica in self.replicas]
        self._standings = standings
        self._takers: dict[Need, tuple[int, ...]] = {}
        self._frees: dict[Need, list[int]] = {}

    @cached_property
    def is_open(self) -> bool:
        """True where nothing about the server itself speaks against a model that names no server."""
        return reject_server(Demand("", "", ""), self.server) is None

    def standing(self, need: Need, position: int) -> Standing:
        """What one replica says to a class."""
        return self._standings.of(need, self.replicas[position])

    def offers(self, need: Need) -> bool:
        """True where a replica has what the class asks for, room or not."""
        return any(self.standing(need, position).capable for position in range(len(self.replicas)))

    def takers(self, need: Need) -> tuple[int, ...]:
        """Positions that take new models of the class, room permitting."""
        if need not in self._takers:
            self._takers[need] = tuple(
                position
                for position in range(len(self.replicas))
                if self.standing(need, position).roomy == "Accepted"
            )
        return self._takers[need]

    def nth_free(self, need: Need, count: int) -> int:
        """Bytes free on the taker with the ``count``-th most of them; −1 where takers are fewer."""
        if need not in self._frees:
            self._frees[need] = sorted((self.free[position] for position in self.takers(need)), reverse=True)
        frees = self._frees[need]
        return frees[count - 1] if count <= len(frees) else -1

    def suitable(
        self, need: Need, memory: int, held: AbstractSet[int], failed: AbstractSet[int]
    ) -> list[int]:
        """Positions that can have the version: holders first, then most free, then lowest index."""
        keeps = [p for p in held if p not in failed and self.standing(need, p).keeps]
        takes = [p for p in self.takers(need) if self.free[p] >= memory and p not in held and p not in failed]
        return sorted(keeps, key=self._most_free) + sorted(takes, key=self._most_free)

    def _most_free(self, position: int) -> tuple[int, int]:
        return -self.free[position], position

    def charge(self, positions: Sequence[int], memory: int) -> None:
        """Take ``memory`` bytes from each of the positions."""
        if memory:
            for position in positions:
                self.free[position] -= memory
                self.used[position] += memory
            self._frees.clear()


@dataclass
class Trace:
    """What one server has of one model version: positions of holders, of failed loads, and how many
    replicas hold another version of the model."""

    server: ServerLedger
    held: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    kin: int = 0

    @property
    def preferred(self) -> bool:
        """True where the model is served by this server, in whatever version."""
        return bool(self.held) or self.kin > 0


class NamespaceLedger:
    """The servers of one namespace in name order."""

    def __init__(self, servers: Sequence[Server], standings: Standings) -> None:
        ordered = sorted(servers, key=lambda server: server.name)
        self.servers = [ServerLedger(server, standings) for server in ordered]
        self.open = [server for server in self.servers if server.is_open]
        self.by_name = {server.name: server for server in self.servers}
        self._entries = self._index()
        self._bounds: dict[tuple[Need, int], list[int]] = {}
        self._ceilings: dict[tuple[Need, int], int] = {}

    def _index(self) -> dict[str, list[tuple[ServerLedger, int, LoadedModel]]]:
        entries: dict[str, list[tuple[ServerLedger, int, LoadedModel]]] = {}
        for server in self.servers:
            for position, replica in enumerate(server.replicas):
                for entry in replica.loaded:
                    entries.setdefault(entry.model, []).append((server, position, entry))
        return entries

    def entries(self, model: str) -> Sequence[tuple[ServerLedger, int, LoadedModel]]:
        """Every entry of the model in the inventory, by server name and position."""
        return self._entries.get(model, ())

    def fitting(self, need: Need, count: int, memory: int) -> Iterator[ServerLedger]:
        """Open servers in name order on which ``count`` takers have ``memory`` bytes free.

        Bounds are what was free when last looked: never too low, as memory only shrinks, so a server
        below its bound needs no second look and a class that found nothing fails at once for more.
        """
        key = (need, count)
        if memory > self._ceilings.get(key, memory):
            return
        bounds = self._bounds.get(key)
        if bounds is None:
            bounds = self._bounds[key] = [server.nth_free(need, count) for server in self.open]
        for place, bound in enumerate(bounds):
            if bound >= memory:
                server = self.open[place]
                bounds[place] = server.nth_free(need, count)
                if bounds[place] >= memory:
                    yield server
        self._ceilings[key] = max(bounds, default=-1)


class Ledger:
    """All namespaces of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        standings = Standings()
        servers: dict[str, list[Server]] = {}
        for server in inventory.servers:
            servers.setdefault(server.namespace, []).append(server)
        self.namespaces = {name: NamespaceLedger(group, standings) for name, group in servers.items()}

"""Working copies for one run: what is still free where, and who could take what.

The inventory is never changed; a run charges its assignments here. Models with the same needs form a
requirement class, and what :mod:`placement.filters` says of a class is asked once per kind of replica
(same state, same capabilities), not once per model and replica. Memory only shrinks during a run,
which is what makes the bounds of :meth:`NamespaceLedger.fitting` safe to keep.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from placement.demand import Demand
from placement.filters import is_holding, lacking, reject_replica, reject_server, required_capabilities
from placement.inventory import Inventory, LoadedModel, ReplicaState, Server, ServerReplica
from placement.placement import VerdictReason


@dataclass(frozen=True, eq=False)
class Need:
    """A requirement class: everything but memory that a replica is asked for. There is one object per
    class in a ledger (:class:`Needs`), so identity is equality and lookups hash no strings."""

    capabilities: tuple[str, ...]
    explainer: bool


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


class Needs:
    """The requirement classes of demands; each spelling is read once."""

    def __init__(self) -> None:
        self._by_spelling: dict[tuple[tuple[str, ...], bool], Need] = {}
        self._by_meaning: dict[tuple[tuple[str, ...], bool], Need] = {}

    def of(self, demand: Demand) -> Need:
        """The class of ``demand``."""
        spelling = demand.requirements, demand.explainer
        need = self._by_spelling.get(spelling)
        if need is None:
            meaning = required_capabilities(demand), demand.explainer
            need = self._by_meaning.setdefault(meaning, Need(*meaning))
            self._by_spelling[spelling] = need
        return need


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

    def __init__(self, server: Server, standings: Standings) -> None:
        self.server = server
        self.name = server.name
        self.replicas = tuple(sorted(server.replicas, key=lambda replica: replica.index))
        self.free = [replica.free for replica in self.replicas]
        self.used = [replica.used for replica in self.replicas]
        self._standings = standings
        self._takers: dict[Need, tuple[int, ...]] = {}
        self._ranked: dict[Need, list[tuple[int, int]]] = {}

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

    def ranked(self, need: Need) -> list[tuple[int, int]]:
        """The takers as (−bytes free, position): most free first, then lowest index."""
        ranked = self._ranked.get(need)
        if ranked is None:
            free = self.free
            ranked = self._ranked[need] = sorted(
                [(-free[position], position) for position in self.takers(need)]
            )
        return ranked

    def nth_free(self, need: Need, count: int) -> int:
        """Bytes free on the taker with the ``count``-th most of them; −1 where takers are fewer."""
        ranked = self.ranked(need)
        return -ranked[count - 1][0] if count <= len(ranked) else -1

    def suitable(self, need: Need, memory: int, trace: Trace | None) -> list[int]:
        """Positions that can have the version: holders first, then most free, then lowest index."""
        takes = [position for negative, position in self.ranked(need) if memory <= -negative]
        if trace is None:
            return takes
        keeps = [p for p in trace.held - trace.failed if self.standing(need, p).keeps]
        keeps.sort(key=lambda p: (-self.free[p], p))
        return keeps + [p for p in takes if p not in trace.held and p not in trace.failed]

    def charge(self, positions: Sequence[int], memory: int) -> None:
        """Take ``memory`` bytes from each of the positions."""
        if memory:
            for position in positions:
                self.free[position] -= memory
                self.used[position] += memory
            self._ranked.clear()


class NamespaceLedger:
    """The servers of one namespace in name order."""

    def __init__(self, servers: Sequence[Server], standings: Standings) -> None:
        ordered = sorted(servers, key=lambda server: server.name)
        self.servers = [ServerLedger(server, standings) for server in ordered]
        self.open = [server for server in self.servers if server.is_open]
        self.by_name = {server.name: server for server in self.servers}
        self._entries = self._index()
        self._shelves: dict[tuple[Need, int], _Shelf] = {}

    def _index(self) -> dict[str, list[tuple[ServerLedger, int, LoadedModel]]]:
        entries: dict[str, list[tuple[ServerLedger, int, LoadedModel]]] = {}
        for server in self.servers:
            for position, replica in enumerate(server.replicas):
                for entry in replica.loaded:
                    entries.setdefault(entry.model, []).append((server, position, entry))
        return entries

    def serves(self, model: str) -> bool:
        """True where some server has the model, in whatever version."""
        return any(is_holding(entry) for _, _, entry in self.entries(model))

    def entries(self, model: str) -> Sequence[tuple[ServerLedger, int, LoadedModel]]:
        """Every entry of the model in the inventory, by server name and position."""
        return self._entries.get(model, ())

    def fitting(self, need: Need, count: int, memory: int) -> Iterator[ServerLedger]:
        """Open servers in name order on which ``count`` takers have ``memory`` bytes free.

        Bounds are what was free when last looked: never too low, as memory only shrinks, so a server
        below its bound needs no second look and a class that found nothing fails at once for more.
        """
        if (need, count) not in self._shelves:
            able = [server for server in self.open if len(server.takers(need)) >= count]
            self._shelves[need, count] = _Shelf(able, [server.nth_free(need, count) for server in able])
        shelf = self._shelves[need, count]
        if shelf.ceiling is not None and memory > shelf.ceiling:
            return
        for place, bound in enumerate(shelf.bounds):
            if bound >= memory:
                server = shelf.servers[place]
                shelf.bounds[place] = server.nth_free(need, count)
                if shelf.bounds[place] >= memory:
                    yield server
        shelf.ceiling = max(shelf.bounds, default=-1)


@dataclass
class _Shelf:
    """Servers with enough takers for a class and a count, and an upper bound of each one's
    ``nth_free``; ``ceiling`` bounds them all once a search went through to the end."""

    servers: list[ServerLedger]
    bounds: list[int]
    ceiling: int | None = None


class Ledger:
    """All namespaces of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self.needs = Needs()
        standings = Standings()
        servers: dict[str, list[Server]] = {}
        for server in inventory.servers:
            servers.setdefault(server.namespace, []).append(server)
        self.namespaces = {name: NamespaceLedger(group, standings) for name, group in servers.items()}

"""Working copies: what is still free where, and who could take what.

The inventory is never changed; a run charges its assignments here. Memory only shrinks during a run,
which is what makes the bounds of :meth:`NamespaceLedger.fitting` safe to keep. Between runs
:mod:`placement.incremental` records what was loaded and unloaded, and raises the bounds again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from placement.classes import Classes, Kind, Need
from placement.filters import is_holding
from placement.inventory import Inventory, LoadedModel, Server
from placement.server_ledger import ServerLedger, Trace

__all__ = ["Ledger", "NamespaceLedger", "ServerLedger", "Trace"]


class NamespaceLedger:
    """The servers of one namespace in name order."""

    def __init__(self, servers: Sequence[Server], classes: Classes) -> None:
        self.classes = classes
        self._shelves: dict[Need, dict[int, _Shelf]] = {}
        self._met: set[tuple[Need, int]] = set()
        self._entries: dict[str, list[tuple[ServerLedger, int, LoadedModel]]] = {}
        self._arrange([ServerLedger(server, classes) for server in servers])
        for server in self.servers:
            self._index(server)

    def _arrange(self, servers: Sequence[ServerLedger]) -> None:
        self.servers = sorted(servers, key=lambda server: server.name)
        self.open = [server for server in self.servers if server.is_open]
        self.by_name = {server.name: server for server in self.servers}
        self.by_kind: dict[Kind, list[ServerLedger]] = {}
        for server in self.open:
            for kind in server.kinds:
                self.by_kind.setdefault(kind, []).append(server)
        self.sizes = {
            kind: sum(len(server.kinds[kind]) for server in group) for kind, group in self.by_kind.items()
        }
        self.forget_bounds()

    def _index(self, server: ServerLedger) -> None:
        for position, replica in enumerate(server.replicas):
            for entry in replica.loaded:
                self._entries.setdefault(entry.model, []).append((server, position, entry))

    def exchange(
        self, name: str, server: Server | None
    ) -> tuple["ServerLedger | None", "ServerLedger | None"]:
        """Put ``server`` in the place of the one that has its name, or take that one out; both."""
        old, new = self.by_name.get(name), ServerLedger(server, self.classes) if server else None
        if old:
            for model in {entry.model for replica in old.replicas for entry in replica.loaded}:
                self._entries[model] = [item for item in self._entries[model] if item[0] is not old]
        self._arrange([*(kept for kept in self.servers if kept is not old), *([new] if new else ())])
        if new:
            self._index(new)
        return old, new

    def forget_bounds(self) -> None:
        """Forget what was free when last looked; for when memory was given back in unknown places."""
        self._shelves.clear()

    def serves(self, model: str) -> bool:
        """True where some server has the model, in whatever version."""
        return any(is_holding(entry) for _, _, entry in self.entries(model))

    def entries(self, model: str) -> Sequence[tuple[ServerLedger, int, LoadedModel]]:
        """Every entry of the model."""
        return self._entries.get(model, ())

    def record(self, server: ServerLedger, position: int, entry: LoadedModel) -> None:
        """List a version for which ``server`` has been charged."""
        server.record(position, entry)
        self._entries.setdefault(entry.model, []).append((server, position, entry))

    def remove(self, server: ServerLedger, entries: Iterable[tuple[int, LoadedModel]]) -> None:
        """List versions of ``server`` no more; bounds rise to what it could have at most."""
        for position, entry in entries:
            server.remove(position, entry)
            left = self._entries[entry.model]
            left.remove((server, position, entry))
            if not left:
                del self._entries[entry.model]
        most = max(server.free)
        for shelves in self._shelves.values():
            for shelf in shelves.values():
                shelf.raise_to(server, most)

    def fitting(self, need: Need, count: int, memory: int) -> Iterator[ServerLedger]:
        """Open servers in name order on which ``count`` takers have ``memory`` bytes per instance free,
        and the resources.

        Bounds are what was free when last looked: never too low, as memory only shrinks, so a server
        below its bound needs no second look and a class that found nothing fails at once for more. Bounds
        of its own are kept for a class with resources once it comes again: amounts may differ per model.
        """
        if need.base and (need, count) not in self._met:
            self._met.add((need, count))
            roomy = self.fitting(need.base, count, memory)
            yield from (server for server in roomy if server.nth_free(need, count) >= memory)
            return
        shelf = self._shelf(need, count)
        if shelf is None or (shelf.ceiling is not None and memory > shelf.ceiling):
            return
        for place, bound in enumerate(shelf.bounds):
            if bound >= memory:
                server = shelf.servers[place]
                shelf.bounds[place] = server.nth_free(need, count)
                if shelf.bounds[place] >= memory:
                    yield server
        shelf.ceiling = max(shelf.bounds, default=-1)

    def _shelf(self, need: Need, count: int) -> "_Shelf | None":
        shelves = self._shelves.setdefault(need, {})
        if 1 not in shelves:
            takers = self.of_kinds(kind for kind in self.by_kind if self.classes.standing(need, kind).takes)
            shelves[1] = _Shelf.of(takers, need, 1)
        if count not in shelves and count <= shelves[1].most:
            able = [server for server in shelves[1].servers if len(server.takers(need)) >= count]
            shelves[count] = _Shelf.of(able, need, count)
        return shelves.get(count)

    def offers(self, need: Need) -> bool:
        """True where an open server has what the class asks for, room or not."""
        return any(self.classes.standing(need, kind).capable for kind in self.by_kind)

    def of_kinds(self, kinds: Iterable[Kind]) -> list[ServerLedger]:
        """Open servers with replicas of at least one of the kinds, in name order."""
        found = {server for kind in kinds for server in self.by_kind[kind]}
        return sorted(found, key=lambda server: server.name)


@dataclass
class _Shelf:
    """Servers with enough takers for a class and a count, and an upper bound of each one's
    ``nth_free``; ``most`` is the largest number of takers, ``ceiling`` bounds all bounds once a search
    went through to the end."""

    servers: list[ServerLedger]
    bounds: list[int]
    most: int
    ceiling: int | None = None

    @cached_property
    def _places(self) -> dict[ServerLedger, int]:
        return {server: place for place, server in enumerate(self.servers)}

    def raise_to(self, server: ServerLedger, most: int) -> None:
        """Make the server's bound safe again after it got memory back; no position has more than ``most``."""
        place = self._places.get(server)
        if place is not None and self.bounds[place] < most:
            self.bounds[place] = most
            if self.ceiling is not None and self.ceiling < most:
                self.ceiling = most

    @classmethod
    def of(cls, servers: list[ServerLedger], need: Need, count: int) -> "_Shelf":
        bounds = [server.nth_free(need, count) for server in servers]
        return cls(servers, bounds, max((len(server.takers(need)) for server in servers), default=0))


class Ledger:
    """All namespaces of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self.classes = Classes()
        servers: dict[str, list[Server]] = {}
        for server in inventory.servers:
            servers.setdefault(server.namespace, []).append(server)
        self.namespaces = {name: NamespaceLedger(group, self.classes) for name, group in servers.items()}

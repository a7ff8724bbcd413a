"""The packer's working copy: server replicas as bins, models that wait as items, and an undo journal.

Bins are numbered by server name and index, so the lowest number is the first by name. What stands in
the inventory is not an item: it only leaves less room. Nothing is decided here; :mod:`placement.repair`
and its neighbours put and remove.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

Bins = tuple[int, ...]


@dataclass(eq=False)
class Pool:
    """Bins that answer alike to some models: the same positions of servers of the same make.

    For each number of replicas that is asked for, the places that can be had are kept sorted by room:
    bins for 1, servers by their ``count``-th most free bin for more.
    """

    groups: dict[int, Bins]
    orders: dict[int, list[int]] = field(default_factory=dict)
    entries: dict[int, dict[int, int]] = field(default_factory=dict)
    inside: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.inside = frozenset(number for group in self.groups.values() for number in group)
        self.most = max(map(len, self.groups.values()))


@dataclass(eq=False)
class Item:
    """One waiting model: ``need`` replicas at least, ``want`` at best, ``size`` bytes each.

    ``pools`` are where it may go, in the order in which they are tried; bins in ``banned`` failed to
    load it. ``worth`` orders by number of models, those of higher priority first.
    """

    number: int
    need: int
    want: int
    size: int
    priority: int
    pools: tuple[Pool, ...]
    banned: frozenset[int]
    worth: int = 1

    @property
    def cost(self) -> int:
        """Bytes that the least number of replicas takes."""
        return self.need * self.size

    def takes(self, number: int) -> bool:
        """True where the bin is open to the item, room or not."""
        return number not in self.banned and any(number in pool.inside for pool in self.pools)


Score = tuple[int, int, int]


class Packing:
    """Which items are where, what is free, and how good that is.

    ``steps`` counts looks for room and removals: the packer's clock.
    """

    def __init__(
        self, free: Sequence[int], owners: Sequence[int], items: Sequence[Item], busy: AbstractSet[int]
    ) -> None:
        self.free = list(free)
        self.owners = owners
        self.items = items
        self.where: list[Bins] = [()] * len(items)
        self.contents: list[dict[int, None]] = [{} for _ in free]
        self.steps = 0
        self.worth = self.replicas = self.used = 0
        self.tightness = sum(amount * amount for amount in free)
        self._busy = busy
        self._stride = max(len(free), 1)
        self._journal: list[tuple[int, Bins]] = []
        self._pools: dict[int, list[Pool]] = {}
        self._all_pools = list(dict.fromkeys(pool for item in items for pool in item.pools))
        for pool in self._all_pools:
            for server in pool.groups:
                self._pools.setdefault(server, []).append(pool)

    @property
    def score(self) -> Score:
        """Models placed (by priority), their replicas, and bins left empty: more is better."""
        return self.worth, self.replicas, -self.used

    def find(self, item: Item, count: int, skip: int = 0) -> Bins:
        """The tightest ``count`` bins of one server with room for the item, or none.

        ``skip`` passes over so many servers that would do.
        """
        self.steps += 1
        for pool in item.pools:
            if count > pool.most:
                continue
            for place in self._places(pool, item.size, count):
                found = self._fitting(pool, place, item, count)
                if not found:
                    continue
                if not skip:
                    return found
                skip -= 1
        return ()

    def _places(self, pool: Pool, size: int, count: int) -> Iterator[int]:
        order = self.order(pool, count)
        start = bisect_left(order, size * self._stride)
        for position in range(start, len(order)):
            yield order[position] % self._stride

    def _fitting(self, pool: Pool, place: int, item: Item, count: int) -> Bins:
        if count == 1:
            return () if place in item.banned else (place,)
        return self.tightest(pool.groups[place], item, count)

    def tightest(self, group: Iterable[int], item: Item, count: int) -> Bins:
        """Of the bins of one server the ``count`` with the least sufficient room, or none."""
        free, size = self.free, item.size
        fitting = sorted([(free[b], b) for b in group if free[b] >= size and b not in item.banned])
        return tuple([b for _, b in fitting[:count]]) if len(fitting) >= count else ()

    def group(self, item: Item, number: int) -> Bins:
        """The bins that are open to the item on the server of bin ``number``."""
        server = self.owners[number]
        return next(pool.groups[server] for pool in item.pools if number in pool.inside)

    def order(self, pool: Pool, count: int) -> list[int]:
        """The places for ``count`` replicas, those with the least room first."""
        order = pool.orders.get(count)
        return self._sort(pool, count) if order is None else order

    def server_at(self, order: Sequence[int], back: int) -> int:
        """The server of the ``back``-th place of an order, counted from the end."""
        return self.owners[order[-1 - back] % self._stride]

    def _sort(self, pool: Pool, count: int) -> list[int]:
        entries = pool.entries[count] = {}
        if count == 1:
            entries.update((b, self.free[b] * self._stride + b) for b in pool.inside)
        else:
            for server, group in pool.groups.items():
                if len(group) >= count:
                    nth = sorted([self.free[b] for b in group], reverse=True)[count - 1]
                    entries[server] = nth * self._stride + server
        order = pool.orders[count] = sorted(entries.values())
        return order

    def put(self, item: Item, bins: Bins) -> None:
        """Place an item that is nowhere."""
        self._journal.append((item.number, ()))
        self._set(item, bins)

    def remove(self, item: Item) -> Bins:
        """Take an item from where it is; tells where that was."""
        self.steps += 1
        bins = self.where[item.number]
        self._journal.append((item.number, bins))
        self._clear(item)
        return bins

    def commit(self) -> None:
        """Forget how to go back."""
        self._journal.clear()

    def mark(self) -> int:
        """A point to go back to."""
        return len(self._journal)

    def rollback(self, mark: int = 0) -> None:
        """Undo everything since the mark."""
        while len(self._journal) > mark:
            number, bins = self._journal.pop()
            item = self.items[number]
            if self.where[number]:
                self._clear(item)
            if bins:
                self._set(item, bins)

    def restore(self, where: Sequence[Bins]) -> None:
        """Go to a state that was recorded."""
        for pool in self._all_pools:  # cheaper to sort anew than to keep sorted all the way
            pool.orders.clear()
        changed = [item for item in self.items if self.where[item.number] != where[item.number]]
        for item in changed:
            if self.where[item.number]:
                self._clear(item)
        for item in changed:
            if where[item.number]:
                self._set(item, where[item.number])
        self._journal.clear()

    def _set(self, item: Item, bins: Bins) -> None:
        self.where[item.number] = bins
        for b in bins:
            if not self.contents[b] and b not in self._busy:
                self.used += 1
            self.contents[b][item.number] = None
        self.worth += item.worth
        self.replicas += len(bins)
        self._shift(bins, -item.size)

    def _clear(self, item: Item) -> None:
        bins = self.where[item.number]
        self.where[item.number] = ()
        for b in bins:
            del self.contents[b][item.number]
            if not self.contents[b] and b not in self._busy:
                self.used -= 1
        self.worth -= item.worth
        self.replicas -= len(bins)
        self._shift(bins, item.size)

    def _shift(self, bins: Bins, amount: int) -> None:
        free = self.free
        for b in bins:
            before = free[b]
            free[b] = before + amount
            self.tightness += amount * (before + before + amount)
        server = self.owners[bins[0]]
        for pool in self._pools.get(server, ()):
            if pool.orders:
                self._reorder(pool, server, bins)

    def _reorder(self, pool: Pool, server: int, bins: Bins) -> None:
        free, stride = self.free, self._stride
        ranked: list[int] = []
        for count, order in pool.orders.items():
            entries = pool.entries[count]
            if count == 1:
                moved = [(b, free[b] * stride + b) for b in bins if b in entries]
            elif server in entries:
                ranked = ranked or sorted([free[b] for b in pool.groups[server]], reverse=True)
                moved = [(server, ranked[count - 1] * stride + server)]
            else:
                continue
            for place, after in moved:
                before = entries[place]
                if after != before:
                    del order[bisect_left(order, before)]
                    entries[place] = after
                    insort(order, after)

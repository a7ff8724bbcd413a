"""The packer's working copy: server replicas as bins, models that wait as items, and an undo journal.

Bins are numbered by server name and index, so the lowest number is the first by name. What stands in
the inventory is not an item: it only leaves less room. Nothing is decided here; :mod:`placement.packing.repair`
and its neighbours put and remove.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from placement.packing.items import Bins, Item, Pool
from schemas.placement_annotations import Resources

Score = tuple[int, int, int]


class Packing:
    """Which items are where, what is free, and how good that is.

    ``room`` is what was free before anything was put, ``busy`` are bins that are in use anyway; bytes are
    per instance of a model. ``spare`` is what is left of named resources, and empty where no item names
    any. ``steps`` counts looks for room and removals: the packer's clock.
    """

    def __init__(
        self,
        free: Sequence[int],
        owners: Sequence[int],
        items: Sequence[Item],
        busy: AbstractSet[int],
        spare: Iterable[Mapping[str, int]] = (),
    ) -> None:
        self.room = tuple(free)
        self.free = list(free)
        self.owners = owners
        self.items = items
        self.where: list[Bins] = [()] * len(items)
        self.contents: list[dict[int, None]] = [{} for _ in free]
        self.steps = 0
        self.worth = self.replicas = self.used = 0
        self.tightness = sum(amount * amount for amount in free)
        self.busy = busy
        self._spare = [dict(left) for left in spare]
        self._stride = max(len(free), 1)
        self._journal: list[tuple[int, Bins]] = []
        self._pools_of: dict[int, list[Pool]] = {}
        self.pools = list(dict.fromkeys(pool for item in items for pool in item.pools))
        for pool in self.pools:
            for server in pool.groups:
                self._pools_of.setdefault(server, []).append(pool)

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
            return () if place in item.banned or not self.has(place, item.resources) else (place,)
        return self.tightest(pool.groups[place], item, count)

    def tightest(self, group: Iterable[int], item: Item, count: int) -> Bins:
        """Of the bins of one server the ``count`` with the least sufficient room, or none."""
        free, size = self.free, item.size
        fitting = sorted([(free[b], b) for b in group if free[b] >= size and b not in item.banned])
        if item.resources:
            fitting = [(room, b) for room, b in fitting if self.has(b, item.resources)]
        return tuple([b for _, b in fitting[:count]]) if len(fitting) >= count else ()

    def admits(self, number: int, item: Item) -> bool:
        """True where nothing but memory could speak against putting the item into one of its bins."""
        return number not in item.banned and self.has(number, item.resources)

    def has(self, number: int, resources: Resources) -> bool:
        """True where so much of each resource is left in the bin."""
        if not resources:
            return True
        spare = self._spare[number]
        return all(spare.get(name, 0) >= amount for name, amount in resources)

    def group(self, item: Item, number: int) -> Bins:
        """The bins that are open to the item on the server of bin ``number``."""
        server = self.owners[number]
        return next(pool.groups[server] for pool in item.pools if number in pool.inside)

    def order(self, pool: Pool, count: int) -> list[int]:
        """The places for ``count`` replicas, those with the least room first."""
        order = pool.orders.get(count)
        return self._sort(pool, count) if order is None else order

    def place_at(self, order: Sequence[int], back: int) -> int:
        """The ``back``-th place of an order, counted from the end: a bin, or a server by its first bin."""
        return order[-1 - back] % self._stride

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
        for pool in self.pools:  # cheaper to sort anew than to keep sorted all the way
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
            if not self.contents[b] and b not in self.busy:
                self.used += 1
            self.contents[b][item.number] = None
        self.worth += item.worth
        self.replicas += len(bins)
        if item.resources:
            self._take(bins, item.resources, 1)
        self._shift(bins, -item.size)

    def _clear(self, item: Item) -> None:
        bins = self.where[item.number]
        self.where[item.number] = ()
        for b in bins:
            del self.contents[b][item.number]
            if not self.contents[b] and b not in self.busy:
                self.used -= 1
        self.worth -= item.worth
        self.replicas -= len(bins)
        if item.resources:
            self._take(bins, item.resources, -1)
        self._shift(bins, item.size)

    def _take(self, bins: Bins, resources: Resources, sign: int) -> None:
        for number in bins:
            spare = self._spare[number]
            for name, amount in resources:
                spare[name] = spare.get(name, 0) - sign * amount

    def _shift(self, bins: Bins, amount: int) -> None:
        free = self.free
        for b in bins:
            before = free[b]
            free[b] = before + amount
            self.tightness += amount * (before + before + amount)
        server = self.owners[bins[0]]
        for pool in self._pools_of.get(server, ()):
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

"""Repair: take a few bins apart and put them together again, keep what is not worse.

Each attempt empties some bins near a model that waits (or lacks replicas; or, when all are placed, bins
that are nearly empty), and places what was in them together with what waits, largest first but shuffled
a little. That makes chains of ejections and swaps of one model for two, without a rule for each. At
equal scores the packing with the more uneven room wins: gaps gather until something fits into them.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

from placement.packing.bins import Packing
from placement.packing.construct import extend, fill, place
from placement.packing.items import Bins, Item, Pool
from placement.packing.subset import fullest

_PATIENCE = 40  # attempts per item without any gain before the search gives up
_LEAST_PATIENCE = 200
_MOST_EJECTED = 24


class Lottery:
    """Numbers that look drawn and are the same for everybody (Knuth's linear congruence, 64 bit)."""

    def __init__(self) -> None:
        self._state = 0x853C49E6748FEA9B

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` − 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 33) % limit


def repair(packing: Packing, limit: int) -> None:
    """Search until ``limit`` steps are used up or nothing is gained any more; the best state wins.

    What is compared are filled states, taken at fixed times: the states of a larger budget begin with
    those of a smaller one, so it never ends worse.
    """
    fill(packing)
    best, where = packing.score, list(packing.where)
    search = _Search(packing)
    start = packing.steps
    while search.hopeful and packing.steps - start < limit:
        due = packing.steps + search.interval
        while search.hopeful and packing.steps < due:
            search.attempt()
        if packing.steps - start > limit:
            break
        fill(packing)
        search.look_again()
        if packing.score > best:
            best, where = packing.score, list(packing.where)
    packing.restore(where)


class _Search:
    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._lottery = Lottery()
        self._idle = 0
        self._patience = _LEAST_PATIENCE + _PATIENCE * len(packing.items)
        self._open = sorted(set().union(*(pool.inside for pool in packing.pools)))
        self._servers: dict[Pool, list[int]] = {}
        self.interval = 200 + len(packing.items) // 2
        self.look_again()

    @property
    def hopeful(self) -> bool:
        """True while attempts are worth it."""
        return bool(self._open) and self._idle < self._patience and not self._perfect

    def look_again(self) -> None:
        """See who waits and who lacks replicas, after others have changed that."""
        items, where = self._packing.items, self._packing.where
        self._waiting = sorted(self._rank(item) for item in items if not where[item.number])
        self._partial = [item.number for item in items if 0 < len(where[item.number]) < item.want]
        lacking = self._waiting or self._partial
        self._perfect = not lacking and self._packing.used <= _fewest_used(self._packing)

    def _rank(self, item: Item) -> tuple[int, int, int]:
        return -item.priority, item.cost, item.number

    def attempt(self) -> None:
        """One more arrangement of a few bins."""
        packing = self._packing
        before, tightness = packing.score, packing.tightness
        newcomers = self._newcomers()
        bins = self._bins(newcomers)
        ejected = self._eject(bins)
        if self._lottery.below(2):
            self._fill_up(bins, ejected, newcomers)
        self._insert(ejected, newcomers)
        gained = packing.score > before
        if gained or (packing.score == before and packing.tightness >= tightness):
            packing.commit()
            self._note(newcomers, ejected)
        else:
            packing.rollback()
        self._idle = 0 if gained else self._idle + 1

    def _newcomers(self) -> list[Item]:
        """Some of those that wait, cheap ones more often."""
        waiting = self._waiting
        if not waiting:
            return []
        first = self._skewed(len(waiting))
        numbers = [rank[2] for rank in waiting[first : first + 1 + self._lottery.below(3)]]
        return [self._packing.items[number] for number in numbers]

    def _bins(self, newcomers: list[Item]) -> list[int]:
        if newcomers:
            item = newcomers[0]
            pool = item.pools[self._lottery.below(len(item.pools))]
            return self._single_bins(pool) if item.need == 1 else self._rows(pool, item.need)
        draw, packing = self._lottery.below, self._packing
        if self._partial:
            bins = packing.where[self._partial[draw(len(self._partial))]]
            other = packing.where[draw(len(packing.items))]
            return [*bins, *other]
        numbers = [self._open[draw(len(self._open))] for _ in range(8)]
        used = sorted((n for n in numbers if packing.contents[n]), key=lambda n: -packing.free[n])
        return used[: 1 + draw(3)]

    def _single_bins(self, pool: Pool) -> list[int]:
        """One of the bins with the most room, and a few others of the pool."""
        order, draw = self._packing.order(pool, 1), self._lottery.below
        first = self._skewed(1 + self._skewed(len(order)))
        others = [self._skewed(len(order)) if draw(2) else draw(len(order)) for _ in range(1 + draw(3))]
        return [self._packing.place_at(order, back) for back in (first, *others)]

    def _rows(self, pool: Pool, count: int) -> list[int]:
        """Neighbouring bins of one or two servers, enough for ``count`` replicas or one more."""
        draw = self._lottery.below
        chosen: list[int] = []
        for _ in range(1 + draw(2)):
            group = self._server(pool, count)
            start = draw(len(group))
            chosen += [group[(start + i) % len(group)] for i in range(min(len(group), count + draw(2)))]
        return chosen

    def _server(self, pool: Pool, count: int) -> Bins:
        """The bins of some server of the pool, more often of one with much room."""
        order, draw = self._packing.order(pool, count), self._lottery.below
        if not order or draw(2):
            servers = self._servers.setdefault(pool, list(pool.groups))
            return pool.groups[servers[draw(len(servers))]]
        return pool.groups[self._packing.owners[self._packing.place_at(order, self._skewed(len(order)))]]

    def _skewed(self, limit: int) -> int:
        """A number below the limit, small ones more often."""
        draw = self._lottery.below
        return draw(limit) * draw(limit) // limit

    def _eject(self, bins: Iterable[int]) -> dict[int, Bins]:
        ejected: dict[int, Bins] = {}
        for number in bins:
            for item in list(self._packing.contents[number]):
                if len(ejected) < _MOST_EJECTED:
                    ejected[item] = self._packing.remove(self._packing.items[item])
        return ejected

    def _fill_up(self, bins: Iterable[int], ejected: Mapping[int, Bins], newcomers: list[Item]) -> None:
        """Place the items of several replicas, then fill each bin as far as possible with single ones."""
        packing = self._packing
        items = [packing.items[number] for number in ejected] + newcomers
        items.sort(key=lambda item: (-item.size, item.number))
        for item in items:
            if item.need > 1:
                place(
                    packing, item, len(ejected.get(item.number, ())) or item.need, self._lottery.below(8) == 0
                )
        for number in sorted(set(bins), key=lambda b: (packing.free[b], b)):
            singles = [item for item in items if item.want == 1 and not packing.where[item.number]]
            singles = [item for item in singles if item.takes(number)]
            chosen, nodes = fullest([item.size for item in singles], packing.free[number])
            packing.steps += nodes // 8
            for position in chosen:
                if packing.admits(number, singles[position]):  # of named resources the sizes know nothing
                    packing.put(singles[position], (number,))

    def _insert(self, ejected: dict[int, Bins], newcomers: list[Item]) -> None:
        packing, draw = self._packing, self._lottery.below
        noise = draw(4) * 20
        items = [packing.items[number] for number in ejected] + newcomers
        items = [item for item in items if not packing.where[item.number]]
        keyed = [(-item.priority, -item.size * (100 + draw(noise + 1)), item.number) for item in items]
        short = []
        for _, _, number in sorted(keyed):
            item = packing.items[number]
            bins = place(packing, item, len(ejected.get(number, ())) or item.need, draw(8) == 0)
            if 0 < len(bins) < item.want:
                short.append(item)
        for item in sorted(short, key=lambda item: (item.size, item.number)):
            extend(packing, item)

    def _note(self, newcomers: list[Item], ejected: dict[int, Bins]) -> None:
        where = self._packing.where
        for item in newcomers:
            if where[item.number]:
                del self._waiting[bisect_left(self._waiting, self._rank(item))]
        for number in ejected:
            if not where[number]:
                insort(self._waiting, self._rank(self._packing.items[number]))


def _fewest_used(packing: Packing) -> int:
    """Bins that are not in use anyway and that all items together need at least, by volume."""
    volume = sum(item.size * item.want for item in packing.items)
    volume -= sum(packing.room[number] for number in packing.busy)
    empty = sorted(
        (room for number, room in enumerate(packing.room) if number not in packing.busy), reverse=True
    )
    fewest = 0
    while volume > 0 and fewest < len(empty):
        volume -= empty[fewest]
        fewest += 1
    return fewest

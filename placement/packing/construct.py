"""First packings: best fit, scarcest class first, then largest; and filling up what is left.

How much to aim for is found in a few rounds: what a round could not pack of its aim is taken off the
aim of the next, largest models first.
"""

from collections.abc import Iterable, Mapping

from placement.packing.admission import WHOLE, Admission
from placement.packing.bins import Packing
from placement.packing.items import Bins, Item

_ROUNDS = 6


def construct(packing: Packing) -> None:
    """Leave the packing in the best of a few first states."""
    order = _scarcest_first(packing)
    best, best_where, share = packing.score, list(packing.where), WHOLE
    previous = (0, 0, 0)
    for _ in range(_ROUNDS):
        packing.restore([()] * len(packing.items))
        aims = Admission(packing, share).admit(packing.items)
        lost = _pack(packing, order, aims)
        fill(packing)
        if packing.score > best:
            best, best_where = packing.score, list(packing.where)
        if not lost or packing.score[:2] < previous[:2]:
            break
        previous = packing.score
        share -= _excess(packing, aims, lost, share)
    packing.restore(best_where)


def _excess(packing: Packing, aims: Mapping[int, int], lost: int, share: int) -> int:
    """How much less to aim for. Where further replicas were aimed at, half as much again: what is taken
    off too much is theirs, and filling up gives it back."""
    total = spare = 0
    for number, aim in aims.items():
        total += packing.items[number].size * aim
        spare += aim - packing.items[number].need
    if spare:
        lost += lost // 2
    return max(WHOLE // 2_000, share * lost // max(total, 1))


def _scarcest_first(packing: Packing) -> list[Item]:
    room = {
        pools: sum(packing.free[number] for pool in pools for number in pool.inside)
        for pools in dict.fromkeys(item.pools for item in packing.items)
    }
    return sorted(
        packing.items,
        key=lambda item: (-item.priority, room[item.pools], -item.cost, -item.size, item.number),
    )


def _pack(packing: Packing, order: Iterable[Item], aims: dict[int, int]) -> int:
    """Place what is aimed at; the bytes that found no room."""
    lost = 0
    for item in order:
        if aim := aims.get(item.number):
            bins = place(packing, item, aim)
            lost += (aim - len(bins)) * item.size
    packing.commit()
    return lost


def place(packing: Packing, item: Item, aim: int, skip: int = 0) -> Bins:
    """Put the item with as many replicas as there is room for, ``aim`` at most, ``need`` at least."""
    for wanted in range(aim, item.need - 1, -1):
        if bins := packing.find(item, wanted, skip):
            packing.put(item, bins)
            return bins
        skip = 0
    return ()


def fill(packing: Packing) -> None:
    """Use what room there is until nothing that waits, or wants more replicas, can be helped by it.

    That is what makes placing again change nothing: the reference, asked about what is placed now,
    would find no server that takes all of a model that is here in part, and none for what waits.
    """
    by_size = sorted(packing.items, key=lambda item: (-item.priority, item.size, item.number))
    by_cost = sorted(packing.items, key=lambda item: (-item.priority, item.cost, item.number))
    changed = True
    while changed:
        before = packing.score
        _admit_waiting(packing, by_cost)
        _complete(packing, by_size)
        packing.commit()
        changed = packing.score[:2] != before[:2]


def _admit_waiting(packing: Packing, items: Iterable[Item]) -> None:
    refused = _Refused()
    for item in items:
        if packing.where[item.number] or refused.covers(item, item.need):
            continue
        if not place(packing, item, item.need):
            refused.add(item, item.need)


def _complete(packing: Packing, items: Iterable[Item]) -> None:
    refused = _Refused()
    for item in items:
        bins = packing.where[item.number]
        if not bins or len(bins) == item.want or extend(packing, item) or refused.covers(item, item.want):
            continue
        if not _move_to_more(packing, item):
            refused.add(item, item.want)


class _Refused:
    """What found no room during one pass; what is not smaller finds none either."""

    def __init__(self) -> None:
        self._least: dict[tuple[object, ...], int] = {}

    def add(self, item: Item, count: int) -> None:
        self._least[item.pools, item.banned, item.resources, count] = item.size

    def covers(self, item: Item, count: int) -> bool:
        return item.size >= self._least.get((item.pools, item.banned, item.resources, count), item.size + 1)


def extend(packing: Packing, item: Item) -> bool:
    """Add replicas on the item's own server; true where nothing is wanted any more."""
    bins = packing.where[item.number]
    rest = set(packing.group(item, bins[0])) - set(bins)
    free = sum(packing.free[b] >= item.size and packing.admits(b, item) for b in rest)
    more = packing.tightest(rest, item, min(free, item.want - len(bins)))
    if more:
        packing.remove(item)
        packing.put(item, tuple(sorted(bins + more)))
    return len(bins) + len(more) == item.want


def _move_to_more(packing: Packing, item: Item) -> bool:
    """Move a partial item to a server that takes all of it; false where there is none."""
    mark = packing.mark()
    packing.remove(item)
    found = packing.find(item, item.want)
    if found:
        packing.put(item, found)
    else:
        packing.rollback(mark)
    return bool(found)

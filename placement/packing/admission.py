"""Which models to aim for when not all fit: the packing problem with models as liquids.

Bins that are open to the same models form a cell, models that may go to the same cells a class. Taking
the cheapest first and rerouting what is already there (shortest augmenting paths over cells), as long
as the volumes fit, places the most models that any packing could; real bins then lose a little to gaps.
"""

from collections.abc import Sequence
from itertools import pairwise

from placement.packing.bins import Packing
from placement.packing.items import Item, Pool

WHOLE = 1_000_000
Class = tuple[Pool, ...]


class Admission:
    """Volumes of classes in cells, never more than ``share`` millionths of what is free there."""

    def __init__(self, packing: Packing, share: int = WHOLE) -> None:
        self._rest: dict[int, int] = {}
        self._reach: dict[Class, list[int]] = {}
        self._flow: dict[Class, dict[int, int]] = {}
        self._full: dict[Class, int] = {}
        cells = _cells(packing)
        for cell, numbers in enumerate(cells.values()):
            self._rest[cell] = sum(packing.free[number] for number in numbers) * share // WHOLE
        touching: dict[Pool, list[int]] = {}
        for cell, key in enumerate(cells):
            for pool in key:
                touching.setdefault(pool, []).append(cell)
        for pools in dict.fromkeys(item.pools for item in packing.items):
            self._reach[pools] = sorted({cell for pool in pools for cell in touching[pool]})
            self._flow[pools] = {}

    def admit(self, items: Sequence[Item]) -> dict[int, int]:
        """How many replicas to aim for, by item number: first the least number of as many models as
        fit, cheapest first within a priority, then further replicas, smallest first."""
        aims = {
            item.number: item.need
            for item in sorted(items, key=lambda item: (-item.priority, item.cost, item.number))
            if self._add(item.pools, item.cost)
        }
        for item in sorted(items, key=lambda item: (-item.priority, item.size, item.number)):
            if item.number in aims:
                while aims[item.number] < item.want and self._add(item.pools, item.size):
                    aims[item.number] += 1
        return aims

    def _add(self, pools: Class, amount: int) -> bool:
        """Pour in an amount, all or nothing. What did not fit once does not fit later."""
        if amount >= self._full.get(pools, amount + 1):
            return False
        missing = amount - self._pour_directly(pools, amount)
        while missing:
            path = self._path(pools)
            if not path:
                self._take_back(pools, amount - missing)
                self._full[pools] = amount
                return False
            missing -= self._pour(path, missing)
        return True

    def _pour_directly(self, pools: Class, amount: int) -> int:
        rest = amount
        for cell in self._reach[pools]:
            if room := self._rest[cell]:
                part = min(room, rest)
                self._rest[cell] -= part
                self._flow[pools][cell] = self._flow[pools].get(cell, 0) + part
                rest -= part
                if not rest:
                    break
        return amount - rest

    def _path(self, pools: Class) -> list[tuple[Class, int]]:
        """Shortest way to a cell with room: each step is a class and the cell that it goes to; all but
        the first make room in the cell of the step before."""
        came: dict[int, tuple[Class, int | None]] = {}
        queue: list[tuple[Class, int, int | None]] = [(pools, cell, None) for cell in self._reach[pools]]
        seen = {pools}
        for group, cell, previous in queue:
            if cell in came:
                continue
            came[cell] = group, previous
            if self._rest[cell]:
                return _unwind(came, cell)
            others = [other for other, flows in self._flow.items() if flows.get(cell) and other not in seen]
            seen.update(others)
            queue += [(other, further, cell) for other in others for further in self._reach[other]]
        return []

    def _pour(self, path: Sequence[tuple[Class, int]], amount: int) -> int:
        amount = min(amount, self._rest[path[-1][1]])
        for (_, before), (group, _) in pairwise(path):
            amount = min(amount, self._flow[group][before])
        for place, (group, cell) in enumerate(path):
            if place:
                self._flow[group][path[place - 1][1]] -= amount
            self._flow[group][cell] = self._flow[group].get(cell, 0) + amount
        self._rest[path[-1][1]] -= amount
        return amount

    def _take_back(self, pools: Class, amount: int) -> None:
        flows = self._flow[pools]
        for cell in flows:
            part = min(amount, flows[cell])
            flows[cell] -= part
            self._rest[cell] += part
            amount -= part


def _cells(packing: Packing) -> dict[Class, list[int]]:
    """The bins by the pools that they are in."""
    pools: dict[int, list[Pool]] = {}
    for pool in packing.pools:
        for number in pool.inside:
            pools.setdefault(number, []).append(pool)
    cells: dict[Class, list[int]] = {}
    for number in sorted(pools):
        cells.setdefault(tuple(pools[number]), []).append(number)
    return cells


def _unwind(came: dict[int, tuple[Class, int | None]], cell: int | None) -> list[tuple[Class, int]]:
    path = []
    while cell is not None:
        group, previous = came[cell]
        path.append((group, cell))
        cell = previous
    return path[::-1]

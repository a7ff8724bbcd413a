"""Which unloads a load counts on: whose memory, and whose other resources, it takes. Pure.

On each server replica the amount of each resource that is free now and then what unloads free of it, in
the order in which they were decided, are laid end to end; each load takes the next stretch. So every
byte backs one load at most: loads may run in any order once their own unloads are done, and a plan names
as many unloads as there are moves, not their product.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import accumulate

from placement.inventory import ReplicaId
from reconciler.planning.occupation import MEMORY, Amounts
from reconciler.planning.plan import Load, Unload


def backed(
    loads: Iterable[Load], unloads: Iterable[Unload], room: Mapping[ReplicaId, Amounts]
) -> Iterator[Load]:
    """``loads`` with their ``needs``, in order of decision. ``room`` is what is free now on each server
    replica, below 0 where more stands there than may."""
    freed: dict[tuple[ReplicaId, str], list[tuple[Unload, int]]] = {}
    for unload in sorted(unloads, key=lambda u: (u.round, u.model, u.version)):
        for name, amount in amounts(unload):
            freed.setdefault((unload.replica, name), []).append((unload, amount))
    stretches: dict[tuple[ReplicaId, str], _Stretch] = {}
    for load in sorted(loads, key=lambda item: (item.round, item.replica, item.model, item.version)):
        needs: dict[Unload, None] = {}
        for name, amount in amounts(load):
            at = (load.replica, name)
            if at not in stretches:
                stretches[at] = _Stretch(room[load.replica].get(name, 0), freed.get(at, []))
            needs.update(dict.fromkeys(stretches[at].take(amount)))
        yield replace(load, needs=tuple(needs))


def amounts(move: Load | Unload) -> list[tuple[str, int]]:
    """What a move takes or frees, where that is more than nothing: memory first."""
    named = [(MEMORY, move.memory), *move.resources]
    return [(name, amount) for name, amount in named if amount > 0]


class _Stretch:
    """One resource of one server replica; position 0 is where the first unload begins."""

    def __init__(self, room: int, freed: list[tuple[Unload, int]]) -> None:
        self._unloads = [unload for unload, _ in freed]
        self._ends = list(accumulate(amount for _, amount in freed))
        self._taken = -room
        self._owed = self._between(0, -room)  # what is too much has to go before anything comes

    def take(self, amount: int) -> tuple[Unload, ...]:
        """The unloads that free the next ``amount``, which is more than nothing."""
        start, self._taken = self._taken, self._taken + amount
        return tuple(dict.fromkeys((*self._owed, *self._between(start, self._taken))))

    def _between(self, start: int, end: int) -> list[Unload]:
        if end <= 0:
            return []
        return self._unloads[bisect_right(self._ends, max(start, 0)) : bisect_left(self._ends, end) + 1]

"""Which unloads a load counts on: whose memory it takes. Pure.

On each server replica the bytes that are free now and then the bytes that unloads free, in the order in
which they were decided, are laid end to end; each load takes the next stretch. So every byte backs one
load at most: loads may run in any order once their own unloads are done, and a plan names as many
unloads as there are moves, not their product.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import accumulate

from placement.inventory import ReplicaId
from reconciler.plan import Load, Unload


def backed(loads: Iterable[Load], unloads: Iterable[Unload], room: Mapping[ReplicaId, int]) -> Iterator[Load]:
    """``loads`` with their ``needs``, in order of decision. ``room`` is bytes that are free now on each
    server replica, below 0 where more stands there than may."""
    freed: dict[ReplicaId, list[Unload]] = {}
    for unload in sorted(unloads, key=lambda u: (u.round, u.model, u.version)):
        if unload.memory:
            freed.setdefault(unload.replica, []).append(unload)
    stretches: dict[ReplicaId, _Stretch] = {}
    for load in sorted(loads, key=lambda item: (item.round, item.replica, item.model, item.version)):
        at = load.replica
        stretch = stretches.get(at) or stretches.setdefault(at, _Stretch(room[at], freed.get(at, [])))
        yield replace(load, needs=stretch.take(load.memory))


class _Stretch:
    """The memory of one server replica; position 0 is where the first unload begins."""

    def __init__(self, room: int, unloads: list[Unload]) -> None:
        self._unloads = unloads
        self._ends = list(accumulate(unload.memory for unload in unloads))
        self._taken = -room
        self._owed = self._between(0, -room)  # what is too much has to go before anything comes

    def take(self, memory: int) -> tuple[Unload, ...]:
        """The unloads that free the next ``memory`` bytes."""
        if memory == 0:
            return ()
        start, self._taken = self._taken, self._taken + memory
        return tuple(dict.fromkeys((*self._owed, *self._between(start, self._taken))))

    def _between(self, start: int, end: int) -> list[Unload]:
        if end <= 0:
            return []
        return self._unloads[bisect_right(self._ends, max(start, 0)) : bisect_left(self._ends, end) + 1]

"""The servers that a class of models may use, ranked by what each could do for it after one change.

One rank per question (how many replicas, after which change): servers by the memory they then have, and
beside each the cheapest among those with no less. So a model's server is found by bisection. Ranks are
made when first asked for.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

from placement.inventory import Server
from placement.why.prospects import NONE, Prospects
from placement.why.remedy import Remedy

NOBODY: frozenset[str] = frozenset()
_Option = tuple[int, str, int]
"""(amount, server, place in the field): the least is the cheapest."""


@dataclass(frozen=True, order=True)
class Offer:
    """A change of one server; the least is the cheapest of its kind."""

    amount: int
    name: str
    remedy: Remedy = field(compare=False)
    server: Server = field(compare=False)


class _Rank:
    """Options by the memory that they suffice for."""

    def __init__(self, options: Iterable[tuple[int, _Option]]) -> None:
        ranked = sorted((-room, option) for room, option in options if room != NONE)
        self._rooms = [room for room, _ in ranked]
        self._options = [option for _, option in ranked]
        self._least = list(accumulate(self._options, min))

    def cheapest(self, memory: int, skipped: AbstractSet[str]) -> _Option | None:
        """The cheapest that suffices for ``memory`` bytes per instance, but for servers ``skipped``."""
        count = bisect_right(self._rooms, -memory)
        if not count or self._least[count - 1][1] not in skipped:
            return self._least[count - 1] if count else None
        return min((option for option in self._options[:count] if option[1] not in skipped), default=None)

    def roomiest(self, skipped: AbstractSet[str]) -> _Option | None:
        """The one with the most memory."""
        return next((option for option in self._options if option[1] not in skipped), None)


class Field:
    """Prospects of servers with one question per kind of change; each answers with the cheapest offer for
    ``count`` replicas of ``memory`` bytes per instance."""

    def __init__(self, seen: Sequence[Prospects]) -> None:
        self._seen = sorted(seen, key=lambda each: each.server.name)
        self._most = max((len(each.rooms) for each in seen), default=0)
        self._groups = self._grouped()
        self._sets = sorted({len(names) for each in seen for names, _ in each.gains})
        self._resources = sorted({name for each in seen for name, _ in each.short})
        self._ranks: dict[tuple[object, ...], _Rank] = {}

    def _grouped(self) -> list[list[int]]:
        """Places of servers whose memory grows alike: more free then means that less is needed."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, each in enumerate(self._seen):
            shapes = {(replica.overcommit_percent, replica.instances) for replica in each.takers}
            key: tuple[object, ...] = tuple(shapes) if len(shapes) == 1 else (each.server.name,)
            if each.takers:
                groups.setdefault(key, []).append(place)
        return list(groups.values())

    def suitable(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> bool:
        """True where a server can take ``count`` replicas as it is."""
        return self._able(count).cheapest(memory, skipped) is not None

    def some(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> Offer | None:
        """The server that can take the most replicas as it is, fewer than ``count``."""
        for fewer in range(min(count - 1, self._most), 0, -1):
            found = self._able(fewer).cheapest(memory, skipped)
            if found is not None:
                remedy = Remedy("LowerMinReplicas", replicas=fewer)
                return Offer(-fewer, found[1], remedy, self._seen[found[2]].server)
        return None

    def more_replicas(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> Offer | None:
        """The server that lacks the fewest replicas, if replicas like its own can take the model."""
        for have in range(min(count - 1, self._most), -1, -1):
            rank = self._rank(("fresh", have), partial(_room_with_fresh, have=have))
            found = rank.cheapest(memory, skipped)
            if found is not None:
                more = count - have
                return self._offer(more, found[2], Remedy("MoreReplicas", found[1], replicas=more))
        return None

    def more_memory(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> Offer | None:
        """The server that lacks the least memory."""
        offers = []
        for number, places in enumerate(self._groups):
            rank = self._rank(("memory", number, count), lambda each: _headroom(each, count), places)
            found = rank.roomiest(skipped)
            if found is None:
                continue
            amount = self._seen[found[2]].growth(memory, count)
            if amount is not None:
                offers.append(self._offer(amount, found[2], Remedy("MoreMemory", found[1], memory=amount)))
        return min(offers, default=None)

    def more_resources(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> Offer | None:
        """The server that lacks the least of a single resource."""
        offers = []
        for resource in self._resources:
            rank = self._resource_rank(resource, count)
            found = rank.cheapest(memory, skipped)
            if found is None:
                continue
            amount = self._seen[found[2]].shortage(resource, memory, count)
            if amount is not None:
                remedy = Remedy("MoreResources", found[1], resource=resource, amount=amount)
                offers.append(self._offer(amount, found[2], remedy))
        return min(offers, default=None)

    def more_capabilities(self, memory: int, count: int, skipped: AbstractSet[str] = NOBODY) -> Offer | None:
        """The server that lacks the fewest capabilities."""
        for size in self._sets:
            rank = self._rank(("gain", size, count), partial(_room_gained, size=size, count=count))
            found = rank.cheapest(memory, skipped)
            if found is not None:
                names = _gain(self._seen[found[2]], size, count)[1]
                return self._offer(size, found[2], Remedy("AddCapability", found[1], capabilities=names))
        return None

    def _offer(self, amount: int, place: int, remedy: Remedy) -> Offer:
        return Offer(amount, remedy.server, remedy, self._seen[place].server)

    def _able(self, count: int) -> _Rank:
        return self._rank(("able", count), lambda each: each.room(count))

    def _rank(
        self,
        key: tuple[object, ...],
        room: Callable[[Prospects], int],
        places: Iterable[int] | None = None,
    ) -> _Rank:
        """Servers by room; of two the first by name is the cheaper."""
        if key not in self._ranks:
            chosen = range(len(self._seen)) if places is None else places
            options = ((room(self._seen[p]), (0, self._seen[p].server.name, p)) for p in chosen)
            self._ranks[key] = _Rank(options)
        return self._ranks[key]

    def _resource_rank(self, resource: str, count: int) -> _Rank:
        """By the roomiest ``count`` replicas, and what the neediest of these lacks."""
        key = "short", resource, count
        if key not in self._ranks:
            options = []
            for place, each in enumerate(self._seen):
                room, lack = _neediest(each, resource, count)
                options.append((room, (lack, each.server.name, place)))
            self._ranks[key] = _Rank(options)
        return self._ranks[key]


def _headroom(each: Prospects, count: int) -> int:
    """What the ``count``-th best replica leaves below its limit, from 0 up: ranks are of what is not −1."""
    if count > len(each.rooms):
        return NONE
    held = len(each.rooms) - len(each.takers)
    if count <= held:
        return each.rooms[0]
    left = sorted((r.limit - r.used - r.reserved for r in each.takers), reverse=True)
    return left[count - held - 1] + _LIFT


_LIFT = 1 << 80
"""More than any replica is overfull by."""


def _gain(each: Prospects, size: int, count: int) -> tuple[int, tuple[str, ...]]:
    """The best set of ``size`` capabilities: most room, then the first."""
    found = [(-_nth(rooms, count), names) for names, rooms in each.gains if len(names) == size]
    room, names = min(found, default=(-NONE, ()))
    return -room, names


def _neediest(each: Prospects, resource: str, count: int) -> tuple[int, int]:
    lacking = [found for name, given in each.short if name == resource for found in given]
    best = sorted([*((room, 0) for room in each.rooms), *lacking], key=lambda found: (-found[0], found[1]))
    if not lacking or count > len(best):
        return NONE, 0
    return best[count - 1][0], max(lack for _, lack in best[:count])


def _room_gained(each: Prospects, size: int, count: int) -> int:
    return _gain(each, size, count)[0]


def _room_with_fresh(each: Prospects, have: int) -> int:
    return min(each.room(have), each.fresh)


def _nth(rooms: Sequence[int], count: int) -> int:
    return rooms[count - 1] if count <= len(rooms) else NONE

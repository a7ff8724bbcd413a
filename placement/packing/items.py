"""What is packed and where it may go: models that wait, as items, and pools of bins.

A bin is a server replica; bins are numbered by server name and index, so the lowest number is the first
by name. A server is known by its first bin.
"""

from dataclasses import dataclass, field

from schemas.placement_annotations import Resources

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
    """One waiting model: ``need`` replicas at least, ``want`` at best, ``size`` bytes (and ``resources``)
    each.

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
    resources: Resources = ()
    worth: int = 1

    @property
    def cost(self) -> int:
        """Bytes that the least number of replicas takes."""
        return self.need * self.size

    def takes(self, number: int) -> bool:
        """True where the bin is open to the item, room or not."""
        return number not in self.banned and any(number in pool.inside for pool in self.pools)

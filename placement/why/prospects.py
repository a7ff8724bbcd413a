"""What one server could do for a class of models if one thing about it were changed.

The filters are asked about probes, once per kind of replica and change; what depends on memory is kept as
sorted numbers, so that a model of the class is answered by looking into them. Nothing is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from placement.demand import Demand
from placement.filters import holds, reject_replica, reject_server
from placement.inventory import Server, ServerReplica
from placement.why.remedy import fresh_replica, required_by, with_capabilities
from schemas.placement_annotations import Resources

ROOMY = 1 << 80
"""More memory than anybody asks for: what a replica has for a version that it holds."""
NONE = -1


class Answer(NamedTuple):
    """What a replica with enough memory says: yes, only with these capabilities too, or only with so much
    more of one resource."""

    accepts: bool
    lacks: tuple[str, ...] = ()
    short: tuple[str, int] | None = None


def answer(demand: Demand, replica: ServerReplica) -> Answer:
    """What the replica says to the demand, memory apart."""
    probe = replace(demand, memory=0)
    if reject_replica(probe, replica) is None:
        return Answer(True)
    lacks = tuple(name for name in required_by(demand) if name not in replica.capability_set)
    if lacks:
        changed = replace(replica, capabilities=with_capabilities(replica, lacks))
        return Answer(False, lacks) if reject_replica(probe, changed) is None else Answer(False)
    return _short(probe, replica)


def _short(probe: Demand, replica: ServerReplica) -> Answer:
    used, capacity = dict(replica.used_resources), dict(replica.resources)
    missing = [
        (name, amount - capacity.get(name, 0) + used.get(name, 0))
        for name, amount in probe.resources
        if amount > capacity.get(name, 0) - used.get(name, 0)
    ]
    if len(missing) != 1 or reject_replica(replace(probe, resources=()), replica) is not None:
        return Answer(False)
    return Answer(False, (), missing[0])


class Answers:
    """The answers that replicas give to a class of models; of those that have nothing of the model, equal
    ones are asked once."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._known: dict[tuple[str, tuple[str, ...], Resources, Resources], Answer] = {}

    def of(self, replica: ServerReplica, entries: bool) -> Answer:
        """What one replica says; ``entries`` where it lists the model's own version."""
        if entries:
            return answer(self._demand, replica)
        used = replica.used_resources if self._demand.resources else ()
        key = replica.state, replica.capabilities, replica.resources, used
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = answer(self._demand, replica)
        return found


@dataclass(frozen=True, eq=False)
class Prospects:
    """One server as a class of models sees it. Memory is bytes per instance, most first.

    ``rooms``: of replicas that take the model, memory permitting. ``fresh``: of one more replica, −1 where
    it would not take the model. ``takers``: what could grow in memory. ``gains``: rooms once the server has
    these capabilities too, fewest first. ``short``: by resource, (room, amount lacking), most room first.
    """

    server: Server
    rooms: tuple[int, ...]
    fresh: int
    takers: tuple[ServerReplica, ...]
    gains: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = ()
    short: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()

    def room(self, count: int) -> int:
        """The most memory that ``count`` replicas have each; −1 where they are fewer."""
        if count == 0:
            return ROOMY
        return self.rooms[count - 1] if count <= len(self.rooms) else NONE

    def growth(self, memory: int, count: int) -> int | None:
        """Bytes of capacity more per replica with which ``count`` replicas have ``memory``."""
        if count > len(self.rooms):
            return None
        held = len(self.rooms) - len(self.takers)  # what holds the version needs no memory
        needed = sorted(capacity_needed(replica, memory) for replica in self.takers)
        return 0 if count <= held else needed[count - held - 1]

    def shortage(self, resource: str, memory: int, count: int) -> int | None:
        """Thousandths of the resource more per replica with which ``count`` replicas take ``memory``."""
        lacks = [0 for room in self.rooms if room >= memory]
        lacks += [
            lack for name, found in self.short if name == resource for room, lack in found if room >= memory
        ]
        return sorted(lacks)[count - 1] if count <= len(lacks) else None


def prospects(demand: Demand, server: Server, answers: Answers) -> Prospects | None:
    """The server as ``demand``'s class sees it; None where it takes no such model whatever it has."""
    refusal = reject_server(demand, server)
    shared = server.shared or demand.server == server.name
    if refusal is not None and (refusal.reason not in ("NoReplicas", "ScaledToZero") or not shared):
        return None
    fresh = fresh_replica(server)
    takes = fresh is not None and answers.of(fresh, entries=False).accepts
    further = _room(fresh) if takes and fresh is not None else NONE
    if refusal is not None:
        return Prospects(server, (), further, ())
    said = [(replica, answers.of(replica, _lists(demand, replica))) for replica in server.replicas]
    takers = [replica for replica, found in said if found.accepts]
    free = tuple(replica for replica in takers if not holds(demand, replica))
    rooms = sorted((_room_for(demand, replica) for replica in takers), reverse=True)
    return Prospects(server, tuple(rooms), further, free, _gains(demand, rooms, said), _shorts(said))


def _lists(demand: Demand, replica: ServerReplica) -> bool:
    return any(entry.model == demand.model and entry.version == demand.version for entry in replica.loaded)


def _room_for(demand: Demand, replica: ServerReplica) -> int:
    return ROOMY if holds(demand, replica) else _room(replica)


def _room(replica: ServerReplica) -> int:
    return replica.free // replica.instances


_Said = Sequence[tuple[ServerReplica, Answer]]


def _gains(
    demand: Demand, rooms: Sequence[int], said: _Said
) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
    """By what single replicas lack, and by all of it: more sets are not tried."""
    missing = {found.lacks for _, found in said if found.lacks}
    if len(missing) > 1:
        missing.add(tuple(sorted({name for names in missing for name in names})))
    gains = []
    for names in sorted(missing, key=lambda names: (len(names), names)):
        won = [_room_for(demand, r) for r, found in said if found.lacks and set(found.lacks) <= set(names)]
        gains.append((names, tuple(sorted([*rooms, *won], reverse=True))))
    return tuple(gains)


def _shorts(said: _Said) -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    shorts: dict[str, list[tuple[int, int]]] = {}
    for replica, found in said:
        if found.short is not None:
            shorts.setdefault(found.short[0], []).append((_room(replica), found.short[1]))
    return tuple((name, tuple(sorted(found, reverse=True))) for name, found in sorted(shorts.items()))


def capacity_needed(replica: ServerReplica, memory: int) -> int:
    """Bytes of capacity that the replica lacks for ``memory`` bytes per instance; 0 where it fits.

    ⌊capacity × (100 + percent) ÷ 100⌋ must reach the limit, so the least capacity is rounded up.
    """
    required = memory * replica.instances
    if required <= replica.free:
        return 0
    limit = required + replica.used + replica.reserved
    return -(-limit * 100 // (100 + replica.overcommit_percent)) - replica.memory_capacity

"""A working copy of the world for rebalancing: what stands where, what may move, what waits.

Moves and the engine's own placing of what waits are done here as a plan will do them: the new place is
loaded beside the old one, then the old one is given up, then what waits is placed. Nothing is chosen
here; :mod:`placement.rebalancing.evacuation` proposes and :mod:`placement.rebalancing.rebalance` chooses.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import dataclass, replace

from placement.demand import Demand
from placement.engine import place
from placement.filters import is_holding, reject_replica, required_memory
from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from placement.policy import Policy

ModelName = tuple[str, str]
"""(namespace, model)."""


@dataclass(frozen=True)
class Move:
    """A served model version goes from one set of server replicas to another of the same size; what is in
    both stays. Both are sorted; ``memory`` is bytes that are loaded anew."""

    namespace: str
    model: str
    version: str
    before: tuple[ReplicaId, ...]
    after: tuple[ReplicaId, ...]
    memory: int

    @property
    def loads(self) -> tuple[ReplicaId, ...]:
        """Where it is loaded anew."""
        return tuple(replica for replica in self.after if replica not in self.before)

    @property
    def unloads(self) -> tuple[ReplicaId, ...]:
        """Where it is given up."""
        return tuple(replica for replica in self.before if replica not in self.after)


def with_model(replica: ServerReplica, demand: Demand) -> ServerReplica:
    """The replica with the demand's version being loaded on it."""
    memory = required_memory(demand, replica)
    entry = LoadedModel(demand.model, demand.version, memory, "Loading", resources=demand.resources)
    return replace(replica, loaded=(*replica.loaded, entry))


def without_model(replica: ServerReplica, model: str, version: str) -> ServerReplica:
    """The replica without that version."""
    left = [entry for entry in replica.loaded if (entry.model, entry.version) != (model, version)]
    return replace(replica, loaded=tuple(left))


def is_in_use(replica: ServerReplica) -> bool:
    """True where anything occupies the replica, or is promised to."""
    taken = any(entry.state != "LoadFailed" for entry in replica.loaded)
    return taken or replica.unlisted > 0 or replica.reserved > 0


class Workplace:
    """The world after what the engine does by itself.

    ``movable`` says where each model is that may be moved; ``waiting`` are demands that lack replicas, by
    priority and then by what the least of them take; ``placed`` is the engine's last word on those that
    waited before.
    """

    def __init__(self, demands: Sequence[Demand], inventory: Inventory, policy: Policy) -> None:
        self._policy = replace(policy, max_moves=0)  # what moves here is proposed, not the engine's idea
        self.demands = {(demand.namespace, demand.model): demand for demand in demands}
        self.servers = {
            (s.namespace, s.name): s for s in sorted(inventory.servers, key=lambda s: (s.namespace, s.name))
        }
        self.replicas: dict[ReplicaId, ServerReplica] = {
            server.replica_id(replica.index): replica
            for server in self.servers.values()
            for replica in sorted(server.replicas, key=lambda replica: replica.index)
        }
        self.placed: dict[ModelName, Assignment] = {}
        self.waiting: tuple[Demand, ...] = ()
        self.settle(demands)
        self.movable = self._find_movable()

    def inventory(self) -> Inventory:
        """What stands where now."""
        members: dict[tuple[str, str], list[ServerReplica]] = {name: [] for name in self.servers}
        for at, replica in self.replicas.items():
            members[at.namespace, at.server].append(replica)
        return Inventory(
            tuple(replace(server, replicas=tuple(members[name])) for name, server in self.servers.items())
        )

    def members(self, server: Server) -> tuple[ReplicaId, ...]:
        """The replicas of a server, by index."""
        return tuple(sorted(server.replica_id(replica.index) for replica in server.replicas))

    def after(self, moves: Iterable[Move]) -> "Workplace | None":
        """The world once the moves are done and what waits was placed; None where one has no room."""
        following = self._copy()
        for move in moves:
            demand = self.demands[move.namespace, move.model]
            for at in move.loads:
                if reject_replica(demand, following.replicas[at]) is not None:
                    return None
                following.replicas[at] = with_model(following.replicas[at], demand)
        for move in moves:
            del following.movable[move.namespace, move.model]
            for at in move.unloads:
                following.replicas[at] = without_model(following.replicas[at], move.model, move.version)
        following.settle(self.waiting)
        return following

    def _copy(self) -> "Workplace":
        twin = copy(self)
        twin.replicas, twin.movable, twin.placed = dict(self.replicas), dict(self.movable), {}
        return twin

    def settle(self, demands: Sequence[Demand]) -> None:
        """Place until nothing that waits can be helped by what is freed, as plans do in their rounds."""
        waiting, freed = tuple(demands), True
        while waiting and freed:
            answers = place(waiting, self.inventory(), self._policy).assignments
            self.placed.update(((a.namespace, a.model), a) for a in answers)
            homes = self._homes({(a.namespace, a.model) for a in answers})
            for answer in answers:
                self._load(answer)
            freed = sum(self._give_up(answer, homes) for answer in answers) > 0
            waiting = tuple(d for d in waiting if self._lacks(d))
        self.waiting = tuple(sorted(waiting, key=_urgency))

    def _homes(self, names: AbstractSet[ModelName]) -> dict[ModelName, list[ReplicaId]]:
        """Where anything of these models is listed."""
        homes: dict[ModelName, list[ReplicaId]] = {}
        for at, replica in self.replicas.items():
            for model in {entry.model for entry in replica.loaded}:
                if (at.namespace, model) in names:
                    homes.setdefault((at.namespace, model), []).append(at)
        return homes

    def _lacks(self, demand: Demand) -> bool:
        return self.placed[demand.namespace, demand.model].outcome in ("ScheduleFailed", "PartiallyScheduled")

    def _load(self, answer: Assignment) -> None:
        demand = self.demands[answer.namespace, answer.model]
        for at in assigned(answer):
            entries = self.replicas[at].loaded
            if not any(_is_of(entry, answer) and is_holding(entry) for entry in entries):
                self.replicas[at] = with_model(self.replicas[at], demand)

    def _give_up(self, answer: Assignment, homes: Mapping[ModelName, Sequence[ReplicaId]]) -> bool:
        """Unload what a placed model no longer needs; true where that frees anything."""
        if answer.outcome == "ScheduleFailed":
            return False
        staying, freed = assigned(answer), False
        for at in homes.get((answer.namespace, answer.model), ()):
            replica = self.replicas[at]
            gone = [entry for entry in replica.loaded if _is_superseded(entry, answer, at in staying)]
            if gone:
                left = tuple(entry for entry in replica.loaded if entry not in gone)
                self.replicas[at] = replace(replica, loaded=left)
                freed = freed or any(entry.memory for entry in gone)
        return freed

    def _find_movable(self) -> dict[ModelName, tuple[ReplicaId, ...]]:
        """Models that stand, all Loaded and on Ready replicas, exactly where they shall be."""
        standing: dict[ModelName, list[tuple[ReplicaId, str, bool]]] = {}
        for at, replica in self.replicas.items():
            for entry in replica.loaded:
                if entry.state != "LoadFailed":
                    steady = entry.state == "Loaded" and replica.state == "Ready"
                    standing.setdefault((at.namespace, entry.model), []).append((at, entry.version, steady))
        found = {}
        for name, answer in self.placed.items():
            wanted = [(at, answer.version, True) for at in assigned(answer)]
            if answer.outcome == "Scheduled" and sorted(standing.get(name, ())) == wanted:
                found[name] = assigned(answer)
        return found


def assigned(answer: Assignment) -> tuple[ReplicaId, ...]:
    """The replicas that an assignment names, sorted."""
    if answer.server is None:
        return ()
    return tuple(sorted(ReplicaId(answer.namespace, answer.server, index) for index in answer.indices))


def _is_of(entry: LoadedModel, answer: Assignment) -> bool:
    return (entry.model, entry.version) == (answer.model, answer.version)


def _is_superseded(entry: LoadedModel, answer: Assignment, stays: bool) -> bool:
    if entry.model != answer.model:
        return False
    return entry.version != answer.version or (not stays and entry.state != "LoadFailed")


def _urgency(demand: Demand) -> tuple[int, int, str, str]:
    memory = demand.memory * (demand.min_replicas or demand.replicas)
    return -demand.priority, memory, demand.namespace, demand.model

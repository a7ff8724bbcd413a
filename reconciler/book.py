"""What is where while a plan's moves are worked out: memory, loads and unloads, round by round.

Pure arithmetic of one planning run; it never leaves :mod:`reconciler.moves`. Models that stay where
they are count with their memory and are not listed one by one, so that a plan costs what it changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from reconciler.backing import backed
from reconciler.plan import Capacity, Load, LoadReason, Unload, UnloadReason
from reconciler.projection import Loaded, inventory
from runtime.routes import Target
from runtime.state import LiveModelReplica

ModelName = tuple[str, str]
"""(namespace, model)."""


@dataclass
class Book:
    """The server replicas there will be and what stands on them.

    ``used`` is bytes in use before the first round. ``timeline`` says what answers for each placed model
    from which round on. ``overtaken`` names models that a later round placed on another server than an
    earlier one, with that round: where they were to be in between is a way station.
    """

    servers: tuple[Server, ...]
    replicas: Mapping[ReplicaId, ServerReplica]
    loaded: Loaded
    unlisted: Mapping[ReplicaId, int]
    used: Mapping[ReplicaId, int]
    round: int = 0
    loads: dict[ModelName, dict[ReplicaId, Load]] = field(default_factory=dict)
    unloads: dict[tuple[ReplicaId, str, str], Unload] = field(default_factory=dict)
    timeline: dict[ModelName, list[tuple[int, Target | None]]] = field(default_factory=dict)
    overtaken: dict[ModelName, int] = field(default_factory=dict)
    freed: bool = False

    def inventory(self) -> Inventory:
        """The inventory as the moves so far leave it."""
        return inventory(self.servers, self.loaded, self.unlisted)

    def holds(self, replica: ReplicaId, model: str, version: str) -> bool:
        """True where that version is loaded, or is to be loaded, on ``replica``."""
        entry = self.loaded.get(replica, {}).get((model, version))
        return entry is not None and entry.state in ("Loaded", "Loading")

    def load(self, assignment: Assignment, replica: ReplicaId, memory: int, reason: LoadReason) -> None:
        """Decide a load."""
        model, version = assignment.model, assignment.version
        load = Load(assignment.namespace, model, version, replica, memory, reason, self.round)
        self.loads.setdefault((assignment.namespace, model), {})[replica] = load
        on = self.loaded.setdefault(replica, {})
        on[model, version] = LoadedModel(model, version, memory, "Loading")

    def answer(self, assignment: Assignment) -> None:
        """From this round on a placed model answers from where ``assignment`` has it."""
        stages = self.timeline.setdefault((assignment.namespace, assignment.model), [])
        target = assigned_target(assignment) if assignment.indices else None
        if not stages or stages[-1][1] != target:
            stages.append((self.round, target))

    def overtake(self, assignment: Assignment) -> None:
        """Unload again what an earlier round loaded where ``assignment`` no longer has it."""
        name = (assignment.namespace, assignment.model)
        for replica, load in self.loads.get(name, {}).items():
            if replica.server == assignment.server and replica.index in assignment.indices:
                continue
            if self._release(_back(load, self.round)):
                self.overtaken[name] = self.round

    def unload(self, entry: LiveModelReplica, reason: UnloadReason) -> None:
        """Decide an unload, once."""
        memory = 0 if entry.state == "LoadFailed" else entry.memory
        self._release(
            Unload(entry.namespace, entry.model, entry.version, entry.replica, memory, reason, self.round)
        )

    def _release(self, unload: Unload) -> bool:
        place = (unload.replica, unload.model, unload.version)
        if place in self.unloads:
            return False
        self.unloads[place] = unload
        self.loaded.get(unload.replica, {}).pop((unload.model, unload.version), None)
        self.freed = self.freed or unload.memory > 0
        return True

    def close_round(self) -> bool:
        """What this round unloads may be counted on from now on; True where there is any."""
        freed, self.freed = self.freed, False
        return freed

    def settle(self) -> tuple[Load, ...]:
        """All loads with what they count on, by (replica, model, version), once the rounds are over.

        A way station stays only where a load counts on what the model left for it.
        """
        while True:
            loads = tuple(backed(self._every_load(), self.unloads.values(), self._room()))
            counted = {unload for load in loads for unload in load.needs}
            idle = [name for name in self.overtaken if not self._serves(name, counted)]
            if not idle:
                return tuple(sorted(loads, key=lambda load: (load.replica, load.model, load.version)))
            for name in idle:
                self._skip_stations(name)

    def _every_load(self) -> list[Load]:
        return [load for by_replica in self.loads.values() for load in by_replica.values()]

    def _room(self) -> dict[ReplicaId, int]:
        return {
            at: self.replicas[at].limit - self.replicas[at].reserved - self.used.get(at, 0)
            for at in (load.replica for load in self._every_load())
        }

    def _serves(self, name: ModelName, counted: Iterable[Unload]) -> bool:
        """True where the way station of a model lets it leave early what others count on."""
        last = self.overtaken[name]
        return any((u.namespace, u.model) == name and 0 < u.round < last for u in counted)

    def _skip_stations(self, name: ModelName) -> None:
        """Load only where the model is to be in the end; what it leaves, it leaves then."""
        last = self.overtaken.pop(name)
        loads = self.loads[name]
        for place, unload in list(self.unloads.items()):
            if (unload.namespace, unload.model) != name:
                continue
            load = loads.get(unload.replica)
            if load is not None and unload == _back(load, unload.round):
                del self.unloads[place], loads[unload.replica]
            elif unload.round:
                self.unloads[place] = replace(unload, round=last)
        self.timeline[name] = [stage for stage in self.timeline[name] if stage[0] >= last]

    def sorted_unloads(self) -> tuple[Unload, ...]:
        """By (replica, model, version)."""
        return tuple(self.unloads[place] for place in sorted(self.unloads))

    def capacity(self) -> tuple[Capacity, ...]:
        """Server replicas whose used memory changes, by replica."""
        before = self.used
        after = dict(before)
        for load in self._every_load():
            after[load.replica] = after.get(load.replica, 0) + load.memory
        for unload in self.unloads.values():
            after[unload.replica] = after.get(unload.replica, 0) - unload.memory
        return tuple(
            Capacity(replica, self.replicas[replica].limit, before.get(replica, 0), after[replica])
            for replica in sorted(after)
            if replica in self.replicas and after[replica] != before.get(replica, 0)
        )


def assigned_target(assignment: Assignment) -> Target:
    """What answers for a model that is placed."""
    assert assignment.server is not None
    namespace, server = assignment.namespace, assignment.server
    replicas = tuple(ReplicaId(namespace, server, index) for index in assignment.indices)
    return Target(assignment.model, assignment.version, replicas)


def _back(load: Load, number: int) -> Unload:
    """The unload that takes a load of the same plan back."""
    return Unload(load.namespace, load.model, load.version, load.replica, load.memory, "Moved", number)


def used_memory(models: Iterable[LiveModelReplica]) -> dict[ReplicaId, int]:
    """Bytes in use by server replica; a failed load uses none."""
    used: dict[ReplicaId, int] = {}
    for entry in models:
        if entry.state != "LoadFailed":
            used[entry.replica] = used.get(entry.replica, 0) + entry.memory
    return used

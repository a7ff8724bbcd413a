"""What is where while a plan's moves are worked out: memory, loads and unloads, round by round.

Pure arithmetic of one planning run; it never leaves :mod:`reconciler.moves`. Models that stay where
they are count with their memory and are not listed one by one, so that a plan costs what it changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from reconciler.plan import Capacity, Load, LoadReason, Unload, UnloadReason
from reconciler.projection import Loaded, inventory
from runtime.state import LiveModelReplica

ModelName = tuple[str, str]
"""(namespace, model)."""


@dataclass
class Book:
    """The server replicas there will be and what stands on them.

    ``occupied`` is bytes in use at any time on the way, unloads not credited; ``freed`` are unloads of
    earlier rounds, by replica: only those may be counted on.
    """

    servers: tuple[Server, ...]
    replicas: Mapping[ReplicaId, ServerReplica]
    loaded: Loaded
    unlisted: Mapping[ReplicaId, int]
    occupied: dict[ReplicaId, int]
    round: int = 0
    loads: dict[ModelName, dict[ReplicaId, Load]] = field(default_factory=dict)
    unloads: dict[tuple[ReplicaId, str, str], Unload] = field(default_factory=dict)
    freed: dict[ReplicaId, tuple[Unload, ...]] = field(default_factory=dict)

    def inventory(self) -> Inventory:
        """The inventory as the moves so far leave it."""
        return inventory(self.servers, self.loaded, self.unlisted)

    def holds(self, replica: ReplicaId, model: str, version: str) -> bool:
        """True where that version is loaded, or is to be loaded, on ``replica``."""
        entry = self.loaded.get(replica, {}).get((model, version))
        return entry is not None and entry.state in ("Loaded", "Loading")

    def load(self, assignment: Assignment, replica: ReplicaId, memory: int, reason: LoadReason) -> None:
        """Decide a load. It names what it counts on only where it would not fit without."""
        occupied = self.occupied.get(replica, 0) + memory
        self.occupied[replica] = occupied
        fits = memory == 0 or occupied <= self.replicas[replica].limit
        needs = () if fits else self.freed.get(replica, ())
        model, version = assignment.model, assignment.version
        load = Load(assignment.namespace, model, version, replica, memory, reason, self.round, needs)
        self.loads.setdefault((assignment.namespace, model), {})[replica] = load
        on = self.loaded.setdefault(replica, {})
        on[model, version] = LoadedModel(model, version, memory, "Loading")

    def cancel_loads(self, assignment: Assignment) -> None:
        """Take back loads of an earlier round that ``assignment`` has overtaken."""
        by_replica = self.loads.get((assignment.namespace, assignment.model), {})
        for replica, load in list(by_replica.items()):
            if replica.server == assignment.server and replica.index in assignment.indices:
                continue
            del by_replica[replica]
            self.occupied[replica] -= load.memory
            self.loaded[replica].pop((load.model, load.version), None)

    def unload(self, entry: LiveModelReplica, reason: UnloadReason) -> None:
        """Decide an unload, once."""
        place = (entry.replica, entry.model, entry.version)
        if place in self.unloads:
            return
        memory = 0 if entry.state == "LoadFailed" else entry.memory
        self.unloads[place] = Unload(
            entry.namespace, entry.model, entry.version, entry.replica, memory, reason, self.round
        )
        self.loaded.get(entry.replica, {}).pop((entry.model, entry.version), None)

    def close_round(self) -> bool:
        """Make this round's unloads countable; True where there are new ones."""
        freed: dict[ReplicaId, list[Unload]] = {}
        for place in sorted(self.unloads):
            unload = self.unloads[place]
            if unload.memory:
                freed.setdefault(unload.replica, []).append(unload)
        before = self.freed
        self.freed = {replica: tuple(unloads) for replica, unloads in freed.items()}
        return self.freed != before

    def sorted_loads(self) -> tuple[Load, ...]:
        """By (replica, model, version)."""
        loads = [load for by_replica in self.loads.values() for load in by_replica.values()]
        return tuple(sorted(loads, key=lambda load: (load.replica, load.model, load.version)))

    def sorted_unloads(self) -> tuple[Unload, ...]:
        """By (replica, model, version)."""
        return tuple(self.unloads[place] for place in sorted(self.unloads))

    def capacity(self, before: Mapping[ReplicaId, int]) -> tuple[Capacity, ...]:
        """Server replicas whose used memory changes, by replica."""
        after = dict(before)
        for load in self.sorted_loads():
            after[load.replica] = after.get(load.replica, 0) + load.memory
        for unload in self.unloads.values():
            after[unload.replica] = after.get(unload.replica, 0) - unload.memory
        return tuple(
            Capacity(replica, self.replicas[replica].limit, before.get(replica, 0), after[replica])
            for replica in sorted(after)
            if replica in self.replicas and after[replica] != before.get(replica, 0)
        )


def used_memory(models: Iterable[LiveModelReplica]) -> dict[ReplicaId, int]:
    """Bytes in use by server replica; a failed load uses none."""
    used: dict[ReplicaId, int] = {}
    for entry in models:
        if entry.state != "LoadFailed":
            used[entry.replica] = used.get(entry.replica, 0) + entry.memory
    return used

"""What is where while a plan's moves are worked out: amounts, loads and unloads, round by round.

Pure arithmetic of one planning run; it never leaves :mod:`reconciler.planning.moves` and what that is made of.
Models that stay where they are count with their amounts and are not listed one by one, so that a plan
costs what it changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from placement.demand import Demand
from placement.inventory import Inventory, LoadedModel, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from reconciler.planning.backing import amounts, backed
from reconciler.planning.occupation import MEMORY, Amounts, Occupation
from reconciler.planning.plan import Capacity, Load, LoadReason, Unload, UnloadReason
from reconciler.planning.projection import Loaded, inventory
from runtime.routes import Target
from runtime.state import LiveModelReplica

ModelName = tuple[str, str]
"""(namespace, model)."""


@dataclass
class Book:
    """The server replicas there will be and what stands on them.

    ``used`` is what is in use before the first round. ``timeline`` says what answers for each placed model
    from which round on. ``overtaken`` names models that a later round placed on another server than an
    earlier one, with that round: where they were to be in between is a way station. ``recreated`` names
    models whose old version goes before the new one comes, with the round in which it goes.
    """

    servers: tuple[Server, ...]
    replicas: Mapping[ReplicaId, ServerReplica]
    occupation: Occupation
    loaded: Loaded
    unlisted: Mapping[ReplicaId, Amounts]
    used: Mapping[ReplicaId, Amounts]
    round: int = 0
    loads: dict[ModelName, dict[ReplicaId, Load]] = field(default_factory=dict)
    unloads: dict[tuple[ReplicaId, str, str], Unload] = field(default_factory=dict)
    timeline: dict[ModelName, list[tuple[int, Target | None]]] = field(default_factory=dict)
    overtaken: dict[ModelName, int] = field(default_factory=dict)
    recreated: dict[ModelName, int] = field(default_factory=dict)
    freed: bool = False

    def branch(self) -> "Book":
        """A book to try something in; this one stays as it is."""
        return replace(
            self,
            loaded={replica: dict(on) for replica, on in self.loaded.items()},
            loads={name: dict(by_replica) for name, by_replica in self.loads.items()},
            unloads=dict(self.unloads),
            timeline={name: list(stages) for name, stages in self.timeline.items()},
            overtaken=dict(self.overtaken),
            recreated=dict(self.recreated),
        )

    def moves(self) -> int:
        """How many loads and unloads are decided so far; never less later on."""
        return sum(map(len, self.loads.values())) + len(self.unloads)

    def inventory(self) -> Inventory:
        """The inventory as the moves so far leave it."""
        return inventory(self.servers, self.loaded, self.unlisted)

    def holds(self, replica: ReplicaId, model: str, version: str) -> bool:
        """True where that version is loaded, or is to be loaded, on ``replica``."""
        entry = self.loaded.get(replica, {}).get((model, version))
        return entry is not None and entry.state in ("Loaded", "Loading")

    def load(self, demand: Demand, replica: ReplicaId, reason: LoadReason) -> None:
        """Decide a load."""
        model, version = demand.model, demand.version
        memory = demand.memory * self.replicas[replica].instances
        load = Load(
            demand.namespace, model, version, replica, memory, reason, self.round, resources=demand.resources
        )
        self.loads.setdefault((demand.namespace, model), {})[replica] = load
        on = self.loaded.setdefault(replica, {})
        on[model, version] = LoadedModel(model, version, memory, "Loading", resources=demand.resources)

    def answer(self, assignment: Assignment) -> None:
        """From this round on a placed model answers from where ``assignment`` has it."""
        target = assigned_target(assignment) if assignment.indices else None
        self._answer((assignment.namespace, assignment.model), target)

    def _answer(self, name: ModelName, target: Target | None) -> None:
        stages = self.timeline.setdefault(name, [])
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
        self._release(self._unload(entry, reason))

    def recreate(self, entry: LiveModelReplica) -> None:
        """Decide that an old version goes before the new one comes. Until that is placed the old one stays
        listed, without occupying anything: the engine knows where the model is at home, and that it is
        served."""
        name, at = (entry.namespace, entry.model), (entry.model, entry.version)
        if not self.leaves(entry):
            listed = self.loaded[entry.replica][at]
            self._release(self._unload(entry, "OldVersion"))
            self.loaded[entry.replica][at] = replace(listed, memory=0, resources=())
        self.recreated[name] = self.round
        self._answer(name, None)

    def leaves(self, entry: LiveModelReplica) -> bool:
        """True where it goes with its server replica."""
        unload = self.unloads.get((entry.replica, entry.model, entry.version))
        return unload is not None and unload.reason == "ServerReplicaGone"

    def _unload(self, entry: LiveModelReplica, reason: UnloadReason) -> Unload:
        memory, resources = self.occupation.memory_of(entry), self.occupation.resources_of(entry)
        return Unload(
            entry.namespace,
            entry.model,
            entry.version,
            entry.replica,
            memory,
            reason,
            self.round,
            resources,
        )

    def _release(self, unload: Unload) -> bool:
        self.loaded.get(unload.replica, {}).pop((unload.model, unload.version), None)
        place = (unload.replica, unload.model, unload.version)
        if place in self.unloads:
            return False
        self.unloads[place] = unload
        self.freed = self.freed or bool(amounts(unload))
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
                ordered = sorted(loads, key=lambda load: (load.replica, load.model, load.version))
                return tuple(map(self._after_old_version, ordered))
            for name in idle:
                self._skip_stations(name)

    def _after_old_version(self, load: Load) -> Load:
        """A recreated model is loaded once the whole old version is gone, wherever that was."""
        name = (load.namespace, load.model)
        if name not in self.recreated:
            return load
        old = [u for u in self.unloads.values() if (u.namespace, u.model) == name and self._goes_first(u)]
        return replace(load, needs=tuple(dict.fromkeys((*old, *load.needs))))

    def _goes_first(self, unload: Unload) -> bool:
        """True for unloads that were decided before their model was placed."""
        return unload.round <= self.recreated.get((unload.namespace, unload.model), 0)

    def _every_load(self) -> list[Load]:
        return [load for by_replica in self.loads.values() for load in by_replica.values()]

    def _room(self) -> dict[ReplicaId, Amounts]:
        room: dict[ReplicaId, Amounts] = {}
        for at in (load.replica for load in self._every_load()):
            if at not in room:
                replica, used = self.replicas[at], self.used.get(at, {})
                whole = {MEMORY: replica.limit - replica.reserved, **dict(replica.resources)}
                room[at] = {name: amount - used.get(name, 0) for name, amount in whole.items()}
        return room

    def _serves(self, name: ModelName, counted: Iterable[Unload]) -> bool:
        """True where the way station of a model lets it leave early what others count on."""
        last = self.overtaken[name]
        return any(
            (u.namespace, u.model) == name and u.round < last and not self._goes_first(u) for u in counted
        )

    def _skip_stations(self, name: ModelName) -> None:
        """Load only where the model is to be in the end; what it leaves, it leaves then."""
        last, gone = self.overtaken.pop(name), self.recreated.get(name, -1)
        loads = self.loads[name]
        for place, unload in list(self.unloads.items()):
            if (unload.namespace, unload.model) != name:
                continue
            load = loads.get(unload.replica)
            if load is not None and unload == _back(load, unload.round):
                del self.unloads[place], loads[unload.replica]
            elif not self._goes_first(unload):
                self.unloads[place] = replace(unload, round=last)
        self.timeline[name] = [s for s in self.timeline[name] if s[0] >= last or s[0] <= gone]

    def sorted_unloads(self) -> tuple[Unload, ...]:
        """By (replica, model, version)."""
        return tuple(self.unloads[place] for place in sorted(self.unloads))

    def capacity(self) -> tuple[Capacity, ...]:
        """Server replicas whose used memory changes, by replica."""
        before = {replica: used.get(MEMORY, 0) for replica, used in self.used.items()}
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
    return Unload(
        load.namespace,
        load.model,
        load.version,
        load.replica,
        load.memory,
        "Moved",
        number,
        load.resources,
    )

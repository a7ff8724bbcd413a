"""Short ways to write inventories, and what executing a placement does to one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, LoadState, ReplicaState, Server, ServerReplica
from placement.placement import Assignment, Placement

GI = 1 << 30


def entry(model: str, version: str = "v1", memory: int = 0, state: LoadState = "Loaded") -> LoadedModel:
    return LoadedModel(model, version, memory, state)


def replica(
    index: int,
    free: int = 0,
    *loaded: LoadedModel,
    state: ReplicaState = "Ready",
    capabilities: Sequence[str] = ("sklearn",),
    reserved: int = 0,
) -> ServerReplica:
    """A replica with ``free`` bytes left beside what is loaded and before what is reserved."""
    capacity = free + sum(item.memory for item in loaded if item.state != "LoadFailed")
    return ServerReplica(index, state, tuple(capabilities), capacity, 0, reserved, loaded)


def server(
    name: str,
    *replicas: ServerReplica,
    namespace: str = "default",
    expected: int | None = None,
    shared: bool = True,
) -> Server:
    return Server(namespace, name, len(replicas) if expected is None else expected, replicas, shared)


def free_server(name: str, *free: int) -> Server:
    """A server whose replicas are empty and have ``free`` bytes each."""
    return server(name, *(replica(index, amount) for index, amount in enumerate(free)))


def inventory(*servers: Server) -> Inventory:
    return Inventory(servers)


def demand(
    model: str = "iris",
    memory: int = 100,
    replicas: int = 1,
    minimum: int = 0,
    version: str = "v1",
    requirements: Sequence[str] = ("sklearn",),
    pin: str | None = None,
    explainer: bool = False,
    namespace: str = "default",
) -> Demand:
    return Demand(namespace, model, version, tuple(requirements), memory, replicas, minimum, pin, explainer)


def place_one(wanted: Demand, *servers: Server) -> Assignment:
    (assignment,) = place([wanted], inventory(*servers)).assignments
    return assignment


def spot(assignment: Assignment) -> tuple[str | None, tuple[int, ...]]:
    """Server and indices of an assignment."""
    return assignment.server, assignment.indices


def executed(
    placement: Placement, demands: Iterable[Demand], before: Inventory, unload: bool = True
) -> Inventory:
    """The inventory once the placement's loads are done and, with ``unload``, what it leaves is gone.

    What failed to be scheduled goes on serving where it is loaded, as does an old version until the new
    one is placed.
    """
    memory = {(d.namespace, d.model, d.version): d.memory for d in demands}
    placed = {(a.namespace, a.model): a for a in placement.assignments if a.outcome != "ScheduleFailed"}

    def loaded(owner: Server, old: ServerReplica) -> tuple[LoadedModel, ...]:
        kept = []
        for item in old.loaded:
            goal = placed.get((owner.namespace, item.model))
            wanted = goal is None or (_is_at(goal, owner, old) and item.version == goal.version)
            if wanted or not unload:
                kept.append(item)
        for goal in placed.values():
            if _is_at(goal, owner, old) and not any(_serves(item, goal) for item in old.loaded):
                need = memory[goal.namespace, goal.model, goal.version]
                kept.append(LoadedModel(goal.model, goal.version, need, "Loaded"))
        return tuple(kept)

    return Inventory(
        tuple(
            replace(owner, replicas=tuple(replace(old, loaded=loaded(owner, old)) for old in owner.replicas))
            for owner in before.servers
        )
    )


def _is_at(goal: Assignment, owner: Server, old: ServerReplica) -> bool:
    same = goal.namespace == owner.namespace and goal.server == owner.name
    return same and old.index in goal.indices


def _serves(item: LoadedModel, goal: Assignment) -> bool:
    same = item.model == goal.model and item.version == goal.version
    return same and item.state in ("Loading", "Loaded")

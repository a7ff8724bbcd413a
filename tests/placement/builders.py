"""Short ways to write inventories, and what executing a placement does to one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from placement.demand import Demand
from placement.engine import place
from placement.filters import required_memory
from placement.inventory import Inventory, LoadedModel, LoadState, ReplicaState, Server, ServerReplica
from placement.placement import Assignment, Placement
from schemas.placement_annotations import Resources

GI = 1 << 30


def entry(
    model: str, version: str = "v1", memory: int = 0, state: LoadState = "Loaded", **resources: int
) -> LoadedModel:
    return LoadedModel(model, version, memory, state, resources=amounts(**resources))


def amounts(**named: int) -> Resources:
    """Named resources in whole units."""
    return tuple(sorted((name, 1000 * count) for name, count in named.items()))


def replica(
    index: int,
    free: int = 0,
    *loaded: LoadedModel,
    state: ReplicaState = "Ready",
    capabilities: Sequence[str] = ("sklearn",),
    reserved: int = 0,
    instances: int = 1,
    **resources: int,
) -> ServerReplica:
    """A replica with ``free`` bytes left beside what is loaded and before what is reserved;
    ``resources`` are its capacities."""
    capacity = free + sum(item.memory for item in loaded if item.state != "LoadFailed")
    return ServerReplica(
        index, state, tuple(capabilities), capacity, 0, reserved, loaded,
        resources=amounts(**resources), instances=instances,
    )  # fmt: skip


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
    **resources: int,
) -> Demand:
    return Demand(
        namespace, model, version, tuple(requirements), memory, replicas, minimum, pin, explainer,
        resources=amounts(**resources),
    )  # fmt: skip


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
    asked = {(d.namespace, d.model, d.version): d for d in demands}
    placed = {(a.namespace, a.model): a for a in placement.assignments if a.outcome != "ScheduleFailed"}

    def loaded(owner: Server, old: ServerReplica) -> tuple[LoadedModel, ...]:
        kept: list[LoadedModel] = []
        for item in old.loaded:
            goal = placed.get((owner.namespace, item.model))
            wanted = goal is None or (_is_at(goal, owner, old) and item.version == goal.version)
            if wanted or not unload:
                kept.append(item)
        new = (
            _load(asked[goal.namespace, goal.model, goal.version], old)
            for goal in placed.values()
            if _is_at(goal, owner, old) and not any(_serves(item, goal) for item in old.loaded)
        )
        return (*kept, *new)

    return Inventory(
        tuple(
            replace(owner, replicas=tuple(replace(old, loaded=loaded(owner, old)) for old in owner.replicas))
            for owner in before.servers
        )
    )


def _load(demand: Demand, replica: ServerReplica) -> LoadedModel:
    memory = required_memory(demand, replica)
    return LoadedModel(demand.model, demand.version, memory, "Loaded", resources=demand.resources)


def _is_at(goal: Assignment, owner: Server, old: ServerReplica) -> bool:
    same = goal.namespace == owner.namespace and goal.server == owner.name
    return same and old.index in goal.indices


def _serves(item: LoadedModel, goal: Assignment) -> bool:
    same = item.model == goal.model and item.version == goal.version
    return same and item.state in ("Loading", "Loaded")


def overfull(placement: Placement, demands: Iterable[Demand], before: Inventory) -> list[str]:
    """Replicas on which the placement's new loads ask for more than was left, and of what."""
    asked = {(d.namespace, d.model, d.version): d for d in demands}
    found = []
    for owner in before.servers:
        for old in owner.replicas:
            new = [
                _load(asked[goal.namespace, goal.model, goal.version], old)
                for goal in placement.assignments
                if _is_at(goal, owner, old) and not any(_serves(item, goal) for item in old.loaded)
            ]
            left = {"memory": old.free, **dict(old.free_resources)}
            for item in new:
                for name, amount in (("memory", item.memory), *item.resources):
                    left[name] = left.get(name, 0) - amount
            found += [f"{owner.name}/{old.index}: {name}" for name, amount in left.items() if amount < 0]
    return found

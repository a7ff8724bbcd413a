"""From what the engine wants to what has to be loaded and unloaded, and who answers meanwhile.

Pure. What is where it shall be is recognised without asking the engine; the rest is placed in rounds
(:mod:`reconciler.rounds`). A load that only fits because of an unload of this plan names it in ``needs``.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from placement.demand import Demand
from placement.filters import EXPLAINER_CAPABILITY
from placement.inventory import Inventory, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from placement.policy import Policy
from placement.rebalance import Group
from reconciler.book import Book, ModelName
from reconciler.occupation import Amounts, Occupation
from reconciler.plan import Capacity, Load, Unload
from reconciler.projection import listed
from reconciler.regrouping import regroup
from reconciler.rounds import place_in_rounds
from reconciler.targets import targets
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState

Timeline = Mapping[ModelName, Sequence[tuple[int, Target | None]]]
"""What answers for each model from which round on; None where nothing does."""

Entries = dict[ModelName, list[LiveModelReplica]]


@dataclass(frozen=True)
class Moves:
    """The moves of a plan, sorted by (replica, model, version), and what they lead to.

    ``assignments`` pairs each demand with the engine's last word on it; ``targets`` says which
    version on which replicas answers for each model once the plan is done, ``timeline`` from which
    round on for those that are placed anew; ``inventory`` is what is then where, models that nobody
    asked about unlisted.
    """

    loads: tuple[Load, ...]
    unloads: tuple[Unload, ...]
    assignments: tuple[tuple[Demand, Assignment], ...]
    targets: Mapping[ModelName, Target]
    timeline: Timeline
    capacity: tuple[Capacity, ...]
    inventory: Inventory
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class World:
    """What models are placed on: the servers as they will be, and what lives and occupies them."""

    servers: tuple[Server, ...]
    live: LiveState
    occupation: Occupation


def plan_moves(
    demands: Sequence[Demand],
    world: World,
    policy: Policy,
    examined: ModelName | None = None,
    rebalance: int = 0,
) -> Moves:
    """The moves that bring every demand to where the engine wants it, as far as it can be had.

    ``examined`` names a model that is asked about: it is listed in the inventory also where it stays.
    With ``rebalance`` so many served replicas may move where that gains something: ``groups`` of the answer.
    """
    by_model = _by_model(world.live.models)
    settled = {} if rebalance else _settled_models(demands, world, by_model)
    unlisted: AbstractSet[ModelName] = set() if policy.max_moves else settled.keys() - {examined}
    moving = [demand for demand in demands if _name(demand) not in settled]
    staying = [demand for demand in demands if policy.max_moves and _name(demand) in settled]
    book = _open_book(demands, unlisted, world, by_model)
    book, placed = place_in_rounds(moving, staying, by_model, book, policy)
    decided = {**settled, **placed}
    groups: tuple[Group, ...] = ()
    if rebalance:
        book, groups = regroup(demands, decided, by_model, book, policy, rebalance)
    loads = book.settle()
    return Moves(
        loads=loads,
        unloads=book.sorted_unloads(),
        assignments=tuple((demand, decided[_name(demand)]) for demand in demands),
        targets=targets(decided.values(), book, by_model, world.live),
        timeline=book.timeline,
        capacity=book.capacity(),
        inventory=book.inventory(),
        groups=groups,
    )


def _name(demand: Demand) -> ModelName:
    return demand.namespace, demand.model


def _by_model(models: Iterable[LiveModelReplica]) -> Entries:
    by_model: Entries = {}
    for entry in models:
        by_model.setdefault((entry.namespace, entry.model), []).append(entry)
    return by_model


def _settled_models(
    demands: Iterable[Demand], world: World, by_model: Entries
) -> dict[ModelName, Assignment]:
    """What is just where it shall be."""
    replicas = {s.replica_id(r.index): (r, s.shared) for s in world.servers for r in s.replicas}
    settled: dict[ModelName, Assignment] = {}
    for demand in demands:
        name = _name(demand)
        stays = _settled(demand, by_model.get(name, ()), replicas)
        if stays is not None:
            settled[name] = stays
    return settled


def _settled(
    demand: Demand,
    entries: Sequence[LiveModelReplica],
    replicas: Mapping[ReplicaId, tuple[ServerReplica, bool]],
) -> Assignment | None:
    """The assignment of a model that is just where it shall be, without asking the engine.

    The engine would keep it there: it takes the server and the replicas that hold the version first,
    and what is held needs no room.
    """
    if not entries or len(entries) != demand.replicas:
        return None
    server = entries[0].replica.server
    if demand.server not in (None, server):
        return None
    for entry in entries:
        replica, shared = replicas.get(entry.replica, (None, False))
        if (
            entry.version != demand.version
            or entry.state not in ("Loaded", "Loading")
            or entry.replica.server != server
            or replica is None
            or replica.state != "Ready"
            or not (shared or demand.server)
            or not replica.capability_set.issuperset(demand.requirements)
            or (demand.explainer and EXPLAINER_CAPABILITY not in replica.capability_set)
        ):
            return None
    indices = tuple(sorted(entry.replica.index for entry in entries))
    return Assignment(demand.namespace, demand.model, demand.version, server, indices, "Scheduled", "")


def _open_book(
    demands: Iterable[Demand], unlisted: AbstractSet[ModelName], world: World, by_model: Entries
) -> Book:
    """The world before the first round: deleted models and vanishing server replicas are freed."""
    wanted = set(map(_name, demands))
    replicas = {s.replica_id(r.index): r for s in world.servers for r in s.replicas}
    stirred = [entry for name, entries in by_model.items() if name not in unlisted for entry in entries]
    standing = [entry for entry in stirred if _stands(entry, replicas)]
    occupation = world.occupation
    used = occupation.used(world.live.models)
    resting = _less(used, occupation.used(stirred))
    book = Book(world.servers, replicas, occupation, listed(standing, occupation), resting, used)
    for entry in stirred:
        if (entry.namespace, entry.model) not in wanted:
            book.unload(entry, "ModelDeleted")
        elif entry.replica not in replicas:
            book.unload(entry, "ServerReplicaGone")
    book.close_round()
    return book


def _less(whole: Mapping[ReplicaId, Amounts], part: Mapping[ReplicaId, Amounts]) -> dict[ReplicaId, Amounts]:
    rest = dict(whole)
    for replica, amounts in part.items():
        rest[replica] = {name: amount - amounts.get(name, 0) for name, amount in whole[replica].items()}
    return rest


def _stands(entry: LiveModelReplica, replicas: Mapping[ReplicaId, ServerReplica]) -> bool:
    """What stands on a Lost replica is not there: only Lost frees models (design decision 5). A failed
    load is a fact of one incarnation and is forgotten with it."""
    replica = replicas.get(entry.replica)
    if replica is None or replica.state == "Lost":
        return False
    return not (entry.state == "LoadFailed" and replica.state == "Pending")

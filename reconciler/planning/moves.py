"""From what the engine wants to what has to be loaded and unloaded, and who answers meanwhile.

Pure. What is where it shall be is recognised without asking the engine; the rest is placed in rounds
(:mod:`reconciler.planning.rounds`). A load that only fits because of an unload of this plan names it in ``needs``.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from placement.demand import Demand
from placement.inventory import Inventory, ReplicaId, Server, ServerReplica
from placement.placement import Assignment
from placement.policy import Policy
from placement.rebalancing.rebalance import Group
from reconciler.planning.book import Book, ModelName
from reconciler.planning.occupation import Amounts, Occupation
from reconciler.planning.plan import Capacity, Load, Unload
from reconciler.planning.projection import listed
from reconciler.planning.regrouping import regroup
from reconciler.planning.rounds import place_in_rounds
from reconciler.planning.settled import settled_models
from reconciler.planning.targets import targets
from runtime.routes import Target
from runtime.state import LiveModelReplica, LiveState

Timeline = Mapping[ModelName, Sequence[tuple[int, Target | None]]]
"""What answers for each model from which round on; None where nothing does."""


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
    demands: Mapping[ModelName, Demand],
    world: World,
    policy: Policy,
    examined: ModelName | None = None,
    rebalance: int = 0,
) -> Moves:
    """The moves that bring every demand to where the engine wants it, as far as it can be had.

    ``examined`` names a model that is asked about: it is listed in the inventory also where it stays.
    With ``rebalance`` so many served replicas may move where that gains something: ``groups`` of the answer.
    """
    by_model = world.live.by_model
    settled = {} if rebalance else settled_models(demands, world.servers, world.live)
    unlisted: AbstractSet[ModelName] = set() if policy.max_moves else settled.keys() - {examined}
    moving = [demand for name, demand in demands.items() if name not in settled]
    staying = [demands[name] for name in settled] if policy.max_moves else []
    book = _open_book(demands, unlisted, world)
    book, placed = place_in_rounds(moving, staying, by_model, book, policy)
    resting = {name: stands for name, stands in settled.items() if name not in placed}
    decided = {**{name: stands.assignment for name, stands in resting.items()}, **placed}
    groups: tuple[Group, ...] = ()
    if rebalance:
        book, groups = regroup(tuple(demands.values()), decided, by_model, book, policy, rebalance)
    loads = book.settle()
    anew = (assignment for name, assignment in decided.items() if name not in resting)
    answering = targets(anew, book, by_model, world.live)
    return Moves(
        loads=loads,
        unloads=book.sorted_unloads(),
        assignments=tuple((demand, decided[name]) for name, demand in demands.items()),
        targets={**{name: stands.target for name, stands in resting.items()}, **answering},
        timeline=book.timeline,
        capacity=book.capacity(),
        inventory=book.inventory(),
        groups=groups,
    )


def _open_book(wanted: Collection[ModelName], unlisted: AbstractSet[ModelName], world: World) -> Book:
    """The world before the first round: deleted models and vanishing server replicas are freed."""
    replicas = {s.replica_id(r.index): r for s in world.servers for r in s.replicas}
    stirred = [
        entry for name, entries in world.live.by_model.items() if name not in unlisted for entry in entries
    ]
    standing = [entry for entry in stirred if _stands(entry, replicas)]
    occupation = world.occupation
    used = occupation.used_in(world.live)
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

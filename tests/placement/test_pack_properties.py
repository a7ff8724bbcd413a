"""What holds of every packing, whatever the input."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from placement.demand import Demand
from placement.engine import place
from placement.filters import reject_replica, reject_server
from placement.inventory import Inventory, ServerReplica
from placement.placement import Assignment, Placement
from placement.policy import Policy
from placement.why.verdicts import summarise, verdicts
from tests.placement.builders import amounts, executed, overfull, replica, server
from tests.placement.strategies import demands, inventories

_MANY = settings(max_examples=150, deadline=None)
_PACK = Policy("pack", steps=3_000)
_MOVING = Policy("pack", steps=3_000, max_moves=2)


def _decided(placement: Placement) -> dict[tuple[str, str], tuple[str | None, tuple[int, ...], str]]:
    return {(a.namespace, a.model): (a.server, a.indices, a.outcome) for a in placement.assignments}


def _replicas(inventory: Inventory, done: Assignment) -> list[ServerReplica]:
    named = [s for s in inventory.in_namespace(done.namespace) if s.name == done.server]
    return [replica for server in named for replica in server.replicas if replica.index in done.indices]


def _holds(replica: ServerReplica, done: Assignment) -> bool:
    own = [e for e in replica.loaded if (e.model, e.version) == (done.model, done.version)]
    return any(entry.state in ("Loading", "Loaded") for entry in own)


def _served(inventory: Inventory) -> set[tuple[str, str]]:
    return {
        (server.namespace, entry.model)
        for server in inventory.servers
        for replica in server.replicas
        for entry in replica.loaded
        if entry.state in ("Loading", "Loaded")
    }


def score(wanted: list[Demand], placement: Placement) -> tuple[object, ...]:
    """Models placed, those of higher priority first; their replicas; server replicas left alone."""
    done = {(a.namespace, a.model): a for a in placement.assignments}
    placed: Counter[int] = Counter()
    used = set()
    for demand in wanted:
        one = done[demand.namespace, demand.model]
        placed[demand.priority] += one.server is not None
        used |= {(one.namespace, one.server, index) for index in one.indices}
    replicas = sum(len(one.indices) for one in done.values())
    return [placed[level] for level in sorted(placed, reverse=True)], replicas, -len(used)


@st.composite
def ranked_demands(draw: st.DrawFn) -> list[Demand]:
    """Demands with priorities."""
    return [replace(d, priority=draw(st.sampled_from((-1, 0, 0, 5)))) for d in draw(demands())]


World = tuple[list[Demand], Inventory]


@st.composite
def crowds(draw: st.DrawFn) -> World:
    """More models than fit, on servers of different makes; a few are served."""
    servers = [
        server(
            f"s{number}",
            *(
                replica(
                    index,
                    draw(st.integers(3, 10)) * 10,
                    capabilities=("sklearn", *tags),
                    instances=draw(st.sampled_from((1, 1, 1, 2))),
                    cpu=draw(st.integers(1, 4)),
                )
                for index in range(draw(st.integers(1, 3)))
            ),
        )
        for number, tags in enumerate(draw(st.lists(st.sampled_from(((), ("gpu",))), min_size=1, max_size=3)))
    ]
    wanted = [
        Demand(
            "default",
            f"m{number}",
            "v1",
            draw(st.sampled_from((("sklearn",), ("sklearn",), ("gpu",)))),
            draw(st.integers(1, 9)) * 10,
            draw(st.integers(1, 3)),
            draw(st.integers(0, 2)),
            resources=draw(st.sampled_from(((), (), amounts(cpu=1), amounts(cpu=2)))),
        )
        for number in range(draw(st.integers(1, 12)))
    ]
    served = draw(st.integers(0, len(wanted)))
    first = place(wanted[:served], Inventory(tuple(servers)))
    return wanted, executed(first, wanted, Inventory(tuple(servers)))


WORLDS = st.one_of(st.tuples(ranked_demands(), inventories()), crowds())


@_MANY
@given(WORLDS, st.sampled_from((_PACK, _MOVING)))
def test_every_replica_taken_would_have_been_accepted(world: World, policy: Policy) -> None:
    """No filter rejects a server or a replica that is taken, and no replica is asked for twice."""
    wanted, inventory = world
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in place(wanted, inventory, policy).assignments:
        demand = by_model[done.namespace, done.model]
        taken = _replicas(inventory, done)
        assert len(taken) == len(done.indices) == len(set(done.indices))
        assert all(reject_replica(demand, replica) is None for replica in taken)
        if done.server is not None:
            owner = next(s for s in inventory.in_namespace(done.namespace) if s.name == done.server)
            assert reject_server(demand, owner) is None


@_MANY
@given(WORLDS, st.sampled_from((_PACK, _MOVING)))
def test_never_over_capacity(world: World, policy: Policy) -> None:
    """New loads on a replica never ask for more memory, or more of a named resource, than was free on it."""
    wanted, inventory = world
    assert overfull(place(wanted, inventory, policy), wanted, inventory) == []


@_MANY
@given(WORLDS, st.sampled_from((_PACK, _MOVING)))
def test_counts_match_outcomes(world: World, policy: Policy) -> None:
    """Scheduled means all replicas, partial at least the minimum and fewer than all, else none."""
    wanted, inventory = world
    by_model = {(d.namespace, d.model): d for d in wanted}
    done = place(wanted, inventory, policy).assignments
    assert sorted((a.namespace, a.model) for a in done) == sorted(by_model)
    for one in done:
        demand, count = by_model[one.namespace, one.model], len(one.indices)
        assert {
            "Scheduled": count == demand.replicas > 0,
            "PartiallyScheduled": 0 < demand.min_replicas <= count < demand.replicas,
            "ScheduleFailed": count == 0 and one.server is None,
            "ScaledDown": demand.replicas == count == 0 and one.server is None,
        }[one.outcome]


@_MANY
@given(WORLDS, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(world: World, rng: random.Random) -> None:
    """Shuffled demands, servers, replicas and entries give the same packing to the byte."""
    wanted, inventory = world

    def mixed(items: tuple) -> tuple:
        return tuple(rng.sample(items, len(items)))

    shuffled = Inventory(
        tuple(
            replace(s, replicas=tuple(replace(r, loaded=mixed(r.loaded)) for r in mixed(s.replicas)))
            for s in mixed(inventory.servers)
        )
    )
    assert place(rng.sample(wanted, len(wanted)), shuffled, _PACK) == place(wanted, inventory, _PACK)


@_MANY
@given(WORLDS)
def test_packing_again_changes_nothing(world: World) -> None:
    """On the inventory with all loads done the same demands stay in the same places."""
    wanted, inventory = world
    first = place(wanted, inventory, _PACK)
    second = place(wanted, executed(first, wanted, inventory, unload=False), _PACK)
    assert _decided(second) == _decided(first)


@_MANY
@given(WORLDS)
def test_both_policies_rest_on_a_packing(world: World) -> None:
    """What was packed is where the reference would leave it too: policies can be changed without a move."""
    wanted, inventory = world
    first = place(wanted, inventory, _PACK)
    assert _decided(place(wanted, executed(first, wanted, inventory, unload=False))) == _decided(first)


@_MANY
@given(WORLDS)
def test_what_is_served_stays_as_the_reference_decides(world: World) -> None:
    """Without moves, a served model is assigned exactly what the reference assigns it."""
    wanted, inventory = world
    served = _served(inventory)
    packed, plain = _decided(place(wanted, inventory, _PACK)), _decided(place(wanted, inventory))
    assert {m: spot for m, spot in packed.items() if m in served} == {
        m: spot for m, spot in plain.items() if m in served
    }


@_MANY
@given(WORLDS, st.integers(0, 300))
def test_never_worse_than_the_reference(world: World, steps: int) -> None:
    """By models of each priority and by replicas, packing places no less; with equal priorities no
    fewer models."""
    wanted, inventory = world
    packed = place(wanted, inventory, Policy("pack", steps))
    plain = place(wanted, inventory)
    assert score(wanted, packed)[:2] >= score(wanted, plain)[:2]


@_MANY
@given(WORLDS, st.integers(0, 2_000), st.integers(0, 2_000))
def test_more_steps_are_never_worse(world: World, steps: int, more: int) -> None:
    """A larger budget gives a packing at least as good."""
    wanted, inventory = world
    small = place(wanted, inventory, Policy("pack", steps))
    large = place(wanted, inventory, Policy("pack", steps + more))
    assert score(wanted, large)[:2] >= score(wanted, small)[:2]


@_MANY
@given(WORLDS)
def test_a_failure_says_what_explain_would_say(world: World) -> None:
    """Sentences come from the same census, told with what is free after the packing."""
    wanted, inventory = world
    placement = place(wanted, inventory, _PACK)
    after = executed(placement, wanted, inventory, unload=False)
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in placement.assignments:
        if done.outcome == "ScheduleFailed":
            demand = by_model[done.namespace, done.model]
            assert done.message == summarise(demand, verdicts(demand, after))


@_MANY
@given(crowds())
def test_a_move_is_only_made_within_the_budget_and_for_somebody(world: World) -> None:
    """At most so many served replicas move, to where there is room now; once they have left, more models
    are placed than without moves, or a served one that comes first gets more replicas."""
    wanted, inventory = world
    still, moving = place(wanted, inventory, _PACK), place(wanted, inventory, _MOVING)
    before, after = _decided(still), _decided(moving)
    moved = [model for model in before if model in _served(inventory) and before[model] != after[model]]
    assert sum(len(after[model][1]) for model in moved) <= _MOVING.max_moves
    assert all(after[model][2] == "Scheduled" for model in moved)
    if moved:
        following = place(wanted, executed(moving, wanted, inventory), _PACK)
        assert score(wanted, following)[:2] > score(wanted, still)[:2]


@_MANY
@given(WORLDS, st.sampled_from((_PACK, _MOVING)))
def test_packing_comes_to_rest(world: World, policy: Policy) -> None:
    """Repeated runs end, with moves too: each move places a model that waited."""
    wanted, inventory = world
    placement = place(wanted, inventory, policy)
    for _ in range(2 + sum(demand.replicas for demand in wanted) + len(wanted)):
        inventory = executed(placement, wanted, inventory)
        following = place(wanted, inventory, policy)
        if _decided(following) == _decided(placement):
            return
        placement = following
    raise AssertionError("packing with moves did not come to rest")

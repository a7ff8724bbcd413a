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
from placement.verdicts import summarise, verdicts
from tests.placement.builders import executed
from tests.placement.strategies import demands, inventories

_MANY = settings(max_examples=150, deadline=None)
_PACK = Policy("pack", steps=3_000)


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


@_MANY
@given(ranked_demands(), inventories())
def test_every_replica_taken_would_have_been_accepted(wanted: list[Demand], inventory: Inventory) -> None:
    """No filter rejects a server or a replica that is taken, and no replica is asked for twice."""
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in place(wanted, inventory, _PACK).assignments:
        demand = by_model[done.namespace, done.model]
        taken = _replicas(inventory, done)
        assert len(taken) == len(done.indices) == len(set(done.indices))
        assert all(reject_replica(demand, replica) is None for replica in taken)
        if done.server is not None:
            owner = next(s for s in inventory.in_namespace(done.namespace) if s.name == done.server)
            assert reject_server(demand, owner) is None


@_MANY
@given(ranked_demands(), inventories())
def test_never_over_capacity(wanted: list[Demand], inventory: Inventory) -> None:
    """New loads on a replica never ask for more than was free on it."""
    memory = {(d.namespace, d.model): d.memory for d in wanted}
    left = {(s.namespace, s.name, r.index): r.free for s in inventory.servers for r in s.replicas}
    for done in place(wanted, inventory, _PACK).assignments:
        for replica in _replicas(inventory, done):
            if not _holds(replica, done):
                left[done.namespace, done.server or "", replica.index] -= memory[done.namespace, done.model]
    assert all(amount >= 0 for amount in left.values())


@_MANY
@given(ranked_demands(), inventories())
def test_counts_match_outcomes(wanted: list[Demand], inventory: Inventory) -> None:
    """Scheduled means all replicas, partial at least the minimum and fewer than all, else none."""
    by_model = {(d.namespace, d.model): d for d in wanted}
    done = place(wanted, inventory, _PACK).assignments
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
@given(ranked_demands(), inventories(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    wanted: list[Demand], inventory: Inventory, rng: random.Random
) -> None:
    """Shuffled demands, servers, replicas and entries give the same packing to the byte."""

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
@given(ranked_demands(), inventories())
def test_packing_again_changes_nothing(wanted: list[Demand], inventory: Inventory) -> None:
    """On the inventory with all loads done the same demands stay in the same places."""
    first = place(wanted, inventory, _PACK)
    second = place(wanted, executed(first, wanted, inventory, unload=False), _PACK)
    assert _decided(second) == _decided(first)


@_MANY
@given(ranked_demands(), inventories())
def test_both_policies_rest_on_a_packing(wanted: list[Demand], inventory: Inventory) -> None:
    """What was packed is where the reference would leave it too: policies can be changed without a move."""
    first = place(wanted, inventory, _PACK)
    assert _decided(place(wanted, executed(first, wanted, inventory, unload=False))) == _decided(first)


@_MANY
@given(ranked_demands(), inventories())
def test_what_is_served_stays_as_the_reference_decides(wanted: list[Demand], inventory: Inventory) -> None:
    """Without moves, a served model is assigned exactly what the reference assigns it."""
    served = _served(inventory)
    packed, plain = _decided(place(wanted, inventory, _PACK)), _decided(place(wanted, inventory))
    assert {m: spot for m, spot in packed.items() if m in served} == {
        m: spot for m, spot in plain.items() if m in served
    }


@_MANY
@given(ranked_demands(), inventories(), st.integers(0, 300))
def test_never_worse_than_the_reference(wanted: list[Demand], inventory: Inventory, steps: int) -> None:
    """By models of each priority and by replicas, packing places no less; with equal priorities no
    fewer models."""
    packed = place(wanted, inventory, Policy("pack", steps))
    plain = place(wanted, inventory)
    assert score(wanted, packed)[:2] >= score(wanted, plain)[:2]


@_MANY
@given(ranked_demands(), inventories(), st.integers(0, 2_000), st.integers(0, 2_000))
def test_more_steps_are_never_worse(
    wanted: list[Demand], inventory: Inventory, steps: int, more: int
) -> None:
    """A larger budget gives a packing at least as good."""
    small = place(wanted, inventory, Policy("pack", steps))
    large = place(wanted, inventory, Policy("pack", steps + more))
    assert score(wanted, large)[:2] >= score(wanted, small)[:2]


@_MANY
@given(ranked_demands(), inventories())
def test_a_failure_says_what_explain_would_say(wanted: list[Demand], inventory: Inventory) -> None:
    """Sentences come from the same census, told with what is free after the packing."""
    placement = place(wanted, inventory, _PACK)
    after = executed(placement, wanted, inventory, unload=False)
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in placement.assignments:
        if done.outcome == "ScheduleFailed":
            demand = by_model[done.namespace, done.model]
            assert done.message == summarise(demand, verdicts(demand, after))

"""What holds of every placement, whatever the input."""

import random
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, Server, ServerReplica
from placement.placement import Assignment, Placement
from placement.policy import REFERENCE, Policy
from placement.why.verdicts import server_verdicts, summarise, verdicts
from tests.placement.builders import executed, overfull
from tests.placement.strategies import demands, inventories

_MANY = settings(max_examples=150, deadline=None)
_PACK = Policy("pack", steps=500)


def _decided(placement: Placement) -> dict[tuple[str, str], tuple[str | None, tuple[int, ...], str]]:
    return {(a.namespace, a.model): (a.server, a.indices, a.outcome) for a in placement.assignments}


def _server_of(inventory: Inventory, assignment: Assignment) -> Server:
    return next(s for s in inventory.in_namespace(assignment.namespace) if s.name == assignment.server)


def _replicas_of(inventory: Inventory, assignment: Assignment) -> list[ServerReplica]:
    if assignment.server is None:
        return []
    by_index = {replica.index: replica for replica in _server_of(inventory, assignment).replicas}
    return [by_index[index] for index in assignment.indices]


def _holds(replica: ServerReplica, assignment: Assignment) -> bool:
    own = [e for e in replica.loaded if (e.model, e.version) == (assignment.model, assignment.version)]
    return any(entry.state in ("Loading", "Loaded") for entry in own)


@_MANY
@given(demands(), inventories())
def test_never_over_capacity(wanted: list[Demand], inventory: Inventory) -> None:
    """New loads on a replica never ask for more memory, or more of a named resource, than was free on it."""
    assert overfull(place(wanted, inventory), wanted, inventory) == []


@_MANY
@given(demands(), inventories())
def test_never_where_it_cannot_run(wanted: list[Demand], inventory: Inventory) -> None:
    """Every replica taken has the capabilities, is there to stay, and has not failed this version."""
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in place(wanted, inventory).assignments:
        demand = by_model[done.namespace, done.model]
        needed = {name.strip() for name in demand.requirements} | (
            {"alibi-explain"} if demand.explainer else set()
        )
        for replica in _replicas_of(inventory, done):
            assert needed <= set(replica.capabilities)
            assert replica.state in ("Ready", "Pending") or (
                replica.state == "Restarting" and _holds(replica, done)
            )
            failed = [e for e in replica.loaded if e.state == "LoadFailed" and e.model == done.model]
            assert demand.version not in {entry.version for entry in failed}


@_MANY
@given(demands(), inventories())
def test_counts_match_outcomes(wanted: list[Demand], inventory: Inventory) -> None:
    """Scheduled means all replicas, partial at least the minimum and fewer than all, else none; distinct."""
    by_model = {(d.namespace, d.model): d for d in wanted}
    done = place(wanted, inventory).assignments
    assert sorted((a.namespace, a.model) for a in done) == sorted(by_model)
    for one in done:
        demand, count = by_model[one.namespace, one.model], len(set(one.indices))
        assert one.indices == tuple(sorted(set(one.indices)))
        assert {
            "Scheduled": count == demand.replicas > 0,
            "PartiallyScheduled": 0 < demand.min_replicas <= count < demand.replicas,
            "ScheduleFailed": count == 0 and one.server is None,
            "ScaledDown": demand.replicas == count == 0 and one.server is None,
        }[one.outcome]


@_MANY
@given(demands(), inventories(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    wanted: list[Demand], inventory: Inventory, rng: random.Random
) -> None:
    """Shuffled demands, servers, replicas and entries give the same placement to the byte."""

    def mixed(items: tuple) -> tuple:
        return tuple(rng.sample(items, len(items)))

    shuffled = Inventory(
        tuple(
            replace(s, replicas=tuple(replace(r, loaded=mixed(r.loaded)) for r in mixed(s.replicas)))
            for s in mixed(inventory.servers)
        )
    )
    assert place(rng.sample(wanted, len(wanted)), shuffled) == place(wanted, inventory)


@_MANY
@given(demands(), inventories())
def test_placing_again_changes_nothing(wanted: list[Demand], inventory: Inventory) -> None:
    """On the inventory with all loads done the same demands go to the same places, for the same reasons."""
    first = place(wanted, inventory)
    second = place(wanted, executed(first, wanted, inventory, unload=False))
    assert _decided(second) == _decided(first)
    assert {a.model: a.message for a in second.assignments if a.outcome == "ScheduleFailed"} == {
        a.model: a.message for a in first.assignments if a.outcome == "ScheduleFailed"
    }


@_MANY
@given(demands(), inventories())
def test_unloading_moves_nothing_and_comes_to_rest(wanted: list[Demand], inventory: Inventory) -> None:
    """What is fully scheduled stays when moves free memory, and repeated placing ends."""
    placement = place(wanted, inventory)
    for _ in range(1 + sum(demand.replicas for demand in wanted)):
        inventory = executed(placement, wanted, inventory)
        following = place(wanted, inventory)
        after, before = _decided(following), _decided(placement)
        assert all(after[model] == spot for model, spot in before.items() if spot[2] == "Scheduled")
        if after == before:
            return
        placement = following
    raise AssertionError("placing did not come to rest")


@_MANY
@given(demands(), inventories())
def test_a_served_model_never_moves_without_cause(wanted: list[Demand], inventory: Inventory) -> None:
    """Where a version has all its replicas on one server, and each would be accepted alone, it stays."""
    done = {(a.namespace, a.model): a for a in place(wanted, inventory).assignments}
    for demand in wanted:
        held = [
            (server, replica)
            for server in inventory.in_namespace(demand.namespace)
            for replica in server.replicas
            if _holds(replica, done[demand.namespace, demand.model])
        ]
        if len(held) != demand.replicas or len({server.name for server, _ in held}) != 1:
            continue
        server = held[0][0]
        answers = {answer.index: answer for answer in server_verdicts(demand, server)}
        if answers[None].accepted and all(answers[replica.index].accepted for _, replica in held):
            stays = done[demand.namespace, demand.model]
            assert (stays.server, list(stays.indices)) == (server.name, sorted(r.index for _, r in held))


@_MANY
@given(
    demands(), inventories(), inventories(), st.sampled_from(("a", "z")), st.sampled_from((REFERENCE, _PACK))
)
def test_a_server_more_takes_nobody_s_place(
    wanted: list[Demand], inventory: Inventory, other: Inventory, name: str, policy: Policy
) -> None:
    """From a live placement: what has all its replicas keeps them, what has some keeps them or gets all,
    and what has none may only gain."""
    live = inventory
    for _ in range(3):
        before = place(wanted, live, policy)
        live = executed(before, wanted, live)
    assume(_decided(place(wanted, live, policy)) == _decided(before))
    servers = [
        replace(server, name=name, replicas=tuple(replace(one, loaded=()) for one in server.replicas))
        for server in other.servers[:1]
    ]
    after = _decided(place(wanted, Inventory((*live.servers, *servers)), policy))
    for model, (server, indices, outcome) in _decided(before).items():
        if outcome == "PartiallyScheduled" and after[model][2] == "Scheduled":
            continue
        if outcome != "ScheduleFailed":
            assert after[model] == (server, indices, outcome)


@_MANY
@given(demands(), inventories())
def test_shortcuts_decide_as_the_plain_order_of_work(wanted: list[Demand], inventory: Inventory) -> None:
    """Asking every question anew before each decision gives the same placement as the ledger."""
    now, plain = inventory, {}
    for done in place(wanted, inventory).assignments:
        demand = next(d for d in wanted if (d.namespace, d.model) == (done.namespace, done.model))
        plain[done.namespace, done.model] = _plainly(demand, inventory, now)
        now = executed(Placement((done,)), wanted, now, unload=False)
    assert _decided(place(wanted, inventory)) == plain


def _plainly(demand: Demand, start: Inventory, now: Inventory) -> tuple[str | None, tuple[int, ...], str]:
    usable = []
    for server, old in zip(now.servers, start.servers, strict=True):
        first, *answers = server_verdicts(demand, server)
        if server.namespace != demand.namespace or first.reason not in ("Accepted", "NotEnoughReplicas"):
            continue
        states = {r.index: (_entries(r, demand, same=True), r.free) for r in server.replicas}
        kin = sum(_entries(r, demand, same=False) for r in old.replicas)
        suitable = [a.index for a in answers if a.accepted and a.index is not None]
        suitable.sort(key=lambda index, states=states: (not states[index][0], -states[index][1], index))
        held = sum(bool(count) for count, _ in states.values())
        usable.append(((-held, -kin, server.name), server.name, suitable, first.accepted))
    if demand.replicas == 0:
        return None, (), "ScaledDown" if any(accepted for *_, accepted in usable) else "ScheduleFailed"
    for least in filter(None, (demand.replicas, demand.min_replicas)):
        for _, name, suitable, _ in sorted(usable):
            if len(suitable) >= least:
                chosen = tuple(sorted(suitable[: demand.replicas]))
                return name, chosen, "Scheduled" if len(chosen) == demand.replicas else "PartiallyScheduled"
    return None, (), "ScheduleFailed"


def _entries(replica: ServerReplica, demand: Demand, same: bool) -> int:
    return sum(
        entry.model == demand.model
        and entry.state in ("Loading", "Loaded")
        and (entry.version == demand.version) is same
        for entry in replica.loaded
    )


@_MANY
@given(demands(), inventories())
def test_an_accepting_verdict_and_a_placement_agree(wanted: list[Demand], inventory: Inventory) -> None:
    """Alone, a demand is placed exactly where some server's verdict accepts it."""
    for demand in wanted:
        accepted = [v for v in verdicts(demand, inventory) if v.index is None and v.accepted]
        (done,) = place([demand], inventory).assignments
        assert bool(accepted) is (done.outcome != "ScheduleFailed")


@_MANY
@given(demands(), inventories())
def test_a_failure_says_what_explain_would_say(wanted: list[Demand], inventory: Inventory) -> None:
    """The sentence made by counting classes is the one made by asking everybody after the plan."""
    placement = place(wanted, inventory)
    after = executed(placement, wanted, inventory, unload=False)
    by_model = {(d.namespace, d.model): d for d in wanted}
    for done in placement.assignments:
        if done.outcome == "ScheduleFailed":
            demand = by_model[done.namespace, done.model]
            assert done.message == summarise(demand, verdicts(demand, after))

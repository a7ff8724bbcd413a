"""Which moves are proposed, and what every proposal holds."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.demand import Demand
from placement.engine import place
from placement.filters import reject_replica, reject_server, required_memory
from placement.inventory import Inventory, LoadedModel, ReplicaId, ServerReplica
from placement.policy import PACK, REFERENCE, Policy
from placement.rebalancing.rebalance import Group, Rebalance, rebalance
from placement.rebalancing.workplace import Move
from tests.placement.builders import demand, entry, executed, free_server, inventory, replica, server
from tests.placement.strategies import demands, inventories

_MANY = settings(max_examples=100, deadline=None)


def at(name: str, index: int) -> ReplicaId:
    return ReplicaId("default", name, index)


def moved(found: Rebalance) -> list[tuple[str, list[str], list[str]]]:
    """Every move as model, where it was and where it goes."""
    return [
        (
            move.model,
            [f"{r.server}/{r.index}" for r in move.before],
            [f"{r.server}/{r.index}" for r in move.after],
        )
        for group in found.groups
        for move in group.moves
    ]


def gains(found: Rebalance) -> list[tuple[list[ReplicaId], list[str]]]:
    """What each group frees and whom it places."""
    return [(list(group.frees), [placed.model for placed in group.places]) for group in found.groups]


# What is a gain


def test_of_two_half_empty_servers_the_last_is_emptied() -> None:
    """Everything fits on one: what is on the last goes to the first."""
    world = inventory(
        server("a", replica(0, 500, entry("x", memory=100))),
        server("b", replica(0, 500, entry("y", memory=100))),
    )
    found = rebalance([demand("x"), demand("y")], world)
    assert moved(found) == [("y", ["b/0"], ["a/0"])]
    assert gains(found) == [([at("b", 0)], [])]


def test_the_highest_index_is_emptied_first() -> None:
    """Scale-down takes the highest index, so emptying it is worth more even where it costs more."""
    world = inventory(
        server(
            "s",
            replica(0, 500, entry("x", memory=100)),
            replica(1, 500, entry("y", memory=100), entry("z", memory=100)),
        )
    )
    found = rebalance([demand("x"), demand("y"), demand("z")], world)
    assert gains(found) == [([at("s", 1)], [])]


def test_another_index_is_emptied_where_the_highest_cannot_be() -> None:
    """A whole replica is free, if not the best one."""
    world = inventory(
        server("s", replica(0, 500, entry("x", memory=100)), replica(1, 100, entry("big", memory=900)))
    )
    assert gains(rebalance([demand("x"), demand("big", 900)], world)) == [([at("s", 0)], [])]


def test_half_emptying_is_no_gain() -> None:
    """Where one model of a replica has nowhere to go, the others stay too."""
    world = inventory(
        server("a", replica(0, 100, entry("x", memory=500))),
        server("b", replica(0, 0, entry("y", memory=100), entry("z", memory=300))),
    )
    assert rebalance([demand("x", 500), demand("y", 100), demand("z", 300)], world) == Rebalance()


def test_nothing_is_moved_to_an_empty_replica_to_free_another() -> None:
    """That would only change which one is empty."""
    world = inventory(server("a", replica(0, 0, entry("x", memory=100))), free_server("b", 500))
    assert rebalance([demand("x")], world) == Rebalance()


def test_room_is_made_for_what_waits() -> None:
    """Within one server too, and by as few moves as do."""
    world = inventory(
        server(
            "s",
            replica(0, 300, entry("x", memory=100)),
            replica(1, 300, entry("a", memory=200), entry("b", memory=500)),
        )
    )
    found = rebalance([demand("x"), demand("a", 200), demand("b", 500), demand("m", 500)], world)
    assert moved(found) == [("a", ["s/1"], ["s/0"])]
    assert gains(found) == [([], ["m"])]


def test_room_is_made_on_several_replicas_at_once() -> None:
    """A model that waits for two replicas gets them, though another one has to leave both."""
    world = inventory(
        server("a", replica(0, 0, entry("x", memory=300)), replica(1, 0, entry("x", memory=300))),
        server(
            "b",
            replica(0, 300, capabilities=("other", "sklearn")),
            replica(1, 300, capabilities=("other", "sklearn")),
        ),
    )
    waiting = replace(demand("m", 300, replicas=2), server="a")
    found = rebalance([demand("x", 300, replicas=2), waiting], world)
    assert moved(found) == [("x", ["a/0", "a/1"], ["b/0", "b/1"])]
    assert gains(found) == [([], ["m"])]


def test_what_waits_comes_before_what_could_be_freed() -> None:
    """And of two that wait the one of higher priority."""
    world = inventory(
        server("s", replica(0, 100, entry("x", memory=500)), replica(1, 400, entry("y", memory=100))),
    )
    first = replace(demand("first", 500), priority=1)
    found = rebalance([demand("x", 500), demand("y"), demand("second", 450), first], world)
    assert gains(found) == [([], ["first"])]


def test_a_later_group_uses_what_an_earlier_one_left() -> None:
    """Room that the first group gives up is room for the second."""
    world = inventory(
        server("a", replica(0, 200, entry("x", memory=800))),
        server("b", replica(0, 0, entry("y", memory=200), entry("stays", memory=100))),
        server("c", replica(0, 900, entry("z", memory=150))),
    )
    pinned = replace(demand("stays", 100), server="b")
    waiting = replace(demand("m", 200), server="b")
    found = rebalance([demand("x", 800), demand("y", 200), demand("z", 150), pinned, waiting], world)
    assert next(places for _, places in gains(found)) == ["m"]


# What is left alone


@pytest.mark.parametrize(
    ("what", "odd"),
    [
        ("pinned", replace(demand("y"), server="b")),
        ("of another capability", demand("y", requirements=("gpu",))),
        ("of another version", demand("y", version="v2", memory=5000)),
        ("short of replicas", demand("y", replicas=2, minimum=1, memory=100)),
        ("not wanted", demand("unknown", replicas=0)),
    ],
)
def test_a_model_that_cannot_leave_stays(what: str, odd: Demand) -> None:
    """Then its replica cannot be freed, and nothing else of it moves."""
    gpu = ("gpu", "sklearn")
    world = inventory(
        server("a", replica(0, 150, entry("x", memory=100))),
        server("b", replica(0, 50, entry("y", memory=100), entry("w", memory=50), capabilities=gpu)),
    )
    wanted = [replace(demand("x"), server="a"), demand("w", 50), odd]
    assert moved(rebalance(wanted, world)) == []


@pytest.mark.parametrize("state", ["Draining", "Restarting", "Pending", "Lost"])
def test_only_ready_replicas_are_left(state: str) -> None:
    """What else happens to a replica is not this command's business, and nothing goes to one that is
    leaving."""
    world = inventory(
        server("a", replica(0, 500, entry("x", memory=100))),
        server("b", replica(0, 500, entry("y", memory=100), state=state)),  # type: ignore[arg-type]
    )
    found = rebalance([demand("x"), demand("y")], world)
    assert not any(move.model == "y" for group in found.groups for move in group.moves)


def test_a_server_that_is_not_shared_takes_nothing() -> None:
    """It takes only models that name it."""
    world = inventory(
        replace(server("a", replica(0, 500, entry("x", memory=100))), shared=False),
        server("b", replica(0, 500, entry("y", memory=100))),
    )
    assert rebalance([replace(demand("x"), server="a"), demand("y")], world) == Rebalance()


@pytest.mark.parametrize(("gpus", "goes"), [(2, True), (1, False)])
def test_named_resources_have_to_be_there_too(gpus: int, goes: bool) -> None:
    """Memory alone does not make room."""
    world = inventory(
        server("a", replica(0, 500, entry("x", memory=100, gpu=1), gpu=gpus)),
        server("b", replica(0, 500, entry("y", memory=100, gpu=1), gpu=1)),
    )
    wanted = [replace(demand("x", gpu=1), server="a"), demand("y", gpu=1)]
    assert bool(rebalance(wanted, world).groups) == goes


@pytest.mark.parametrize(("instances", "goes"), [(2, True), (3, False)])
def test_a_model_takes_its_memory_per_instance_where_it_goes(instances: int, goes: bool) -> None:
    """Parallel workers each hold one, and the cost says so."""
    world = inventory(
        server("a", replica(0, 250, entry("x", memory=100), instances=instances)),
        server("b", replica(0, 0, entry("y", memory=100))),
    )
    found = rebalance([replace(demand("x"), server="a"), demand("y")], world)
    assert [group.cost for group in found.groups] == ([(1, 200)] if goes else [])


def test_no_more_moves_than_allowed() -> None:
    """A gain that costs more is left out, a cheaper one is taken."""
    world = inventory(
        server("a", replica(0, 900, entry("x", memory=100))),
        server("b", replica(0, 100, entry("p", memory=50), entry("q", memory=50))),
        server("c", replica(0, 100, entry("r", memory=100))),
    )
    wanted = [replace(demand("x"), server="a"), demand("p", 50), demand("q", 50), demand("r")]
    assert moved(rebalance(wanted, world, max_moves=1)) == [("r", ["c/0"], ["b/0"])]
    assert rebalance(wanted, world, max_moves=0) == Rebalance()
    assert rebalance(wanted, world, steps=0) == Rebalance()


# What holds of every proposal


World = tuple[list[Demand], Inventory]


@st.composite
def holed(draw: st.DrawFn) -> World:
    """A world at rest out of which some models were taken, and some models that wait."""
    servers = [
        server(
            f"s{number}",
            *(
                replica(index, draw(st.integers(6, 14)) * 10, capabilities=("sklearn", *tags))
                for index in range(draw(st.integers(1, 4)))
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
            draw(st.integers(1, 6)) * 10,
            draw(st.sampled_from((1, 1, 1, 2, 3))),
            draw(st.integers(0, 2)),
            draw(st.sampled_from((None, None, None, "s0"))),
            priority=draw(st.sampled_from((0, 0, 5))),
        )
        for number in range(draw(st.integers(4, 16)))
    ]
    early = draw(st.integers(len(wanted) // 2, len(wanted)))
    world = Inventory(tuple(servers))
    world = executed(place(wanted[:early], world), wanted, world)
    gone = {d.model for d in wanted[:early] if draw(st.integers(0, 2)) == 0}
    left = tuple(
        replace(
            s,
            replicas=tuple(
                replace(r, loaded=tuple(e for e in r.loaded if e.model not in gone)) for r in s.replicas
            ),
        )
        for s in world.servers
    )
    wanted = [d for d in wanted if d.model not in gone]
    world = Inventory(left)
    return wanted, executed(place(wanted, world), wanted, world)


def find(world: Inventory, at: ReplicaId) -> ServerReplica:
    (owner,) = [s for s in world.servers if (s.namespace, s.name) == (at.namespace, at.server)]
    (found,) = [r for r in owner.replicas if r.index == at.index]
    return found


def changed(world: Inventory, at: ReplicaId, loaded: tuple[LoadedModel, ...]) -> Inventory:
    """The world with other entries on one replica."""
    return Inventory(
        tuple(
            replace(
                s,
                replicas=tuple(
                    replace(r, loaded=loaded) if s.replica_id(r.index) == at else r for r in s.replicas
                ),
            )
            for s in world.servers
        )
    )


def loaded_by(world: Inventory, move: Move, wanted: Demand) -> Inventory:
    """The world once the move's loads are done; each has to be accepted where it goes."""
    for goal in move.loads:
        there = find(world, goal)
        owner = next(s for s in world.servers if (s.namespace, s.name) == (goal.namespace, goal.server))
        assert reject_server(wanted, owner) is None
        assert reject_replica(wanted, there) is None
        assert not any(e.model == move.model for e in there.loaded if e.state != "LoadFailed")
        memory = required_memory(wanted, there)
        added = LoadedModel(move.model, move.version, memory, "Loaded", resources=wanted.resources)
        world = changed(world, goal, (*there.loaded, added))
    return world


def unloaded_by(world: Inventory, move: Move) -> Inventory:
    for source in move.unloads:
        there = find(world, source)
        left = tuple(e for e in there.loaded if (e.model, e.version) != (move.model, move.version))
        assert len(left) == len(there.loaded) - 1, "what is moved was there, once"
        world = changed(world, source, left)
    return world


def done(world: Inventory, group: Group, wanted: list[Demand], policy: Policy = REFERENCE) -> Inventory:
    """The world after a group, asserting that every step of it is allowed and every gain is true."""
    by_name = {(d.namespace, d.model): d for d in wanted}
    for move in group.moves:
        world = loaded_by(world, move, by_name[move.namespace, move.model])
    for move in group.moves:
        assert len(move.before) == len(move.after)
        assert move.memory == sum(
            required_memory(by_name[move.namespace, move.model], find(world, r)) for r in move.loads
        )
        world = unloaded_by(world, move)
    placement = place(wanted, world, policy)
    answers = {(a.namespace, a.model): a for a in placement.assignments}
    for placed in group.places:
        now = answers[placed.namespace, placed.model]
        assert (now.server, now.indices) == (placed.server, placed.indices)
    world = executed(placement, wanted, world)
    for freed in group.frees:
        assert not [e for e in find(world, freed).loaded if e.state != "LoadFailed"]
    assert group.frees or group.places
    return world


def counts(world: Inventory) -> dict[tuple[str, str, str], int]:
    """Replicas of every version that serve."""
    found: dict[tuple[str, str, str], int] = {}
    for s in world.servers:
        for r in s.replicas:
            for e in r.loaded:
                if e.state == "Loaded":
                    found[s.namespace, e.model, e.version] = (
                        found.get((s.namespace, e.model, e.version), 0) + 1
                    )
    return found


@_MANY
@given(holed(), st.sampled_from((REFERENCE, Policy("pack", 500))), st.integers(1, 6))
def test_every_step_is_allowed_and_every_gain_is_true(world: World, policy: Policy, most: int) -> None:
    """Done in order, no group overfills or interrupts anything, and each keeps what it promises; all that
    was served is served by as many replicas, where the engine then leaves it."""
    wanted, before = world
    found = rebalance(wanted, before, policy, max_moves=most)
    assert found.moves <= most
    after = before
    for group in found.groups:
        assert group.moves
        after = done(after, group, wanted, policy)
    freed = [at for group in found.groups for at in group.frees]
    assert not [e for at in freed for e in find(after, at).loaded if e.state != "LoadFailed"]
    assert all(counts(after).get(name, 0) >= count for name, count in counts(before).items())
    assert executed(place(wanted, after, policy), wanted, after) == after


@_MANY
@given(holed())
def test_rebalancing_comes_to_rest(world: World) -> None:
    """Done again and again it ends, and then nothing of it is left to gain."""
    wanted, state = world
    for _ in range(2 + len(wanted) + sum(d.replicas for d in wanted)):
        found = rebalance(wanted, state)
        if not found.groups:
            return
        for group in found.groups:
            state = done(state, group, wanted)
    raise AssertionError("rebalancing did not come to rest")


@_MANY
@given(st.one_of(st.tuples(demands(), inventories()), holed()), st.randoms(use_true_random=False))
def test_any_world_is_answered_alike_in_any_order(given_: World, rng: random.Random) -> None:
    """Draining, lost and crowded replicas, pins and versions: shuffled input gives the same answer, and
    what moves stood loaded on a Ready replica."""

    wanted, world = given_

    def mixed(items: tuple) -> tuple:
        return tuple(rng.sample(items, len(items)))

    shuffled = Inventory(
        tuple(
            replace(s, replicas=tuple(replace(r, loaded=mixed(r.loaded)) for r in mixed(s.replicas)))
            for s in mixed(world.servers)
        )
    )
    found = rebalance(wanted, world)
    assert rebalance(rng.sample(wanted, len(wanted)), shuffled) == found
    for group in found.groups:
        for move in group.moves:
            for source in move.before:
                there = find(world, source)
                assert there.state == "Ready"
                assert [e.state for e in there.loaded if e.model == move.model] == ["Loaded"]


def test_policy_pack_places_what_waits_its_own_way() -> None:
    """The gain is what the chosen policy makes of the room."""
    world = inventory(
        server(
            "s",
            replica(0, 300, entry("x", memory=100)),
            replica(1, 300, entry("a", memory=200), entry("b", memory=500)),
        )
    )
    found = rebalance([demand("x"), demand("a", 200), demand("b", 500), demand("m", 500)], world, PACK)
    assert gains(found) == [([], ["m"])]

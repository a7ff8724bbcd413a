"""What the packing policy does that first fit does not, on worlds small enough to check by hand."""

from dataclasses import replace

import pytest

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, Server
from placement.placement import Assignment
from placement.policy import PACK, REFERENCE, Policy, PolicyName
from tests.placement.builders import demand, entry, executed, free_server, inventory, replica, server, spot


def pack(wanted: list[Demand], *servers: Server, moves: int = 0) -> dict[str, Assignment]:
    policy = replace(PACK, max_moves=moves)
    return {done.model: done for done in place(wanted, inventory(*servers), policy).assignments}


def where(done: dict[str, Assignment]) -> dict[str, str | None]:
    return {model: one.server for model, one in done.items()}


def sizes(*amounts: int) -> list[Demand]:
    return [demand(f"m{number}", memory=amount) for number, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("amounts", "rooms", "placed"),
    [
        ((30, 70, 60, 40), (100, 100), 4),
        ((50, 30, 30, 40), (60, 100), 4),
        ((90, 50, 50), (100,), 2),
        ((44, 24, 24, 22, 21, 17, 8, 8, 6, 6), (60, 60, 60), 10),
        ((6, 5, 4, 4, 4, 3, 2, 2), (10, 10, 10), 8),
    ],
    ids=[
        "best fit pairs what first fit spreads",
        "the tight bin is kept for the pair that fills it",
        "one large model gives way to two small ones",
        "largest first leaves gaps, an exchange closes them",
        "a chain of exchanges",
    ],
)
def test_places_what_first_fit_does_not(
    amounts: tuple[int, ...], rooms: tuple[int, ...], placed: int
) -> None:
    """All that can be placed is placed."""
    servers = [free_server(f"s{number}", room) for number, room in enumerate(rooms)]
    done = pack(sizes(*amounts), *servers)
    assert sum(one.server is not None for one in done.values()) == placed


def test_scarce_capabilities_are_left_to_those_who_need_them() -> None:
    """The plain model goes to the plain server although the other one is first by name."""
    rare = server("a", replica(0, 100, capabilities=("sklearn", "gpu")))
    done = pack([demand("ant"), demand("bee", requirements=("gpu",))], rare, free_server("b", 100))
    assert where(done) == {"ant": "b", "bee": "a"}


def test_replicas_are_shed_so_that_all_models_run() -> None:
    """Two models that want both replicas and are content with one get one each."""
    wanted = [demand("ant", replicas=2, minimum=1), demand("bee", replicas=2, minimum=1)]
    done = pack(wanted, free_server("s", 100, 100))
    assert [one.outcome for one in done.values()] == ["PartiallyScheduled"] * 2


def test_room_that_is_left_goes_to_replicas() -> None:
    """What no other model needs is used for the desired replicas."""
    done = pack([demand("ant", replicas=3, minimum=1)], free_server("s", 100, 100, 100))
    assert done["ant"].indices == (0, 1, 2)


def test_a_wish_beyond_all_servers_costs_nothing() -> None:
    """A billion replicas are no reason to count to a billion; memory 0 fits anywhere, once per replica."""
    done = pack([demand("ant", memory=0, replicas=10**9, minimum=1)], free_server("s", 100, 100))
    assert (done["ant"].outcome, done["ant"].indices) == ("PartiallyScheduled", (0, 1))


def test_few_server_replicas_are_used() -> None:
    """Where all fit anyway, they share server replicas."""
    done = pack(sizes(30, 30, 30), free_server("s", 100, 100, 100))
    assert len({one.indices for one in done.values()}) == 1


def test_used_server_replicas_are_filled_before_empty_ones() -> None:
    """A new model joins a served one although the empty replica is more free."""
    busy = server("s", replica(0, 100), replica(1, 50, entry("old", memory=50)))
    assert spot(pack([demand("new", memory=50)], busy)["new"]) == ("s", (1,))


def test_a_higher_priority_goes_first() -> None:
    """Of two models that both want the last room, the more important one gets it, and keeps the words."""
    done = pack([demand("ant"), replace(demand("bee"), priority=1)], free_server("s", 100))
    assert where(done) == {"bee": "s", "ant": None}
    assert "InsufficientMemory" in done["ant"].message


def test_one_important_model_outweighs_several_others() -> None:
    """The number of models counts within a priority, not across."""
    large = replace(demand("large", memory=100), priority=1)
    done = pack([*sizes(50, 50), large], free_server("s", 100))
    assert where(done) == {"large": "s", "m0": None, "m1": None}


@pytest.mark.parametrize("policy", [REFERENCE, PACK, replace(PACK, max_moves=5)])
def test_priority_never_takes_the_place_of_a_served_model(policy: Policy) -> None:
    """A served model of no importance stays, an important one waits."""
    full = server("s", replica(0, 0, entry("old", memory=100)))
    wanted = [demand("old"), replace(demand("new"), priority=9)]
    done = {one.model: one.server for one in place(wanted, inventory(full), policy).assignments}
    assert done == {"old": "s", "new": None}


def test_the_reference_heeds_priority_too() -> None:
    """Among those that wait the higher priority is decided first, by either policy."""
    wanted = [demand("ant"), replace(demand("bee"), priority=1)]
    done = place(wanted, inventory(free_server("s", 100))).assignments
    assert [(one.model, one.server) for one in done] == [("bee", "s"), ("ant", None)]


def test_a_pinned_model_keeps_its_server_for_itself() -> None:
    """A model that may go anywhere leaves the room to the one that names the server."""
    done = pack([demand("ant"), demand("bee", pin="a")], free_server("a", 100), free_server("b", 100))
    assert where(done) == {"ant": "b", "bee": "a"}


def test_a_replica_that_failed_the_load_is_left_out() -> None:
    """Packing does not try a version again where it used up its retries."""
    failed = server("s", replica(0, 100, entry("iris", memory=100, state="LoadFailed")), replica(1, 200))
    assert spot(pack([demand("iris")], failed)["iris"]) == ("s", (1,))


def _crowded() -> list[Server]:
    """Room for 80 on ``a`` only where ``old`` leaves it; ``b`` could take ``old``."""
    return [server("a", replica(0, 40, entry("old", memory=60))), free_server("b", 70)]


def test_without_moves_what_is_served_is_in_the_way() -> None:
    """Packing steers new placements only."""
    done = pack([demand("old", memory=60), demand("new", memory=80)], *_crowded())
    assert where(done) == {"old": "a", "new": None}


def test_a_served_model_moves_so_that_another_is_placed_in_the_next_run() -> None:
    """First the served model gets its new place; once the old one is unloaded the other takes it."""
    wanted, before = [demand("old", memory=60), demand("new", memory=80)], inventory(*_crowded())
    policy = replace(PACK, max_moves=1)
    first = place(wanted, before, policy)
    assert {one.model: one.server for one in first.assignments} == {"old": "b", "new": None}
    second = place(wanted, executed(first, wanted, before), PACK)
    assert {one.model: one.server for one in second.assignments} == {"old": "b", "new": "a"}


def test_nothing_moves_where_it_would_not_help() -> None:
    """A move that places nobody is not made, whatever is allowed."""
    done = pack([demand("old", memory=60), demand("new", memory=120)], *_crowded(), moves=9)
    assert where(done) == {"old": "a", "new": None}


def test_a_model_with_more_replicas_than_may_move_stays() -> None:
    """Moves are counted in replicas."""
    held = entry("old", memory=60)
    crowded = [server("a", replica(0, 40, held), replica(1, 0, held)), free_server("b", 70, 70)]
    wanted = [demand("old", memory=60, replicas=2), demand("new", memory=80)]
    assert pack(wanted, *crowded, moves=1)["old"].server == "a"
    assert pack(wanted, *crowded, moves=2)["old"].server == "b"


def test_namespaces_are_packed_apart() -> None:
    """Room in one namespace is no room in another."""
    other = replace(free_server("s", 100), namespace="other")
    wanted = [demand("ant"), demand("bee", namespace="other"), demand("cat", namespace="nowhere")]
    done = pack(wanted, other)
    assert where(done) == {"ant": None, "bee": "s", "cat": None}
    assert done["cat"].message == "namespace nowhere has no server"


@pytest.mark.parametrize(("name", "steps", "moves"), [("dense", 0, 0), ("pack", -1, 0), ("pack", 0, -1)])
def test_an_impossible_policy_is_refused(name: PolicyName, steps: int, moves: int) -> None:
    """A policy says what is wrong with it."""
    with pytest.raises(ValueError, match="policy"):
        Policy(name, steps, moves)


def test_no_demand_and_no_server_is_no_problem() -> None:
    """Nothing asked, nothing answered."""
    assert place([], Inventory(), PACK).assignments == ()


def test_a_scarce_resource_is_packed_without_excess() -> None:
    """Two GPUs take two models though memory would take all; who needs none fills what memory is left."""
    gpus, plain = server("a", replica(0, 110, gpu=2)), free_server("b", 30)
    wanted = [*(demand(f"g{number}", memory=10, gpu=1) for number in range(4)), *sizes(40, 40, 30)]
    done = pack(wanted, gpus, plain)
    assert sum(done[f"g{number}"].server == "a" for number in range(4)) == 2
    assert where({name: done[name] for name in ("m0", "m1", "m2")}) == {"m0": "a", "m1": "a", "m2": "b"}
    assert "1 InsufficientResources" in next(one.message for one in done.values() if one.server is None)


def test_exact_filling_heeds_resources() -> None:
    """The pair that fills the memory needs more of the resource than there is."""
    wanted = [demand("ant", memory=60, cpu=2), demand("bee", memory=40, cpu=2), demand("cat", memory=30)]
    done = pack(wanted, server("s", replica(0, 100, cpu=3)))
    assert sum(one.server is not None for one in done.values()) == 2
    assert done["cat"].server == "s"


def test_bins_are_filled_by_instances() -> None:
    """A replica of 100 bytes with two instances of everything takes 20 + 30, not 60 + 40."""
    done = pack(sizes(60, 40, 20, 30), server("s", replica(0, 100, instances=2)))
    assert where(done) == {"m0": None, "m1": None, "m2": "s", "m3": "s"}


def test_a_served_model_moves_to_set_a_resource_free() -> None:
    """Memory is plenty, the only GPU is held by a model that another server could take."""
    crowded = [
        server("a", replica(0, 500, entry("old", gpu=1), gpu=1, cpu=1)),
        server("b", replica(0, 10, gpu=1)),
    ]
    wanted = [demand("old", memory=0, gpu=1), demand("new", memory=80, gpu=1)]
    policy = replace(PACK, max_moves=1)
    first = place(wanted, inventory(*crowded), policy)
    assert {one.model: one.server for one in first.assignments} == {"old": "b", "new": None}
    second = place(wanted, executed(first, wanted, inventory(*crowded)), PACK)
    assert {one.model: one.server for one in second.assignments} == {"old": "b", "new": "a"}

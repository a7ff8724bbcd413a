"""What happens to a placement as servers and models change: the reference's rules, one world after another."""

import pytest

from placement.engine import place
from placement.inventory import LoadState, ServerReplica
from tests.placement.builders import (
    demand,
    entry,
    executed,
    free_server,
    inventory,
    place_one,
    replica,
    server,
    spot,
)

HELD = entry("iris", memory=100)


# Memory: capacity, overcommit, what is used and what is reserved.


@pytest.mark.parametrize(
    ("capacity", "percent", "used", "reserved", "free"),
    [
        (1000, 0, 0, 0, 1000),
        (1000, 10, 0, 0, 1100),
        (1000, 10, 1000, 0, 100),
        (1000, 10, 1050, 50, 0),
        (1000, 0, 400, 250, 350),
        (1000, 0, 1200, 0, 0),
        (1000, 10, 1200, 0, 0),
        (1005, 10, 0, 0, 1105),
        (0, 10, 0, 0, 0),
    ],
    ids=[
        "all of an empty replica",
        "overcommit adds its share of the capacity",
        "and is there when the capacity itself is used",
        "reserved counts as used",
        "both are taken off",
        "never below zero",
        "nor with overcommit",
        "a fraction of a byte is nobody's",
        "a share of nothing is nothing",
    ],
)
def test_free_memory(capacity: int, percent: int, used: int, reserved: int, free: int) -> None:
    """Capacity × (1 + overcommit) − used − reserved, and not below 0: a model of just that size fits."""
    one = ServerReplica(0, "Ready", ("sklearn",), capacity, percent, reserved, (entry("other", memory=used),))
    assert one.free == free
    assert place_one(demand(memory=free), server("s1", one)).outcome == "Scheduled"
    assert place_one(demand(memory=free + 1), server("s1", one)).outcome == "ScheduleFailed"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("Loaded", "ScheduleFailed"),
        ("Loading", "ScheduleFailed"),
        ("Unloading", "ScheduleFailed"),
        ("LoadFailed", "Scheduled"),
    ],
)
def test_what_others_occupy_by_state(state: LoadState, outcome: str) -> None:
    """Room is taken from the start of a load to the end of an unload; a failed load takes none."""
    one = ServerReplica(0, "Ready", ("sklearn",), 150, 0, loaded=(entry("other", memory=100, state=state),))
    assert place_one(demand(), server("s1", one)).outcome == outcome


@pytest.mark.parametrize(("state", "kept"), [("Loaded", True), ("Loading", True), ("Unloading", False)])
def test_who_needs_no_free_memory(state: LoadState, kept: bool) -> None:
    """A version that is there, or about to be, stays on a full replica; one that is leaving is not there."""
    one = server("s1", replica(0, 0, entry("iris", memory=100, state=state)))
    assert (place_one(demand(), one).outcome == "Scheduled") is kept


# Server replicas come and go.


def test_a_lost_replica_is_replaced_on_the_same_server() -> None:
    """The other holder stays, a free replica takes over."""
    s1 = server("s1", replica(0, 0, HELD, state="Lost"), replica(1, 0, HELD), replica(2, 100))
    assert spot(place_one(demand(replicas=2), s1)) == ("s1", (1, 2))


def test_the_last_replica_of_a_server_lost_moves_its_models() -> None:
    """A server without a connected replica is no candidate."""
    s1 = server("s1", replica(0, 0, HELD, state="Lost"))
    assert spot(place_one(demand(), s1, free_server("s2", 200))) == ("s2", (0,))


def test_a_lost_replica_without_a_substitute_leaves_the_rest_serving() -> None:
    """Nothing is assigned anew, so nothing that is loaded is given up."""
    s1 = server("s1", replica(0, 0, HELD, state="Lost"), replica(1, 0, HELD))
    assert place_one(demand(replicas=2), s1).outcome == "ScheduleFailed"
    assert spot(place_one(demand(replicas=2, minimum=1), s1)) == ("s1", (1,))


def test_a_draining_replica_gives_its_model_to_another_server() -> None:
    """With one replica only, the model goes where there is one that stays."""
    s1 = server("s1", replica(0, 100, HELD, state="Draining"))
    assert spot(place_one(demand(), s1, free_server("s2", 200))) == ("s2", (0,))


def test_a_server_that_is_scaled_to_zero_keeps_nothing_though_it_runs() -> None:
    """Without another server the model fails, and serves on until its server is gone."""
    s1 = server("s1", replica(0, 100, HELD), expected=0)
    assert place_one(demand(), s1).outcome == "ScheduleFailed"
    assert place_one(demand(pin="s1"), s1).outcome == "ScheduleFailed"


def test_a_joining_replica_completes_a_partial_model() -> None:
    """The model keeps what it has and takes the new one too."""
    before = server("s1", replica(0, 0, HELD))
    after = server("s1", replica(0, 0, HELD), replica(1, 500))
    wanted = demand(replicas=2, minimum=1)
    assert place_one(wanted, before).outcome == "PartiallyScheduled"
    assert (place_one(wanted, after).outcome, *spot(place_one(wanted, after))) == ("Scheduled", "s1", (0, 1))


def test_a_joining_replica_takes_nothing_from_a_healthy_model() -> None:
    """However free it is: what is served is never balanced onto it."""
    s1 = server("s1", replica(0, 0, HELD), replica(1, 5000))
    assert spot(place_one(demand(), s1, free_server("a", 9000))) == ("s1", (0,))


def test_a_replica_that_joins_with_its_models_keeps_them() -> None:
    """A model that was placed elsewhere meanwhile stays on the server with more of it."""
    back = server("s2", replica(0, 0, HELD))
    meanwhile = server("s1", replica(0, 0, HELD), replica(1, 0, HELD))
    assert spot(place_one(demand(replicas=2), back, meanwhile)) == ("s1", (0, 1))


# Replicas of a model, up and down.


def test_more_replicas_are_added_to_those_that_serve() -> None:
    """1 → 3: the holder stays, then most free first."""
    s1 = server("s1", replica(0, 300), replica(1, 0, HELD), replica(2, 100), replica(3, 200))
    assert spot(place_one(demand(replicas=3), s1)) == ("s1", (0, 1, 3))


def test_more_replicas_than_the_server_has_move_the_model() -> None:
    """All replicas of a version are on one server: it goes where there is room for all of them."""
    s1 = server("s1", replica(0, 0, HELD))
    assert spot(place_one(demand(replicas=2), s1, free_server("s2", 200, 200))) == ("s2", (0, 1))


@pytest.mark.parametrize(
    ("free", "stays"), [((20, 10, 30), (0, 2)), ((10, 10, 10), (0, 1)), ((0, 0, 50), (0, 2))]
)
def test_fewer_replicas_leave_where_least_is_free(free: tuple[int, ...], stays: tuple[int, ...]) -> None:
    """3 → 2: who would be chosen last goes, the highest index among equals."""
    s1 = server("s1", *(replica(index, amount, HELD) for index, amount in enumerate(free)))
    assert spot(place_one(demand(replicas=2), s1)) == ("s1", stays)


def test_a_model_scaled_to_zero_gives_up_all_replicas() -> None:
    """It is no failure as long as a server could serve it, full or not."""
    done = place_one(demand(replicas=0), server("s1", replica(0, 0, HELD)))
    assert (done.outcome, done.server, done.indices) == ("ScaledDown", None, ())


# Versions.


def test_old_and_new_version_are_beside_each_other() -> None:
    """Both occupy their memory until the old one is unloaded."""
    world, wanted = inventory(server("s1", replica(0, 100, HELD))), [demand(version="v2")]
    (only,) = executed(place(wanted, world), wanted, world, unload=False).servers[0].replicas
    assert ([item.version for item in only.loaded], only.free) == (["v1", "v2"], 0)


def test_an_upgrade_uses_replicas_without_the_old_version_where_these_have_room() -> None:
    """Two replicas hold the old version and are full, two are free."""
    s1 = server("s1", replica(0, 0, HELD), replica(1, 0, HELD), replica(2, 100), replica(3, 100))
    assert spot(place_one(demand(replicas=2, version="v2"), s1)) == ("s1", (2, 3))


def test_a_partial_upgrade_takes_what_there_is_beside_the_old_version() -> None:
    """With minReplicas one replica of the new version is loaded beside two old ones."""
    s1 = server("s1", replica(0, 100, HELD), replica(1, 50, HELD))
    done = place_one(demand(replicas=2, minimum=1, version="v2"), s1)
    assert (done.outcome, *spot(done)) == ("PartiallyScheduled", "s1", (0,))


def test_a_version_that_comes_back_finds_its_replicas() -> None:
    """While the newer one is still loaded, the older one is served from where it is."""
    s1 = server("s1", replica(0, 0, HELD, entry("iris", "v2", 100)))
    assert spot(place_one(demand(version="v1"), s1, free_server("a", 900))) == ("s1", (0,))

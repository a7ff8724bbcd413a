"""Where Moorage decides otherwise than the reference, on purpose. Each is listed in docs/placement.md."""

import itertools

import pytest

from placement.engine import place
from placement.inventory import ReplicaState
from tests.placement.builders import demand, entry, free_server, inventory, place_one, replica, server, spot


def test_capabilities_are_checked_per_replica() -> None:
    """On a server of mixed replicas the model lands on one that has what it needs, always."""
    mixed = server("s1", replica(0, 900), replica(1, 200, capabilities=["sklearn", "gpu"]))
    assert spot(place_one(demand(requirements=["gpu"]), mixed)) == ("s1", (1,))
    assert place_one(demand(requirements=["gpu"], replicas=2), mixed).outcome == "ScheduleFailed"


def test_ties_between_servers_go_by_name() -> None:
    """Equal servers: the first by name, in whatever order the inventory lists them."""
    servers = [free_server(name, 200) for name in ("a", "b", "c")]
    spots = {spot(place_one(demand(), *order)) for order in itertools.permutations(servers)}
    assert spots == {("a", (0,))}


def test_an_upgrade_prefers_the_server_of_the_old_version() -> None:
    """A new version stays where the model is served, though another server comes first by name."""
    current = server("s2", replica(0, 100, entry("iris", "v1", 100)))
    assert spot(place_one(demand(version="v2"), free_server("s1", 500), current)) == ("s2", (0,))


def test_an_upgrade_prefers_the_server_with_most_of_the_old_version() -> None:
    """Of two servers with the old version, the one that has more of it."""
    old = entry("iris", "v1", 100)
    one, two = server("s1", replica(0, 100, old)), server("s2", replica(0, 100, old), replica(1, 100, old))
    assert spot(place_one(demand(version="v2"), one, two)) == ("s2", (0,))


def test_an_upgrade_goes_elsewhere_where_the_old_version_leaves_no_room() -> None:
    """The old version's memory is not credited, so a full server is left."""
    current = server("s2", replica(0, 50, entry("iris", "v1", 100)))
    assert spot(place_one(demand(version="v2"), free_server("s1", 500), current)) == ("s1", (0,))


def test_an_upgrade_without_room_beside_the_old_version_fails() -> None:
    """As in the reference the old version serves on."""
    current = server("s1", replica(0, 50, entry("iris", "v1", 100)))
    assert place_one(demand(version="v2"), current).outcome == "ScheduleFailed"


def test_a_version_that_failed_to_load_is_not_tried_there_again() -> None:
    """The next capable replica or server takes it; a pinned model waits."""
    failed = entry("iris", state="LoadFailed")
    s1 = server("s1", replica(0, 900, failed), replica(1, 100))
    assert spot(place_one(demand(), s1)) == ("s1", (1,))
    only = server("s1", replica(0, 900, failed))
    assert spot(place_one(demand(), only, free_server("s2", 200))) == ("s2", (0,))
    assert place_one(demand(pin="s1"), only, free_server("s2", 200)).outcome == "ScheduleFailed"


def test_a_failed_load_closes_a_server_to_its_own_model_only() -> None:
    """Another model of the same needs takes the room that the failed one may not use."""
    s1 = server("s1", replica(0, 100, entry("ant", state="LoadFailed")))
    done = place([demand("ant"), demand("bee")], inventory(s1)).assignments
    assert [(a.model, a.indices) for a in done] == [("ant", ()), ("bee", (0,))]


def test_another_version_is_tried_where_one_failed() -> None:
    """A failed load rejects its own version only."""
    s1 = server("s1", replica(0, 900, entry("iris", "v1", state="LoadFailed")))
    assert spot(place_one(demand(version="v2"), s1)) == ("s1", (0,))


@pytest.mark.parametrize(
    ("state", "stays", "takes"),
    [
        ("Ready", True, True),
        ("Pending", True, True),
        ("Restarting", True, False),
        ("Draining", False, False),
        ("Lost", False, False),
    ],
)
def test_what_a_replica_keeps_and_takes_by_its_state(state: ReplicaState, stays: bool, takes: bool) -> None:
    """A restarting replica keeps its models and takes none; draining and lost ones give them away."""
    held = server("s1", replica(0, 100, entry("iris", memory=100), state=state))
    assert (place_one(demand(), held).outcome == "Scheduled") is stays
    assert (place_one(demand(), server("s1", replica(0, 200, state=state))).outcome == "Scheduled") is takes


def test_served_models_are_decided_first() -> None:
    """The replica that a served model wants in addition is not taken by a new one that sorts before it."""
    s1 = server("s1", replica(0, 0, entry("zebra", memory=100)), replica(1, 100))
    done = place([demand("ant"), demand("zebra", replicas=2)], inventory(s1)).assignments
    assert [(a.model, a.indices) for a in done] == [("zebra", (0, 1)), ("ant", ())]


def test_more_reserved_than_free_counts_as_full() -> None:
    """The reference wraps around and prefers such a replica; here it comes last."""
    s1 = server("s1", replica(0, 10, reserved=500), replica(1, 5))
    assert spot(place_one(demand(memory=0), s1)) == ("s1", (1,))


def test_a_partial_placement_has_its_own_outcome() -> None:
    """Fewer replicas than wanted are named, with what is in the way."""
    done = place_one(demand(replicas=3, minimum=1), free_server("s1", 200, 50))
    assert done.outcome == "PartiallyScheduled"
    assert done.message.startswith("1 of 3 replicas placed, no server can take all; s1: 1 InsufficientMemory")


def test_a_named_resource_decides_where_memory_would_not() -> None:
    """The server with most memory has no GPU, the one with GPUs takes as many models as it has."""
    plain, gpus = server("a", replica(0, 9000)), server("b", replica(0, 500, gpu=2))
    wanted = [demand(name, gpu=1) for name in ("ant", "bee", "cat")]
    done = place(wanted, inventory(plain, gpus)).assignments
    assert [(one.model, one.server) for one in done] == [("ant", "b"), ("bee", "b"), ("cat", None)]
    assert "nearest b/0: needs gpu 1, free 0 of 2" in done[2].message


def test_a_version_keeps_its_place_where_a_resource_has_run_short() -> None:
    """As with memory: a server that now declares less takes nothing new and gives nothing up."""
    s1 = server("s1", replica(0, 500, entry("iris", memory=100, gpu=1)))
    assert spot(place_one(demand(gpu=1), s1)) == ("s1", (0,))
    assert place_one(demand("other", gpu=1), s1).outcome == "ScheduleFailed"


def test_all_instances_count_from_the_first_load_on() -> None:
    """The server declares how often it loads a model; 100 bytes are 300 on a replica with three workers."""
    full, roomy = server("a", replica(0, 299, instances=3)), server("b", replica(0, 300, instances=3))
    assert spot(place_one(demand(), full, roomy)) == ("b", (0,))
    done = place([demand("ant"), demand("bee")], inventory(roomy)).assignments
    assert [one.server for one in done] == ["b", None]
    assert "needs 300 (100 × 3 instances), free 0 of 300" in done[1].message


def test_replicas_of_one_server_may_differ_in_instances() -> None:
    """Most free memory comes first even so; who has too little for its instances is left out."""
    s1 = server("s1", replica(0, 250, instances=3), replica(1, 200, instances=2), replica(2, 100))
    assert spot(place_one(demand(), s1)) == ("s1", (1,))
    assert spot(place_one(demand(replicas=2), s1)) == ("s1", (1, 2))
    assert place_one(demand(replicas=3), s1).outcome == "ScheduleFailed"


def test_memory_that_is_freed_is_used_without_a_server_coming_or_going() -> None:
    """What waited is placed as soon as something else is gone."""
    s1 = server("s1", replica(0, 0, entry("old", memory=100)))
    assert place_one(demand(), s1).outcome == "ScheduleFailed"
    assert spot(place_one(demand(), free_server("s1", 100))) == ("s1", (0,))


def test_an_upgrade_asks_for_all_its_replicas_until_it_has_them() -> None:
    """With one of two loaded, both are wanted still: the first one is no reason to be content."""
    old, new = entry("iris", "v1", 100), entry("iris", "v2", 100)
    s1 = server("s1", replica(0, 0, old, new), replica(1, 100, old))
    done = place_one(demand(version="v2", replicas=2), s1)
    assert (done.outcome, *spot(done)) == ("Scheduled", "s1", (0, 1))

"""What Seldon Core 2 decides on the same input, row by row of its own scheduler tests."""

import pytest

from placement.engine import place
from placement.inventory import Server, ServerReplica
from tests.placement.builders import demand, entry, free_server, inventory, place_one, replica, server, spot

S1_ONE = free_server("s1", 200)
S2_TWO = free_server("s2", 200, 200)


@pytest.mark.parametrize(
    ("servers", "replicas", "minimum", "expected"),
    [
        ((S1_ONE, S2_TWO), 2, 0, ("Scheduled", "s2", (0, 1))),
        ((S1_ONE, free_server("s2", 200, 0)), 2, 0, ("ScheduleFailed", None, ())),
        ((S2_TWO,), 3, 1, ("PartiallyScheduled", "s2", (0, 1))),
        ((S2_TWO,), 3, 3, ("ScheduleFailed", None, ())),
        ((free_server("s1", 150, 200),), 1, 0, ("Scheduled", "s1", (1,))),
        ((free_server("s1", 200, 200),), 1, 0, ("Scheduled", "s1", (0,))),
        ((free_server("s1", 99),), 1, 0, ("ScheduleFailed", None, ())),
        ((free_server("s1", 100),), 1, 0, ("Scheduled", "s1", (0,))),
        (
            (free_server("s1", 200, 200), free_server("s2", *[200] * 4)),
            5,
            2,
            ("PartiallyScheduled", "s1", (0, 1)),
        ),
    ],
    ids=[
        "the first server with room for all",
        "no server has two replicas with room",
        "partial where minReplicas allows it",
        "minReplicas equal to replicas is no fallback",
        "the most free replica",
        "the lowest index among equals",
        "one byte short",
        "exactly enough",
        "partial takes the first server that reaches minReplicas, not the best",
    ],
)
def test_choosing_by_memory(
    servers: tuple[Server, ...],
    replicas: int,
    minimum: int,
    expected: tuple[str, str | None, tuple[int, ...]],
) -> None:
    """A model of 100 bytes goes where the reference puts it."""
    done = place_one(demand(replicas=replicas, minimum=minimum), *servers)
    assert (done.outcome, done.server, done.indices) == expected


def test_partial_stays_on_its_current_server() -> None:
    """replicas 3, min 2, now on s2: both replicas of s2."""
    s2 = server("s2", replica(0, 100, entry("iris", memory=100)), replica(1, 200))
    done = place_one(demand(replicas=3, minimum=2), S1_ONE, s2)
    assert (done.outcome, *spot(done)) == ("PartiallyScheduled", "s2", (0, 1))


def test_full_elsewhere_beats_partial_here() -> None:
    """replicas 2, min 1, now on s1 which has one replica: both go to s2."""
    s1 = server("s1", replica(0, 100, entry("iris", memory=100)))
    done = place_one(demand(replicas=2, minimum=1), s1, S2_TWO)
    assert (done.outcome, *spot(done)) == ("Scheduled", "s2", (0, 1))


def test_leaves_a_server_that_is_scaled_to_zero() -> None:
    """A model served by a server that is wanted with 0 replicas moves."""
    s1 = server("s1", replica(0, 100, entry("iris", memory=100)), expected=0)
    assert spot(place_one(demand(), s1, S2_TWO)) == ("s2", (0,))


def test_holders_need_no_free_memory_and_come_first() -> None:
    """Loaded on 1 and 2 which are full, free 50 and 100 elsewhere: 1, 2, 3."""
    held = entry("iris", memory=100)
    s1 = server("s1", replica(0, 50), replica(1, 0, held), replica(2, 0, held), replica(3, 100))
    assert spot(place_one(demand(replicas=3), s1)) == ("s1", (1, 2, 3))


def test_a_draining_holder_gives_way() -> None:
    """Loaded on 1 and on the draining 2: 1 stays, 3 takes over."""
    held = entry("iris", memory=100)
    s1 = server(
        "s1", replica(0, 50), replica(1, 200, held), replica(2, 175, held, state="Draining"), replica(3, 100)
    )
    assert spot(place_one(demand(replicas=2), s1)) == ("s1", (1, 3))


@pytest.mark.parametrize(("reserved", "outcome"), [(101, "ScheduleFailed"), (100, "Scheduled")])
def test_reserved_memory_is_not_free(reserved: int, outcome: str) -> None:
    """200 bytes with 101 reserved leave 99, with 100 reserved 100."""
    assert place_one(demand(), server("s1", replica(0, 200, reserved=reserved))).outcome == outcome


@pytest.mark.parametrize(
    ("requirement", "outcome"),
    [("sklearn", "Scheduled"), (" sklearn ", "Scheduled"), ("SKLearn", "ScheduleFailed")],
)
def test_requirements_are_trimmed_and_case_sensitive(requirement: str, outcome: str) -> None:
    """Blanks around a requirement do not count, case does."""
    assert place_one(demand(requirements=[requirement]), S1_ONE).outcome == outcome


def test_every_requirement_counts() -> None:
    """A server that has one of two requirements is no match."""
    assert place_one(demand(requirements=["sklearn", "gpu"]), S1_ONE).outcome == "ScheduleFailed"


def test_zero_replicas_need_a_matching_server() -> None:
    """replicas 0 is ScaledDown where a server could serve the model and a failure where none could."""
    assert place_one(demand(replicas=0), free_server("s1", 0)).outcome == "ScaledDown"
    assert place_one(demand(replicas=0, requirements=["gpu"]), S1_ONE).outcome == "ScheduleFailed"
    assert place_one(demand(replicas=0, pin="s9"), S1_ONE).outcome == "ScheduleFailed"


def test_a_pinned_model_goes_to_its_server_only() -> None:
    """spec.server wins over name order, and a full server is not replaced by another."""
    assert spot(place_one(demand(pin="s2"), S1_ONE, S2_TWO)) == ("s2", (0,))
    assert place_one(demand(pin="s1"), free_server("s1", 0), S2_TWO).outcome == "ScheduleFailed"


def test_changing_the_pin_moves_a_served_model() -> None:
    """A served model leaves the server that it no longer asks for."""
    s1 = server("s1", replica(0, 100, entry("iris", memory=100)))
    assert spot(place_one(demand(pin="s2"), s1, S2_TWO)) == ("s2", (0,))


def test_a_server_that_is_not_shared_takes_only_models_that_name_it() -> None:
    """Sharing is asked only of models without spec.server."""
    alone = server("s1", replica(0, 200), shared=False)
    assert place_one(demand(), alone).outcome == "ScheduleFailed"
    assert place_one(demand(pin="s1"), alone).outcome == "Scheduled"


@pytest.mark.parametrize("expected", [-1, 1])
def test_an_unknown_number_of_expected_replicas_is_no_obstacle(expected: int) -> None:
    """−1 means unknown and is accepted like any number but 0."""
    assert place_one(demand(), server("s1", replica(0, 200), expected=expected)).outcome == "Scheduled"


def test_an_explainer_needs_the_explainer_runtime() -> None:
    """An explainer goes to the replica that offers alibi-explain, even where another has more room."""
    s1 = server("s1", replica(0, 900), replica(1, 200, capabilities=["sklearn", "alibi-explain"]))
    assert spot(place_one(demand(explainer=True), s1)) == ("s1", (1,))
    assert place_one(demand(explainer=True), S1_ONE).outcome == "ScheduleFailed"


def test_undeclared_memory_fits_anywhere() -> None:
    """A model without memory needs none."""
    assert place_one(demand(memory=0), free_server("s1", 0)).outcome == "Scheduled"


def test_scaling_down_keeps_the_first_by_the_reference_order() -> None:
    """3 → 1: of the holders the one with most free memory stays."""
    held = entry("iris", memory=100)
    s1 = server("s1", replica(0, 10, held), replica(1, 30, held), replica(2, 20, held))
    assert spot(place_one(demand(replicas=1), s1)) == ("s1", (1,))


def test_overcommit_adds_to_capacity() -> None:
    """1000 bytes with 10 % overcommit take a model of 1100 and not of 1101."""
    roomy = server("s1", ServerReplica(0, "Ready", ("sklearn",), 1000, 10))
    assert place_one(demand(memory=1100), roomy).outcome == "Scheduled"
    assert place_one(demand(memory=1101), roomy).outcome == "ScheduleFailed"


def test_a_failed_load_occupies_no_memory() -> None:
    """What failed to load elsewhere leaves its room to others."""
    s1 = server("s1", replica(0, 100, entry("other", memory=500, state="LoadFailed")))
    assert place_one(demand(), s1).outcome == "Scheduled"


def test_memory_taken_in_the_same_run_counts() -> None:
    """Two models of 100 do not share 150 bytes; the first by name gets them."""
    done = place([demand("b"), demand("a")], inventory(free_server("s1", 150))).assignments
    assert [(a.model, a.outcome) for a in done] == [("a", "Scheduled"), ("b", "ScheduleFailed")]


def test_models_stay_in_their_namespace() -> None:
    """A server of another namespace is not looked at, not even by name."""
    other = server("s1", replica(0, 900), namespace="other")
    done = place_one(demand(pin="s1"), other)
    assert (done.outcome, done.message) == ("ScheduleFailed", "namespace default has no server")

"""How many replicas are recommended: the reference's cases, its bounds, and what is done differently."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.autoscaling import (
    LagRules,
    ModelLoad,
    empty_replicas,
    growing_server,
    needed_replicas,
    packs,
    scale_model,
    scale_server_down,
    scale_server_up,
)
from placement.engine import place
from schemas.scaling import UNLIMITED, Scaling
from tests.placement.builders import demand, entry, free_server, inventory, replica, server

_COUNTS = st.integers(0, 12)
_LOADS = st.builds(
    ModelLoad,
    lag=st.integers(0, 60),
    idle_seconds=st.integers(0, 1200),
    unchanged_seconds=st.integers(0, 120),
    available=st.booleans(),
)


@st.composite
def _scalings(draw: st.DrawFn) -> Scaling:
    low = draw(st.integers(0, 6))
    high = draw(st.sampled_from([UNLIMITED, *range(max(low, 1), 10)]))
    return Scaling(draw(st.integers(low, min(high, 12))), low, high)


def load(lag: int = 0, idle: int = 0, unchanged: int = 3600, available: bool = True) -> ModelLoad:
    return ModelLoad(lag, idle, unchanged, available)


@pytest.mark.parametrize(
    ("current", "maximum", "needed", "expected"),
    [
        (1, UNLIMITED, 3, (3, "ModelReplicaCount")),
        (1, 2, 3, (2, "ModelReplicaCount")),
        (2, 2, 3, (2, "AtBound")),
        (3, 2, 4, (3, "AtBound")),
        (3, 5, 3, (3, "Unchanged")),
        (0, 5, 2, (2, "ModelReplicaCount")),
        (-1, 5, 2, (-1, "Unchanged")),
    ],
    ids=["follows", "up to max", "at max", "never below current", "enough", "from zero", "unknown count"],
)
def test_a_server_grows_with_its_largest_model(
    current: int, maximum: int, needed: int, expected: tuple[int, str]
) -> None:
    """Needed replicas, bounded by maxReplicas, and never fewer than there are."""
    up = scale_server_up(Scaling(current, 0, maximum), needed)
    assert (up.desired, up.reason) == expected


@pytest.mark.parametrize(
    ("current", "minimum", "needed", "empty", "packing", "expected"),
    [
        (3, 0, 1, 1, False, (2, "EmptyReplicas")),
        (3, 2, 1, 2, False, (2, "EmptyReplicas")),
        (3, 0, 0, 3, False, (1, "EmptyReplicas")),
        (2, 0, 0, 5, False, (1, "EmptyReplicas")),
        (3, 0, 1, 0, False, (3, "Unchanged")),
        (1, 0, 0, 1, False, (1, "AtBound")),
        (2, 3, 0, 2, False, (2, "AtBound")),
        (2, 0, 1, 0, True, (1, "ServerPacking")),
        (3, 0, 2, 0, True, (2, "ServerPacking")),
        (3, 0, 3, 1, True, (2, "EmptyReplicas")),
        (4, 3, 1, 0, True, (3, "ServerPacking")),
    ],
    ids=[
        "the empty one goes",
        "min stays",
        "one stays",
        "more empty than expected",
        "none is empty",
        "the last one",
        "fewer than min already",
        "two models of one replica share one",
        "two models of two replicas share two",
        "nothing to pack",
        "packing keeps min",
    ],
)
def test_a_server_shrinks(
    current: int, minimum: int, needed: int, empty: int, packing: bool, expected: tuple[int, str]
) -> None:
    """Empty replicas go; with packing all beyond what the largest model needs; bounds stay."""
    down = scale_server_down(Scaling(current, minimum, UNLIMITED), needed, empty, packing)
    assert (down.desired, down.reason) == expected


@given(_scalings(), _COUNTS, _COUNTS, st.booleans())
def test_servers_stay_within_their_bounds(scaling: Scaling, needed: int, empty: int, packing: bool) -> None:
    """Up never shrinks, down never grows, and both keep the bounds and one replica."""
    up = scale_server_up(scaling, needed).desired
    down = scale_server_down(scaling, needed, empty, packing).desired
    assert scaling.replicas <= up <= scaling.max_replicas
    assert min(scaling.replicas, max(scaling.min_replicas, 1)) <= down <= scaling.replicas


@given(st.integers(0, 400), st.fractions(0, 1, max_denominator=100))
def test_packing_is_spread_evenly(removals: int, share: Fraction) -> None:
    """Of the first n removals ⌊n·p⌋ pack, for every n and p."""
    count = sum(packs(number, share) for number in range(1, removals + 1))
    assert count == math.floor(removals * share)


def test_all_or_no_removals_pack_at_the_ends() -> None:
    """A share of 0 packs never, of 1 always."""
    assert not any(packs(number, Fraction(0)) for number in range(1, 50))
    assert all(packs(number, Fraction(1)) for number in range(1, 50))


@pytest.mark.parametrize(
    ("scaling", "measured", "expected"),
    [
        (Scaling(1, 1, 3), load(lag=30), (2, "InferenceLag")),
        (Scaling(1, 1, 3), load(lag=29), (1, "Unchanged")),
        (Scaling(3, 1, 3), load(lag=30), (3, "AtBound")),
        (Scaling(1, 1, 3), load(lag=30, available=False), (1, "NotAvailable")),
        (Scaling(1, 1, 3), load(lag=30, unchanged=0), (2, "InferenceLag")),
        (Scaling(2, 1, 3), load(idle=600), (1, "Inactive")),
        (Scaling(2, 1, 3), load(idle=599), (2, "Unchanged")),
        (Scaling(2, 1, 3), load(idle=600, unchanged=59), (2, "RecentlyChanged")),
        (Scaling(2, 1, 3), load(idle=600, unchanged=60), (1, "Inactive")),
        (Scaling(2, 2, 3), load(idle=600), (2, "AtBound")),
        (Scaling(1, 0, 3), load(idle=600), (1, "AtBound")),
        (Scaling(2, 1, UNLIMITED), load(lag=31), (3, "InferenceLag")),
        (Scaling(2, 0, 3), load(lag=31), (3, "InferenceLag")),
        (Scaling(2, 0, UNLIMITED), load(lag=99), (2, "AutoscalingOff")),
        (Scaling(2, 1, 3), load(lag=30, idle=600), (3, "InferenceLag")),
    ],
)
def test_a_model_follows_its_lag(scaling: Scaling, measured: ModelLoad, expected: tuple[int, str]) -> None:
    """Up at 30 waiting requests when available, down after 600 s without one and 60 s of rest."""
    advice = scale_model(scaling, measured)
    assert (advice.desired, advice.reason) == expected


def test_lag_rules_are_parameters() -> None:
    """Thresholds of a server's configuration replace the defaults."""
    rules = LagRules(lag_threshold=5, inactive_seconds=10, settle_seconds=0)
    assert scale_model(Scaling(1, 1, 3), load(lag=5), rules).desired == 2
    assert scale_model(Scaling(2, 1, 3), load(idle=10, unchanged=0), rules).desired == 1


@given(_scalings(), _LOADS)
def test_models_stay_within_their_bounds(scaling: Scaling, measured: ModelLoad) -> None:
    """One step at most, within min and max, and never from something to nothing."""
    desired = scale_model(scaling, measured).desired
    assert abs(desired - scaling.replicas) <= 1
    assert scaling.min_replicas <= desired <= scaling.max_replicas
    assert desired >= min(scaling.replicas, 1)


@given(_scalings(), _LOADS, st.integers(0, 60))
def test_more_lag_never_means_fewer_replicas(scaling: Scaling, measured: ModelLoad, more: int) -> None:
    """The recommendation is monotone in lag."""
    busier = ModelLoad(
        measured.lag + more, measured.idle_seconds, measured.unchanged_seconds, measured.available
    )
    assert scale_model(scaling, busier).desired >= scale_model(scaling, measured).desired


def test_what_is_needed_is_the_largest_model_there() -> None:
    """Models on other servers do not count, partially placed ones do with what they want."""
    world = inventory(free_server("s1", 200, 200), free_server("s2", 50, 50, 50))
    wanted = [demand("ant", replicas=1), demand("bee", replicas=3, minimum=1), demand("cat", 50, replicas=3)]
    placed = place(wanted, world).assignments
    assert needed_replicas(world.servers[0], wanted, placed, world) == 3
    assert needed_replicas(world.servers[1], wanted, placed, world) == 3
    assert needed_replicas(world.servers[0], wanted[:1], placed, world) == 1


def test_a_first_placement_asks_for_scale_up() -> None:
    """A model that was never placed counts on the one server that would take it with more replicas."""
    world = inventory(free_server("s1", 50), free_server("s2", 200), free_server("s3", 200))
    wanted = [demand("ant", replicas=2)]
    placed = place(wanted, world).assignments
    assert [needed_replicas(one, wanted, placed, world) for one in world.servers] == [0, 2, 0]


def test_the_server_that_serves_the_model_grows_first() -> None:
    """A new version that waits asks the server of the old one."""
    s2 = server("s2", replica(0, 100, entry("iris", "v0", 100)))
    grows = growing_server(demand(replicas=2), inventory(free_server("s1", 200), s2))
    assert grows is not None
    assert grows.name == "s2"


def test_no_server_grows_where_more_replicas_would_not_help() -> None:
    """Enough replicas, lacking capabilities or too little memory are no case for more replicas."""
    world = inventory(free_server("s1", 50), free_server("s2", 200, 10))
    assert growing_server(demand(replicas=2), world) is None
    assert growing_server(demand(replicas=3, requirements=["gpu"]), world) is None


def test_empty_replicas_hold_nothing() -> None:
    """A failed load does not fill a replica, a loading one does, and a lost one is not there."""
    one = server(
        "s1",
        replica(0, 100),
        replica(1, 100, entry("iris", state="LoadFailed")),
        replica(2, 100, entry("iris", state="Loading")),
        replica(3, 100, state="Lost"),
    )
    assert empty_replicas(one) == 2

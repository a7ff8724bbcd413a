"""Effective replica counts, and the rules between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.scaling import UNLIMITED, Scaling, effective_scaling, scaling_fault

COUNTS = st.none() | st.integers(-3, 6)


@pytest.mark.parametrize(
    ("counts", "effective"),
    [
        ((None, None, None), Scaling(1, 0, UNLIMITED)),
        ((None, 3, None), Scaling(3, 3, UNLIMITED)),
        ((2, None, 0), Scaling(2, 0, UNLIMITED)),
        ((2, None, -1), Scaling(2, 0, UNLIMITED)),
        ((0, None, None), Scaling(0, 0, UNLIMITED)),
        ((-1, None, None), Scaling(1, 0, UNLIMITED)),
        ((2, 1, 4), Scaling(2, 1, 4)),
    ],
)
def test_what_is_not_said_is_filled_in(counts, effective):
    """One replica, or the minimum where there is one; no bound above."""
    assert effective_scaling(*counts) == effective
    assert scaling_fault(*counts) is None


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1, 2, None), "number of replicas 1 must be >= min replicas 2"),
        ((None, 3, 2), "min number of replicas 3 must be <= max number of replicas 2"),
        ((5, None, 4), "number of replicas 5 must be <= max replicas 4"),
        ((-1, 1, None), "number of replicas -1 cannot be less than minimum replica 1"),
    ],
)
def test_a_broken_rule_is_told_in_the_references_words(counts, words):
    """Users know them from its status."""
    assert scaling_fault(*counts) == words


@given(COUNTS, COUNTS, COUNTS)
def test_without_a_fault_the_counts_are_in_order(replicas, minimum, maximum):
    """0 ≤ minimum ≤ replicas ≤ maximum."""
    scaling = effective_scaling(replicas, minimum, maximum)

    assert (scaling_fault(replicas, minimum, maximum) is None) == (
        0 <= scaling.min_replicas <= scaling.replicas <= scaling.max_replicas
    )

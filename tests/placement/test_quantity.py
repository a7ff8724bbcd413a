"""Bytes are shown as people read them, and never so that a difference disappears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.quantity import readable_amount, readable_bytes, readable_pair
from schemas.quantity import quantity_thousandths

_BYTES = st.integers(0, 1 << 60)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1Ki"),
        (1536, "1.5Ki"),
        (1 << 30, "1Gi"),
        (1181116006, "1.1Gi"),
        (10**9, "953.7Mi"),
        ((1 << 20) - 1, "1Mi"),
        (1 << 60, "1024Pi"),
    ],
)
def test_the_largest_unit_with_one_decimal(count: int, text: str) -> None:
    """Binary units as Kubernetes writes them."""
    assert readable_bytes(count) == text


@given(_BYTES, _BYTES)
def test_different_amounts_look_different(left: int, right: int) -> None:
    """Equal texts mean equal bytes."""
    one, other = readable_pair(left, right)
    assert (one == other) is (left == right)


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [
        (0, "0"),
        (500, "500m"),
        (1500, "1500m"),
        (2000, "2"),
        (1000_000, "1000"),
        (1024_000, "1Ki"),
        (1536_000, "1536"),
        (1536 * 1024_000, "1536Ki"),
        ((8 << 30) * 1000, "8Gi"),
    ],
)
def test_a_named_amount_as_it_would_be_declared(thousandths: int, text: str) -> None:
    """Thousandths where it is no whole number, else the largest binary unit without a fraction."""
    assert readable_amount(thousandths) == text


@given(st.integers(0, 1 << 70), st.integers(0, 40))
def test_a_named_amount_is_shown_exactly(thousandths: int, zeros: int) -> None:
    """Read again it is the same amount."""
    amount = thousandths >> zeros << zeros
    assert quantity_thousandths(readable_amount(amount)) == amount

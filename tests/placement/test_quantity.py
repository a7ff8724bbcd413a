"""Bytes are shown as people read them, and never so that a difference disappears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.quantity import readable_bytes, readable_pair

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

"""Memory quantities are read as Kubernetes reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.quantity import MAX_BYTES, quantity_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("100Ki", 102_400),
        ("1G", 1_000_000_000),
        ("1Gi", 2**30),
        ("1.5G", 1_500_000_000),
        ("0.5Ki", 512),
        (".5k", 500),
        ("1.", 1),
        ("4e6", 4_000_000),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1500m", 2),
        ("1n", 1),
        ("+1k", 1000),
        ("0", 0),
        ("9223372036854775807", MAX_BYTES),
    ],
)
def test_a_quantity_is_a_whole_number_of_bytes(text, size):
    """Suffixes, fractions and exponents; a fraction of a byte is rounded up."""
    assert quantity_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "1 G", "1GB", "1g", "1ki", "one", "1e", "--1", "1_000", "١", "-1", "-1Ki", -5,
                                  "9223372036854775808", "8Ei", "1e999", "9" * 10_000])  # fmt: skip
def test_what_is_no_size_is_refused_in_few_words(text):
    """The message is short, whatever was written."""
    with pytest.raises(ValueError, match=r"quantity|negative|more than") as refusal:
        quantity_bytes(text)

    assert len(str(refusal.value)) < 200


@given(st.integers(0, MAX_BYTES))
def test_a_number_of_bytes_means_itself(size):
    """As an integer and as text."""
    assert quantity_bytes(size) == quantity_bytes(str(size)) == size


@given(st.integers(0, 10**6), st.sampled_from(["k", "Ki", "M", "Mi"]), st.integers(0, 10**6))
def test_more_is_more(low, suffix, more):
    """Reading keeps the order."""
    assert quantity_bytes(f"{low}{suffix}") <= quantity_bytes(f"{low + more}{suffix}")

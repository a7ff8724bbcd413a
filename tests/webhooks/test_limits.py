"""How much is taken: buckets, neighbours, and what was here before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.webhooks import limits
from reconciler.source.webhooks.counts import Counts, Received
from reconciler.source.webhooks.limits import Limiter, Rate, Seen, neighbourhood
from schemas.errors import InputError


def test_a_burst_is_taken_and_then_the_rate() -> None:
    """Three at once, then one each half second."""
    limiter = Limiter(each=Rate(3, 2), total=Rate(100, 100))
    assert [limiter.wait("10.0.0.1", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.wait("10.0.0.1", 0.5) == 0
    assert limiter.wait("10.0.0.1", 0.5) > 0


def test_one_sender_does_not_use_up_what_is_for_others() -> None:
    """As long as the total holds."""
    limiter = Limiter(each=Rate(1, 1), total=Rate(2, 1))
    assert [limiter.wait(f"10.0.0.{n}", 0) for n in (1, 1, 2, 3)] == [0, 1, 0, 1]


def test_a_refused_delivery_costs_the_others_nothing() -> None:
    """A flood from one address leaves the total alone."""
    limiter = Limiter(each=Rate(1, 1), total=Rate(2, 1))
    for _ in range(1000):
        limiter.wait("10.0.0.1", 0)
    assert limiter.wait("10.0.0.2", 0) == 0


def test_senders_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was quiet longest."""
    monkeypatch.setattr(limits, "MAX_SOURCES", 10)
    limiter = Limiter(each=Rate(1, 0.001), total=Rate(10_000, 1))
    for n in range(1000):
        limiter.wait(f"10.0.{n // 256}.{n % 256}", 0)
    assert len(limiter._sources) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("", "testclient", False),
    ],
)
def test_neighbours_of_one_network_are_one_sender(one: str, other: str, same: bool) -> None:
    """An IPv6 network is given out whole."""
    assert (neighbourhood(one) == neighbourhood(other)) is same


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=60))
def test_never_more_than_burst_and_rate(steps) -> None:
    """Whatever the order and the pauses: burst + rate × time is the most that is taken."""
    limiter, now, taken = Limiter(each=Rate(3, 1), total=Rate(5, 2)), 0.0, 0
    for sender, pause in steps:
        now += pause
        taken += limiter.wait(f"10.0.0.{sender}", now) == 0
    assert taken <= 5 + 2 * now + 1e-6


def test_a_signature_is_taken_once() -> None:
    """And may be forgotten when its time is over, since it is refused for that then."""
    seen = Seen()
    seen.admit("a", 10, 0)
    seen.admit("b", 10, 0)
    with pytest.raises(InputError, match="DeliveryRepeated"):
        seen.admit("a", 10, 9)


def test_a_full_memory_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting one would let it be repeated; what expired makes room."""
    monkeypatch.setattr(limits, "MAX_REMEMBERED", 2)
    seen = Seen()
    for name in ("a", "b"):
        seen.admit(name, 10, 0)
    with pytest.raises(InputError, match="DeliveryRepeated"):
        seen.admit("c", 10, 5)
    seen.admit("c", 30, 11)


def test_counts_are_by_provider_and_result() -> None:
    """Sorted, for whoever shows them."""
    counts = Counts()
    for result in ("Hinted", "Ignored", "Hinted"):
        counts.add("github", result)
    assert counts.received() == (Received("github", "Hinted", 2), Received("github", "Ignored", 1))

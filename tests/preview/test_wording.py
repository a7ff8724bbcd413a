"""What is said of a preview in words, bars and blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from reconciler.preview.preview import ModelAt, ReplicaChange, Room
from reconciler.preview.rendering.bars import bar, cells, text_bar
from reconciler.preview.rendering.blocks import Block, Group, bounded
from reconciler.preview.rendering.wording import headline
from reconciler.preview.rendering.words import amounts, duration
from tests.preview.examples import EXAMPLES

HEADLINES = {
    "safe-addition": "Safe: wine is added, nothing that serves is touched",
    "new-version": "Changes serving: pear is deleted, iris gets a new version, wine is routed differently and "
    "2 resources are added; the rest is answered throughout",
    "cannot-be-placed": "Cannot be placed: 2 models find no place; what served before goes on",
    "stops-serving": "Stops serving: iris is wanted and nothing answers for it any more",
    "interrupts": "Interrupts serving: iris is not served for up to 2 h 16 min (usually seconds)",
    "several-applications": "Stops serving: 1 model of another application is wanted and nothing answers for it "
    "any more",
    "invalid-manifest": "Invalid manifests: 1 error in 1 file; what it declares stays as it is",
    "no-change": "No change: nothing changes",
}


@pytest.mark.parametrize(("name", "said"), HEADLINES.items())
def test_the_headline_says_what_a_reviewer_asks_first(name, said):
    """One line, also for the commit status."""
    assert headline(EXAMPLES[name]()) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "2 min"),
        (3600, "1 h"),
        (8102, "2 h 16 min"),
        (86400, "24 h"),
    ],
)
def test_a_bound_is_never_said_shorter_than_it_is(seconds, said):
    """Rounded up to minutes."""
    assert duration(seconds) == said


def test_a_small_difference_is_not_rounded_away():
    """Where both read the same, the difference is said."""
    assert amounts(1 << 30, (1 << 30) + (1 << 20)) == "1Gi +1Mi"
    assert amounts(1 << 30, 2 << 30) == "1Gi → 2Gi"


def replica(
    before: int, after: int, *, comes: int = 0, capacity: int = 100, limit: int = 100
) -> ReplicaChange:
    rooms = [Room("Ready", capacity, limit, used) for used in (before, after)]
    models = (ModelAt("default", "a", "v", "app", comes),) if comes else ()
    return ReplicaChange(ReplicaId("default", "s", 0), "app", *rooms, before, models)


def test_a_bar_tells_added_exchanged_and_free():
    """30 of 50 bytes are given to another model, 10 more are used."""
    assert text_bar(bar(replica(50, 60, comes=40)), 20) == "[####~~~~~~++........]"


def test_a_bar_tells_what_is_freed():
    """By its length, before what was free already."""
    assert text_bar(bar(replica(60, 20)), 20) == "[####--------........]"


def test_a_bar_tells_what_is_beyond_capacity():
    """Overcommitted, and what may still be."""
    assert text_bar(bar(replica(90, 110, comes=20, limit=125)), 25) == "[##################++!!:::]"


@given(*(st.integers(0, 1 << 40) for _ in range(5)), st.integers(7, 40))
def test_a_bar_fills_its_width_and_hides_nothing(before, after, comes, capacity, more, width):
    """Every stretch has a cell, however small."""
    shown = bar(replica(before, after, comes=comes, capacity=capacity, limit=capacity + more))
    found = cells(shown, width)
    assert sum(count for _, count in found) == (width if shown.stretches else 0)
    assert all(count for _, count in found)
    assert sum(each.size for each in shown.stretches) == shown.length


GROUPS = st.lists(
    st.builds(
        Group,
        st.lists(
            st.builds(
                Block, st.text("ab\n", max_size=9), st.tuples(st.integers(0, 3)), st.sampled_from(("", "row"))
            ),
            max_size=4,
        ).map(tuple),
        st.sampled_from(("", "<")),
        st.sampled_from(("", ">")),
    ),
    max_size=4,
)


@given(GROUPS, st.integers(0, 80))
def test_blocks_are_whole_bounded_and_the_worst_stays(groups, longest):
    """Whatever is left out is less severe than all that is shown, and is counted."""
    text = bounded(groups, longest, lambda left: f"({left['row']} rows left out)" if left else "")
    assert len(text) <= longest
    everything = sum(
        len(g.opening + g.closing) + sum(len(b.text) for b in g.blocks) for g in groups if g.blocks
    )
    if everything <= longest:
        assert "left out" not in text


def test_what_does_not_fit_goes_least_severe_first():
    """With its frame, where nothing else is in it."""
    mild = Group((Block("mild\n", (2,), "row"), Block("harmless\n", (3,), "row")), "<", ">")
    worst = Group((Block("worst\n", (1,), "row"),))
    assert bounded([mild, worst], 21, lambda left: f"{left['row']} more") == "<mild\n>worst\n1 more"
    assert bounded([mild, worst], 14, lambda left: f"{left['row']} more") == "worst\n2 more"

"""No interleaving loses a push, executes a plan twice, or leaves a question without its answer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reconciler.interleaving import interleave


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_no_interleaving_breaks_a_promise(seed: int) -> None:
    """What was pushed last serves in the end, no plan runs twice or beside another, requests are answered."""
    interleave(seed)


def test_a_seed_tells_the_same_story_again() -> None:
    """What is found can be looked at."""
    once, again = interleave("some seed"), interleave("some seed")
    assert (once.told, once.history, once.now) == (again.told, again.history, again.now)


def test_interleavings_reach_everything_that_can_happen() -> None:
    """Every event of the machine, and every happening, in a few hundred stories."""
    told = sum((interleave(f"reach {number}").told for number in range(200)), start=interleave(0).told)
    events = {"Configured", "Removed", "Gated", "SourceHint", "WorldHint", "SyncAsked", "Looked", "Planned"}
    events |= {"PlanFailed", "Executed", "Stale", "RebalanceAsked", "Rebalanced", "Tick"}
    outside = {
        "push",
        "force_push",
        "drift",
        "crash_server",
        "turn_gate",
        "terminate",
        "reconfigure",
        "restart",
    }
    assert events | outside <= set(told)

"""Moving served models together while requests go on."""

from contextlib import ExitStack

import pytest

from tests.e2e.manifests import model, server
from tests.e2e.world import World

pytestmark = pytest.mark.real

SERVED = ("iris", "other", "small")


def test_two_half_empty_servers_become_one(world: World) -> None:
    """``rebalance`` shows the gain, ``--apply`` makes it true: one server is empty, and every model answered
    every request meanwhile."""
    servers = server("a"), server("b")
    pair = model("iris", memory="300Mi"), model("other", memory="200Mi")
    full = model("full", memory="1050Mi")
    world.deploy(*servers, full)
    world.deploy(*servers, full, *pair)
    world.deploy(*servers, *pair, model("small", memory="100Mi", server="a"))
    assert [set(world.replicas(name)) for name in SERVED] == [{"b/0"}, {"b/0"}, {"a/0"}]
    shown = world.run("rebalance")
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (
        0,
        "frees 1 server replica with 2 moves of 500Mi",
    )
    with ExitStack() as stack:
        requests = [stack.enter_context(world.steady_requests(name)) for name in SERVED]
        for each in requests:
            each.wait_for_answers()
        applied = world.run("rebalance", "--apply")
        for each in requests:
            each.wait_for_answers()
    assert (applied.returncode, applied.stderr) == (0, "")
    assert [each.failures for each in requests] == [{}, {}, {}]
    assert [set(each.answered) for each in requests] == [{"iris_1"}, {"other_1"}, {"small_1"}]
    assert [world.replicas(name) for name in SERVED] == [{"a/0": f"{name}_1 Loaded"} for name in SERVED]
    assert world.run("rebalance").stdout == "nothing to gain\n"
    world.until("nothing to sync", world.next_plan_is_empty)

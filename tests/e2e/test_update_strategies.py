"""Update strategies: what a server that is full does with a new version of what fills it."""

import pytest

from tests.e2e.manifests import Manifest, model, server
from tests.e2e.parts import IRIS, IRIS_V2
from tests.e2e.world import World

pytestmark = pytest.mark.real

FULL = server(memory="1Gi")
FIRST, SECOND = (model("iris", uri, memory="700Mi") for uri in (IRIS, IRIS_V2))


def named(manifest: Manifest, name: str, **annotations: str) -> Manifest:
    """The manifest under that name, with these annotations."""
    return {**manifest, "metadata": {"name": name, "annotations": annotations}}


def test_recreate_interrupts_and_serves_again(world: World) -> None:
    """The old version goes first, so requests fail for a while; then the new one answers in its place."""
    world.deploy(FULL, FIRST)
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(FULL, named(SECOND, "iris", **{"moorage.dev/update-strategy": "Recreate"}))
        requests.wait_for_answers()
    assert world.replicas("iris") == {"mlserver/0": "iris_2 Loaded"}
    assert world.caller.answers("iris") == "iris_2"
    assert requests.answered.keys() == {"iris_1", "iris_2"}
    assert requests.failures


def test_rolling_upgrade_without_room_says_what_would_help(world: World) -> None:
    """The new version fits nowhere beside the old one, which goes on answering."""
    world.deploy(FULL, named(FIRST, "other"))
    with world.steady_requests("other") as requests:
        world.deploy(FULL, named(SECOND, "other"), health="Degraded")
        requests.wait_for_answers()
    assert world.health("Model", "other") == ("Degraded", "ScheduleFailed")
    assert world.caller.answers("other") == "other_1"
    assert requests.failures == {}
    (failure,) = world.plan()["failures"]
    assert failure["remedy"]["kind"] == "Recreate"

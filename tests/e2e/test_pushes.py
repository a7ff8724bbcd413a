"""Pushes that come while the controller is busy with an earlier one."""

import pytest

from tests.e2e.manifests import model, server
from tests.e2e.parts import IRIS, IRIS2, IRIS_V2, SLOW, write_code_model
from tests.e2e.world import World

pytestmark = pytest.mark.real


def test_push_during_a_sync_is_not_lost(world: World) -> None:
    """What is pushed while a slow model loads is served once that is done."""
    slow = model("slow", write_code_model(world.artifacts / "slow", SLOW, "Slow"), requirements=("python",))
    world.deploy(server(), model("iris"))
    syncs = world.syncs()
    world.push(server(), model("iris"), slow)
    world.until("the sync to begin", lambda: world.syncs() > syncs)
    revision = world.push(server(), model("iris", IRIS_V2), slow)
    assert world.status()["lastSync"]["phase"] == "Running"
    world.settled(revision)
    assert world.caller.answers("iris") == "iris_2"


def test_quick_pushes_end_at_the_last(world: World) -> None:
    """Of many pushes in a row the last one is what is served; no request fails on the way."""
    world.deploy(server(), model("iris"))
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        for uri in (IRIS_V2, IRIS, IRIS2, IRIS, IRIS_V2, IRIS2):
            revision = world.push(server(), model("iris", uri))
        world.settled(revision)
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.objects("Model")["iris"]["spec"]["storageUri"] == IRIS2


def test_forced_push_back(world: World) -> None:
    """A branch that is set back is followed back."""
    first = world.deploy(server(), model("iris"))
    world.deploy(server(), model("iris", IRIS_V2))
    world.repository.set_back(first)
    world.settled(first)
    assert world.objects("Model")["iris"]["spec"]["storageUri"] == IRIS


def test_commit_that_changes_nothing(world: World) -> None:
    """A commit with the same tree is compared and not synced."""
    world.deploy(server(), model("iris"))
    syncs = world.syncs()
    world.deploy(server(), model("iris"))
    assert world.syncs() == syncs


def test_repository_that_is_away(world: World) -> None:
    """Sync status is Unknown with the reason while the repository cannot be read; models answer on."""
    world.deploy(server(), model("iris"))
    bare = world.repository.bare
    hidden = bare.rename(bare.with_name("hidden.git"))
    world.refresh()
    world.until("the reason", lambda: world.status()["sync"] == "Unknown")
    assert "Not" in str(world.status()["conditions"])
    version = world.caller.answers("iris")
    assert version.startswith("iris_")
    hidden.rename(bare)
    world.deploy(server(), model("iris", IRIS2))

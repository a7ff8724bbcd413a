"""Bad manifests beside good ones, and resources that leave Git."""

import pytest

from tests.e2e.manifests import model, server, tree
from tests.e2e.world import World

pytestmark = pytest.mark.real

BAD_SPEC = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata:
  name: iris
spec:
  storageUri: gs://seldon-models/x
  replica: 2
"""
NO_YAML = "kind: [Model\n"
OTHER_GROUP = BAD_SPEC.replace("mlops.seldon.io", "mlop.seldon.io")


def test_bad_manifest_beside_good_ones(world: World) -> None:
    """A wrong field is told with file and line; the rest is synced, and what it names goes on serving."""
    world.deploy(server(), model("iris"), model("other"))
    bad = {**tree(server(), model("more")), "models/iris.yaml": BAD_SPEC}
    world.settled(world.repository.push(bad), sync="OutOfSync", health="Degraded")
    (problem,) = world.status()["problems"]
    assert (problem["file"], problem["line"], problem["name"]) == ("models/iris.yaml", 7, "iris")
    assert world.health("Model", "iris") == ("Degraded", "InvalidManifest")
    assert [world.caller.answers(name) for name in ("iris", "more", "other")] == ["iris_1", "more_1", "404"]
    world.deploy(server(), model("iris"))


def test_unreadable_document_holds_pruning(world: World) -> None:
    """While a document cannot be read as far as its name, nothing is deleted; good ones are synced."""
    world.deploy(server(), model("iris"))
    world.settled(
        world.repository.push({**tree(server(), model("more")), "models/iris.yaml": NO_YAML}),
        sync="OutOfSync",
        health="Healthy",
    )
    assert [world.caller.answers(name) for name in ("iris", "more")] == ["iris_1", "more_1"]
    assert "PruneHeld" in str(world.status()["conditions"])
    world.deploy(server(), model("more"))
    assert world.caller.answers("iris") == "404"


def test_typing_error_in_the_group_prunes_nothing(world: World) -> None:
    """A document of a group that is nearly ours does not delete the model it names."""
    world.deploy(server(), model("iris"))
    world.settled(
        world.repository.push({**tree(server()), "models/iris.yaml": OTHER_GROUP}), sync="OutOfSync"
    )
    assert world.caller.answers("iris") == "iris_1"
    world.deploy(server(), model("iris"))


def test_deleting_a_model(world: World) -> None:
    """A model that leaves Git is unloaded and unknown; its neighbour answers all the while."""
    world.deploy(server(), model("iris"), model("other"))
    with world.steady_requests("other") as requests:
        requests.wait_for_answers()
        world.deploy(server(), model("other"))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.caller.answers("iris") == "404"
    assert set(world.objects("Model")) == {"other"}
    loaded = [
        model["name"]
        for each in world.get("/api/v1/inventory")["servers"]
        for replica in each["replicas"]
        for model in replica.get("models", ())
    ]
    assert loaded == ["other"]


def test_a_revision_that_would_delete_everything(world: World) -> None:
    """An empty revision deletes nothing and says so."""
    world.deploy(server(), model("iris"))
    world.settled(world.push(files={"README.md": "Nothing here.\n"}), sync="OutOfSync")
    assert "PruneRefusedEmpty" in str(world.status()["conditions"])
    assert world.caller.answers("iris") == "iris_1"
    world.deploy(server(), model("iris"))


def test_deleting_a_server_and_its_models(world: World) -> None:
    """A server that leaves Git ends its processes; the other one's stay."""
    world.deploy(server(), server("second"), model("iris", server="mlserver"), model("gone", server="second"))
    kept, version = world.pid("mlserver/0"), world.caller.answers("iris")
    world.deploy(server(), model("iris", server="mlserver"))
    assert sorted(world.processes().values()) == ["gateway", "mlserver/0"]
    assert world.pid("mlserver/0") == kept
    assert [world.caller.answers(name) for name in ("iris", "gone")] == [version, "404"]

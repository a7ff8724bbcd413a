"""More and fewer replicas of models and servers, while requests go on."""

import pytest

from tests.e2e.manifests import model, server
from tests.e2e.world import World

pytestmark = pytest.mark.real


def test_model_replicas_up_and_down(world: World) -> None:
    """A model goes from one replica to two and back on two server replicas, without a failed request."""
    world.deploy(server(replicas=2), model("iris"))
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(server(replicas=2), model("iris", replicas=2))
        assert set(world.replicas("iris")) == {"mlserver/0", "mlserver/1"}
        requests.wait_for_answers()
        world.deploy(server(replicas=2), model("iris", replicas=1))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert set(requests.answered) == {"iris_1"}
    assert len(world.replicas("iris")) == 1


def test_both_replicas_answer(world: World) -> None:
    """With two replicas both servers infer, each under the model's one name."""
    world.deploy(server(replicas=2), model("iris", replicas=2))
    before = {place: world.inferences(place, "iris_1") for place in world.replicas("iris")}
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers(100)
    shares = {place: world.inferences(place, "iris_1") - count for place, count in before.items()}
    assert sum(shares.values()) == requests.answered["iris_1"]
    assert min(shares.values()) > 0


def test_server_replicas_up_and_down(world: World) -> None:
    """A server and its model go from one replica to two and back, without a failed request."""
    world.deploy(server(), model("iris"))
    first = world.pid("mlserver/0")
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(server(replicas=2), model("iris", replicas=2))
        assert set(world.replicas("iris")) == {"mlserver/0", "mlserver/1"}
        requests.wait_for_answers()
        world.deploy(server(), model("iris"))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert set(world.processes().values()) == {"gateway", "mlserver/0"}
    assert world.pid("mlserver/0") == first


def test_model_moves_from_a_server_replica_that_goes(world: World) -> None:
    """Where the highest replica goes, its model is loaded elsewhere first: no request fails."""
    filler, iris = model("filler", memory="600Mi"), model("iris", memory="300Mi")
    world.deploy(server(replicas=2), filler)
    world.deploy(server(replicas=2), filler, iris)
    (place,) = world.replicas("iris")
    assert place == "mlserver/1", "the emptier replica is chosen"
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(server(), filler, iris)
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.replicas("iris") == {"mlserver/0": "iris_1 Loaded"}


def test_changed_server_is_replaced_without_a_failed_request(world: World) -> None:
    """Another memory request starts a new process beside the old one, which serves until it is filled."""
    world.deploy(server(), model("iris"))
    first = world.pid("mlserver/0")
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(server(memory="2Gi"), model("iris"))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.pid("mlserver/0") != first
    assert world.objects("Server")["mlserver"]["status"]["moorage"]["replicas"][0]["memory"] == 2 * 2**30

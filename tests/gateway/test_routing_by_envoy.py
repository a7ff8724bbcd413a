"""What a caller gets from a real Envoy, by REST and by gRPC."""

import grpc
import pytest

from tests.gateway.running import route, upstream

pytestmark = pytest.mark.real


@pytest.fixture
def iris(envoy, server):
    """A gateway that routes ``iris`` to a server that has ``iris_1``; the server."""
    stub = server("iris_1")
    envoy.show(route("iris", upstream("iris_1", stub)))
    return stub


def test_model_by_path(envoy, iris):
    """A path that names the model reaches it under its name on the wire."""
    assert envoy.infer("iris").json()["model_name"] == "iris_1"


def test_header_beats_path(envoy, iris):
    """With ``seldon-model`` the name in the path does not matter."""
    assert envoy.infer("other", seldon_model="iris").json()["model_name"] == "iris_1"


def test_grpc_by_metadata(envoy, iris):
    """``seldon-model`` metadata decides, whatever ``model_name`` the message has."""
    assert envoy.infer_grpc("iris").model_name == "iris_1"


def test_unknown_model(envoy, iris):
    """A model that nobody routes is 404 with a JSON error."""
    response = envoy.infer("absent")
    assert (response.status_code, list(response.json())) == (404, ["error"])


def test_unknown_model_by_grpc(envoy, iris):
    """By gRPC an unknown model is Unimplemented."""
    with pytest.raises(grpc.RpcError) as caught:
        envoy.infer_grpc("absent")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

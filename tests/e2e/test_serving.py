"""One model, asked in every way that the protocol knows, and its next version."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.e2e.clients import ROW
from tests.e2e.manifests import model, server
from tests.e2e.parts import IRIS, IRIS_V2, write_code_model
from tests.e2e.world import World

pytestmark = pytest.mark.real

PATIENT = """
import asyncio, tempfile
from mlserver import MLModel
from mlserver.types import InferenceResponse

class Patient(MLModel):
    async def predict(self, payload):
        tempfile.mkstemp(dir=ASKED)
        await asyncio.sleep(6)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[])
"""


@pytest.fixture
def iris(world: World) -> World:
    """A world in which ``iris`` is served in its first version."""
    world.deploy(server(), model("iris"))
    return world


def test_iris_answers_by_rest(iris: World) -> None:
    """[[1,2,3,4]] is class 2, says ``iris_1`` of version 1, whether header or path names the model."""
    for response in (iris.caller.rest("iris"), iris.caller.rest_by_header("iris")):
        answer = response.json()
        (output,) = answer["outputs"]
        assert (answer["model_name"], answer["model_version"]) == ("iris_1", "1")
        assert (output["name"], output["datatype"]) == ("predict", "INT64")
        assert (output["shape"], output["data"]) == ([1, 1], [2])
        assert response.headers["x-seldon-route"] == ":iris_1:"


def test_iris_answers_by_grpc(iris: World) -> None:
    """The same by gRPC, whatever ``model_name`` the message has."""
    answer = iris.caller.rpc("iris")
    (output,) = answer.outputs
    assert (answer.model_name, answer.model_version) == ("iris_1", "1")
    assert (output.name, output.datatype, list(output.shape)) == ("predict", "INT64", [1, 1])
    assert list(output.contents.int64_contents) == [2]


def test_tritonclient_asks_by_grpc(iris: World) -> None:
    """``tritonclient`` gets its answer by gRPC with the header."""
    row = numpy.array([ROW], dtype=numpy.float32)
    tensor = tritonclient.grpc.InferInput("predict", list(row.shape), "FP32")
    tensor.set_data_from_numpy(row)
    with tritonclient.grpc.InferenceServerClient(iris.caller.address) as client:
        answer = client.infer("whatever", [tensor], headers={"seldon-model": "iris"})
    assert answer.get_response().model_name == "iris_1"
    assert answer.as_numpy("predict").tolist() == [[2]]


def test_tritonclient_asks_by_http(iris: World) -> None:
    """``tritonclient`` gets its answer by HTTP without binary tensors."""
    row = numpy.array([ROW], dtype=numpy.float32)
    tensor = tritonclient.http.InferInput("predict", list(row.shape), "FP32")
    tensor.set_data_from_numpy(row, binary_data=False)
    output = tritonclient.http.InferRequestedOutput("predict", binary_data=False)
    with tritonclient.http.InferenceServerClient(iris.caller.address) as client:
        answer = client.infer("iris", [tensor], outputs=[output])
    assert answer.get_response()["model_name"] == "iris_1"
    assert answer.as_numpy("predict").tolist() == [[2]]


def test_unknown_model(iris: World) -> None:
    """Nobody's model is 404 with a JSON error by REST and Unimplemented by gRPC."""
    response = iris.caller.rest("nobody")
    assert (response.status_code, "nobody" in response.json()["error"]) == (404, True)
    with pytest.raises(grpc.RpcError) as refusal:
        iris.caller.rpc("nobody")
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_stale_route_header_is_ignored(iris: World) -> None:
    """An ``x-seldon-route`` of a version that is gone changes nothing."""
    assert iris.caller.rest("iris", x_seldon_route=":iris_9:").json()["model_name"] == "iris_1"
    assert iris.caller.rpc("iris", x_seldon_route=":gone_1:").model_name == "iris_1"


def test_request_id(iris: World) -> None:
    """A caller's ``x-request-id`` comes back, and one is made where there is none."""
    assert iris.caller.rest("iris", x_request_id="mine").headers["x-request-id"] == "mine"
    assert iris.caller.rest("iris").headers["x-request-id"]


def test_infer_command(iris: World) -> None:
    """``moorage infer`` prints the answer."""
    done = iris.run(
        "infer",
        "iris",
        '{"inputs": [{"name": "predict", "shape": [1, 4], "datatype": "FP32", "data": [[1, 2, 3, 4]]}]}',
    )
    assert done.returncode == 0, done.stderr
    assert '"iris_1"' in done.stdout


def test_new_version_without_a_failed_request(iris: World) -> None:
    """A push with another ``storageUri`` answers as ``iris_2``; no request fails on the way."""
    with iris.steady_requests("iris") as requests:
        requests.wait_for_answers()
        iris.deploy(server(), model("iris", IRIS_V2))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert set(requests.answered) == {"iris_1", "iris_2"}
    assert iris.caller.answers("iris") == "iris_2"
    assert iris.replicas("iris") == {"mlserver/0": "iris_2 Loaded"}


def test_going_back_without_a_failed_request(world: World) -> None:
    """The manifest before is the version before, by its old name, and no request fails."""
    world.deploy(server(), model("back", IRIS))
    world.deploy(server(), model("back", IRIS_V2))
    with world.steady_requests("back") as requests:
        requests.wait_for_answers()
        world.deploy(server(), model("back", IRIS))
        requests.wait_for_answers()
    assert requests.failures == {}
    assert list(requests.answered) == ["back_2", "back_1"]


def test_long_request_over_a_version_switch(world: World) -> None:
    """A request that takes longer than the grace is answered by the version that it was sent to."""
    asked = world.folder / "asked"
    asked.mkdir()
    code = f"ASKED = {str(asked)!r}\n{PATIENT}"
    patient = write_code_model(world.artifacts / "patient", code, "Patient")
    world.deploy(server(), model("patient", patient, requirements=("python",)))
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask, "patient") for ask in (world.caller.rest, world.caller.rpc)]
        world.until("both requests to be under way", lambda: len(list(asked.iterdir())) == 2)
        world.deploy(server(), model("patient", patient, requirements=("python",), memory="1Ki"))
        assert answers[0].result().json()["model_name"] == "patient_1"
        assert answers[1].result().model_name == "patient_1"
    assert world.replicas("patient") == {"mlserver/0": "patient_2 Loaded"}

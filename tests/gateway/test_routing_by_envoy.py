"""What a caller gets from a real Envoy, by REST and by gRPC."""

import contextlib

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from runtime.ports import GatewayRoute, GatewayTable
from tests.gateway.running import RunningGateway, route, upstream
from tests.ports import free_port

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shared_envoy(tmp_path_factory):
    running = RunningGateway(tmp_path_factory.mktemp("gateway"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def envoy(shared_envoy):
    """One Envoy for all tests here: each publishes the whole table that it needs."""
    return shared_envoy


@pytest.fixture
def iris(envoy, server):
    """``iris`` is routed to a server that has ``iris_1``; the server."""
    stub = server("iris_1")
    envoy.show(route("iris", upstream("iris_1", stub)))
    return stub


def refusal(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code()


def test_model_by_path(envoy, iris):
    """A path that names the model reaches it under its name on the wire."""
    assert envoy.infer("iris").json()["model_name"] == "iris_1"


def test_header_beats_path(envoy, iris):
    """With ``seldon-model`` the name in the path does not matter."""
    assert envoy.infer("other", seldon_model="iris").json()["model_name"] == "iris_1"


def test_version_and_query_are_kept(envoy, iris):
    """Only the name in the path is replaced: version and query reach the server."""
    envoy.http.post("/v2/models/iris/versions/7/infer?a=1&b=/v2/models/x", json={})
    assert iris.rest[-1][0] == "/v2/models/iris_1/versions/7/infer?a=1&b=/v2/models/x"


@pytest.mark.parametrize("path", ["/v2/models/iris", "/v2/models/iris/ready", "/v2/models/iris?x=1"])
def test_metadata_and_readiness_by_path(envoy, iris, path):
    """Metadata and readiness ask for the name on the wire, as inference does."""
    assert envoy.http.get(path).json()["path"].startswith("/v2/models/iris_1")


def test_grpc_by_metadata(envoy, iris):
    """``seldon-model`` metadata decides, whatever ``model_name`` the message has."""
    assert envoy.infer_grpc("iris").model_name == "iris_1"


def test_grpc_readiness_and_metadata(envoy, iris):
    """ModelReady and ModelMetadata name the model in field 1 too, and it is replaced there."""
    named = (("seldon-model", "iris"),)
    ready = envoy.grpc.ModelReady(pb.ModelReadyRequest(name="x"), metadata=named)
    metadata = envoy.grpc.ModelMetadata(pb.ModelMetadataRequest(), metadata=named)
    assert (ready.ready, metadata.name) == (True, "iris_1")


def test_grpc_keeps_the_rest_of_the_message(envoy, iris):
    """A renamed message of 20 MiB arrives whole."""
    request = pb.ModelInferRequest(model_name="x", raw_input_contents=[bytes(10 * 2**20)] * 2)
    answer = envoy.grpc.ModelInfer(request, metadata=(("seldon-model", "iris"),))
    assert (answer.model_name, answer.id) == ("iris_1", str(20 * 2**20))


def test_grpc_message_over_the_limit(envoy, iris):
    """A message too large to be renamed is refused, not passed on under another name."""
    request = pb.ModelInferRequest(raw_input_contents=[bytes(65 * 2**20)])
    with pytest.raises(grpc.RpcError):
        envoy.grpc.ModelInfer(request, metadata=(("seldon-model", "iris"),))
    assert iris.inferred == []


def test_compressed_grpc_is_refused(envoy, iris):
    """A compressed message cannot be renamed; gRPC's word for that is Unimplemented."""
    request = pb.ModelInferRequest(raw_input_contents=[bytes(10_000)])
    named = (("seldon-model", "iris"),)
    call = lambda: envoy.grpc.ModelInfer(request, metadata=named, compression=grpc.Compression.Gzip)  # noqa: E731 (a call to be caught)
    assert refusal(call) is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a\x08secret_1\x7a\x08",  # the last field claims the 8 bytes that are appended
        b"\x0a\x08secret_1\x7a",
        b"\x0a\x08secret_1\x7b",  # an open group
        b"\x0a\x08secret_1\x79\x00",
        b"\xff" * 12,
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_message_that_would_swallow_the_name(envoy, server, message):
    """A message whose last field is not whole is refused: the caller's own name must not survive."""
    stub = server("iris_1", "secret_1")
    envoy.show(route("iris", upstream("iris_1", stub)))
    call = envoy.raw_call("/inference.GRPCInferenceService/ModelInfer")
    assert (
        refusal(lambda: call(message, metadata=(("seldon-model", "iris"),)))
        is grpc.StatusCode.INVALID_ARGUMENT
    )
    assert stub.inferred == []


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_message_reaches_only_the_routed_model(envoy, iris, message):
    """Whatever bytes a caller sends, the server is asked for ``iris_1`` or nothing."""
    iris.models.add("b_1")
    call = envoy.raw_call("/inference.GRPCInferenceService/ModelInfer")
    with contextlib.suppress(grpc.RpcError):
        call(b"\x0a\x03b_1" + message, metadata=(("seldon-model", "iris"),))
    assert set(iris.inferred) <= {"iris_1"}


def test_server_calls_by_grpc_go_to_the_named_models_server(envoy, iris):
    """ServerLive asks the server of the model that the metadata names."""
    assert envoy.grpc.ServerLive(pb.ServerLiveRequest(), metadata=(("seldon-model", "iris"),)).live


def test_unknown_model(envoy, iris):
    """A model that nobody routes is 404 with a JSON error."""
    response = envoy.infer("absent")
    assert (response.status_code, list(response.json())) == (404, ["error"])


def test_unknown_model_by_grpc(envoy, iris):
    """By gRPC an unknown model is Unimplemented."""
    assert refusal(lambda: envoy.infer_grpc("absent")) is grpc.StatusCode.UNIMPLEMENTED


def test_grpc_without_metadata(envoy, iris):
    """By gRPC only metadata names the model."""
    assert refusal(lambda: envoy.infer_grpc(None)) is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/models/iris_1/unload",
        "/v2/models/../repository/models/iris_1/unload",
        "/v2/models/iris/%2e%2e/%2e%2e/repository/index",
        "/v2/models/iris/..%2f..%2frepository/index",
        "/v2/models/iris/..%5c..%5crepository/index",
        "/inference.GRPCInferenceService/RepositoryModelUnload",
        "/metrics",
        "/",
    ],
)
def test_only_model_paths_get_through(envoy, iris, path):
    """Whoever names a model still reaches inference, metadata and readiness only."""
    with httpx.Client(base_url=envoy.url) as raw:
        request = raw.build_request("POST", "/", headers={"seldon-model": "iris"})
        request.url = request.url.copy_with(raw_path=path.encode())
        status = raw.send(request).status_code
    assert (status in {400, 404}, iris.rest) == (True, [])


def test_normalised_path_stays_below_the_model(envoy, iris):
    """Dots that leave a path below ``/v2/models/`` end at the model that was named."""
    with httpx.Client(base_url=envoy.url) as raw:
        request = raw.build_request("GET", "/", headers={"seldon-model": "iris"})
        request.url = request.url.copy_with(raw_path=b"/v2/models//../repository/index")
        raw.send(request)
    assert [path for path, _ in iris.rest] == ["/v2/models/iris_1/index"]


@pytest.mark.parametrize(
    "name", ["", "iris,iris", "IRIS", "iris_1", "%00", '"}', "%REQ(x)%", "..", "é", "a" * 100_000]
)
def test_hostile_model_header(envoy, iris, name):
    """Whatever the header holds, the answer is a short 404 in JSON."""
    response = envoy.http.post("/v2/models/iris/infer", json={}, headers=[(b"seldon-model", name.encode())])
    assert (response.status_code, list(response.json()), len(response.content) < 2000) == (
        404,
        ["error"],
        True,
    )


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready"])
def test_server_paths_are_the_gateways_own(envoy, iris, path):
    """Paths that name no model are answered by the gateway, with 200 and JSON."""
    response = envoy.http.get(path)
    assert (response.status_code, iris.rest) == (200, [])
    assert response.json()


def test_route_header_on_the_answer(envoy, iris):
    """The answer names who gave it, by REST and by gRPC."""
    request, named = pb.ModelInferRequest(), (("seldon-model", "iris"),)
    _, call = envoy.grpc.ModelInfer.with_call(request, metadata=named)
    by_grpc = dict(call.initial_metadata())
    assert (envoy.infer("iris").headers["x-seldon-route"], by_grpc["x-seldon-route"]) == (":iris_1:",) * 2


def test_request_id_is_kept(envoy, iris):
    """A caller's own ``x-request-id`` comes back unchanged and reaches the server."""
    given = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"  # a UUID: Envoy likes to write its trace bits into those
    assert envoy.infer("iris", x_request_id=given).headers["x-request-id"] == given
    assert iris.rest[-1][1]["x-request-id"] == given


def test_request_id_is_made(envoy, iris):
    """Without one each request gets an id of its own."""
    ids = {envoy.infer("iris").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_envoys_own_request_headers_are_without_effect(envoy, server):
    """A caller cannot set timeouts or retries, which Envoy lets trusted callers do."""
    envoy.show(route("slow", upstream("slow_1", server("slow_1", delay=0.3))))
    response = envoy.infer("slow", x_envoy_upstream_rq_timeout_ms="1", x_envoy_upstream_alt_stat_name="x")
    assert response.status_code == 200


def test_internal_name_cannot_be_chosen(envoy, server):
    """A caller's own ``seldon-internal-model`` is overwritten."""
    stub = server("iris_1", "secret_1")
    envoy.show(route("iris", upstream("iris_1", stub)))
    assert envoy.infer("iris", seldon_internal_model="secret_1").json()["model_name"] == "iris_1"


def test_long_model_name(envoy, server):
    """A name of 253 characters, the longest that Kubernetes has, is renamed by REST and gRPC."""
    name = "a" * 253
    envoy.show(route(name, upstream(f"{name}_12", server(f"{name}_12"))))
    assert envoy.infer(name).json()["model_name"] == f"{name}_12"
    assert envoy.infer_grpc(name).model_name == f"{name}_12"


def test_replicas_share_the_requests(envoy, server):
    """The replicas of a model answer in turn."""
    stubs = [server("iris_1"), server("iris_1")]
    envoy.show(route("iris", upstream("iris_1", *stubs)))
    for _ in range(60):
        envoy.infer("iris")
    assert min(len(stub.inferred) for stub in stubs) > 10


def test_replica_that_refuses_connections(envoy, server):
    """A request that reached nobody is tried on another replica."""
    alive, dead = server("iris_1"), server("iris_1")
    dead.stop()
    envoy.show(route("iris", upstream("iris_1", alive, dead)))
    assert {envoy.infer("iris").status_code for _ in range(40)} == {200}


def test_namespaces_have_listeners_of_their_own(envoy, server):
    """A model is reached on the port of its namespace only."""
    other = free_port()
    here = GatewayRoute("default", "iris", (upstream("iris_1", server("iris_1")),))
    there = GatewayRoute("team", "wine", (upstream("wine_1", server("wine_1")),))
    envoy.settle(GatewayTable({"default": envoy.port, "team": other}, (here, there)))
    answers = [
        httpx.post(f"http://127.0.0.1:{port}/v2/models/{model}/infer", json={}).status_code
        for port in (envoy.port, other)
        for model in ("iris", "wine")
    ]
    assert answers == [200, 404, 404, 200]

"""A tiny inference server: REST and gRPC on ports of its own, it counts what reaches it.

It stands in for a real one because a test has to see exactly what arrived, and has to have servers
that lack a model. It answers only for models it has, as a real one does.
"""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as pb_grpc

from runtime.ports import Endpoint

_GRPC_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]


class StubServer:
    """A server that has ``models`` and takes ``delay`` seconds per inference."""

    def __init__(self, *models: str, delay: float = 0.0) -> None:
        self.models = set(models)
        self.delay = delay
        self.rest: list[tuple[str, dict[str, str]]] = []  # path and headers of every request
        self.inferred: list[str] = []  # the model of every inference, REST and gRPC
        # With the protocol named asyncio switches off Nagle's algorithm, else every answer waits 40 ms.
        self._http = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._http.bind(("127.0.0.1", 0))
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self._app(), log_level="error", ws="none", lifespan="off", h11_max_incomplete_event_size=None
            )
        )
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._http]}, daemon=True
        )
        self._grpc = grpc.server(ThreadPoolExecutor(8), options=_GRPC_OPTIONS)
        pb_grpc.add_GRPCInferenceServiceServicer_to_server(_Servicer(self), self._grpc)
        grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self.endpoint = Endpoint("127.0.0.1", self._http.getsockname()[1], grpc_port)

    def start(self) -> "StubServer":
        self._thread.start()
        self._grpc.start()
        return self

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._grpc.stop(None).wait()
        self._thread.join()

    def infer(self, model: str) -> bool:
        time.sleep(self.delay)
        if model not in self.models:
            return False
        self.inferred.append(model)
        return True

    def _app(self) -> Starlette:
        methods = ["GET", "POST", "HEAD"]
        return Starlette(
            routes=[
                Route("/v2/models/{model}/infer", self._infer, methods=methods),
                Route("/v2/models/{model}/versions/{version}/infer", self._infer, methods=methods),
                Route("/{path:path}", self._other, methods=methods),
            ]
        )

    def _infer(self, request: Request) -> JSONResponse:
        self._record(request)
        model = request.path_params["model"]
        if not self.infer(model):
            return JSONResponse({"error": f"Model {model} not found"}, 404)
        return JSONResponse({"model_name": model, "version": request.path_params.get("version")})

    def _other(self, request: Request) -> JSONResponse:
        self._record(request)
        return JSONResponse({"path": request.url.path})

    def _record(self, request: Request) -> None:
        path = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        self.rest.append((f"{path}?{query}" if query else path, dict(request.headers)))


class _Servicer(pb_grpc.GRPCInferenceServiceServicer):
    def __init__(self, server: StubServer) -> None:
        self._server = server

    def ServerLive(self, request, context):  # noqa: N802 (named by the protocol)
        return pb.ServerLiveResponse(live=True)

    def ModelReady(self, request, context):  # noqa: N802 (named by the protocol)
        return pb.ModelReadyResponse(ready=request.name in self._server.models)

    def ModelMetadata(self, request, context):  # noqa: N802 (named by the protocol)
        return pb.ModelMetadataResponse(name=request.name)

    def ModelInfer(self, request, context):  # noqa: N802 (named by the protocol)
        if not self._server.infer(request.model_name):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Model {request.model_name} not found")
        received = sum(len(part) for part in request.raw_input_contents)
        return pb.ModelInferResponse(model_name=request.model_name, id=request.id or str(received))


def answer_model(response_text: str) -> str:
    """The model that a REST answer names."""
    return str(json.loads(response_text)["model_name"])

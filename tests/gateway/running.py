"""A real Envoy under an :class:`EnvoyGateway`, driven from synchronous tests."""

import asyncio
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as pb_grpc

from runtime.gateway import EnvoyGateway
from runtime.ports import GatewayRoute, GatewayTable, Upstream
from tests.gateway.stub import StubServer
from tests.ports import free_port

T = TypeVar("T")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for ``condition``, at most 20 seconds."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.01)


def upstream(model: str, *servers: StubServer, weight: int = 1) -> Upstream:
    return Upstream(model, weight, tuple(sorted(server.endpoint for server in servers)))


def route(name: str, *upstreams: Upstream, **fields: Any) -> GatewayRoute:
    return GatewayRoute("default", name, upstreams, **fields)


class RunningGateway:
    """Envoy as a child process, its gateway object on an event loop in a thread of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.gateway = EnvoyGateway(folder, **settings)
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.grpc = pb_grpc.GRPCInferenceServiceStub(self._channel)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def start(self) -> None:
        self.process = subprocess.Popen(self.gateway.command())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def reopen(self) -> None:
        """A new gateway object on the same folder, as after the controller was killed."""
        self.run(self.gateway.close())
        self.gateway = EnvoyGateway(self.folder, **self._settings)

    def table(self, *routes: GatewayRoute) -> GatewayTable:
        return GatewayTable({"default": self.port}, tuple(sorted(routes, key=lambda r: r.name)))

    def show(self, *routes: GatewayRoute) -> int:
        """Publish these routes and wait until Envoy routes by them; the version."""
        return self.settle(self.table(*routes))

    def settle(self, table: GatewayTable) -> int:
        version = self.run(self.gateway.publish(table))
        self.run(self.gateway.settled(version))
        return version

    def ask(self, path: str) -> str:
        """Envoy's own answer on its admin socket."""
        transport = httpx.HTTPTransport(uds=str(self.folder / "admin.sock"), verify=False)
        with httpx.Client(transport=transport, base_url="http://envoy") as admin:
            return admin.get(path).text

    def statistic(self, name: str) -> str:
        return self.ask(f"/stats?filter=^{name}$").partition(": ")[2].strip()

    def resident_bytes(self) -> int:
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def infer(self, path_name: str, **headers: str) -> httpx.Response:
        return self.http.post(
            f"/v2/models/{path_name}/infer",
            json={"model_name": "whatever", "inputs": []},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def infer_grpc(self, model: str | None, **metadata: str) -> pb.ModelInferResponse:
        sent = {name.replace("_", "-"): value for name, value in metadata.items()}
        if model is not None:
            sent["seldon-model"] = model
        request = pb.ModelInferRequest(model_name="whatever")
        return self.grpc.ModelInfer(request, metadata=tuple(sent.items()))

    def raw_call(self, method: str) -> Any:
        """A gRPC call that sends bytes as they are."""
        return self._channel.unary_unary(method)

    def stop(self) -> None:
        self.http.close()
        self._channel.close()
        self.run(self.gateway.close())
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

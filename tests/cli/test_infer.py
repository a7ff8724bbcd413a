"""``moorage infer``: a request through the gateway."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run


class Gateway(ThreadingHTTPServer):
    """Answers every POST with what it was asked, or with ``refusal``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.refusal: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Echo(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {
            "model_name": "iris_1",
            "path": self.path,
            "header": self.headers["Seldon-Model"],
            "body": body,
        }
        status, answer = self.server.refusal or (200, json.dumps(said).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that echoes."""
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_answer_is_printed(run: Run, gateway: Gateway) -> None:
    """The JSON answer on stdout, who gave it on stderr; asked by path and by header."""
    ran = run("infer", "iris", '{"inputs": []}', "--gateway", gateway.url)
    assert (ran.status, ran.err) == (0, "answered by iris_1\n")
    found = json.loads(ran.out)
    assert (found["path"], found["header"], found["body"]) == (
        "/v2/models/iris/infer",
        "iris",
        {"inputs": []},
    )


def test_the_gateway_is_that_of_the_namespace(run: Run, folder: Path, gateway: Gateway) -> None:
    """Found through the configuration."""
    with (folder / "moorage.yaml").open("a") as file:
        file.write(f"gateway: {{port: 1, listeners: {{team: {gateway.server_port}}}}}\n")
    assert run("infer", "iris", "{}", "-n", "team").status == 0


def test_a_request_may_come_from_a_file(run: Run, folder: Path, gateway: Gateway) -> None:
    """@FILE, as curl has it."""
    (folder / "request.json").write_text('{"inputs": [1]}')
    ran = run("infer", "iris", "@request.json", "--gateway", gateway.url)
    assert json.loads(ran.out)["body"] == {"inputs": [1]}


def test_a_refusal_is_printed_and_exits_with_one(run: Run, gateway: Gateway) -> None:
    """What the gateway says is an answer, too."""
    gateway.refusal = (404, b'{"error": "nothing is served here"}')
    ran = run("infer", "iris", "{}", "--gateway", gateway.url)
    assert (ran.status, json.loads(ran.out)) == (1, {"error": "nothing is served here"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["iris", "{"], "InvalidRequest"),
        (["iris", "@nowhere.json"], "FileNotReadable"),
        (["iris", "{}", "-n", "nowhere"], "NamespaceNotServed"),
        (["iris", "{}", "--gateway", "http://127.0.0.1:9"], "GatewayUnreachable"),
        (["iris", "{}", "--gateway", "nonsense"], "GatewayUnreachable"),
    ],
)
def test_what_cannot_be_asked_exits_with_two(run: Run, arguments: list[str], reason: str) -> None:
    """One line with the reason."""
    ran = run("infer", *arguments)
    assert ran.status == 2
    assert f"moorage: {reason}: " in ran.err


def test_an_answer_that_is_no_json_is_an_error(run: Run, gateway: Gateway) -> None:
    """Something else listens there."""
    gateway.refusal = (200, b"<html>")
    ran = run("infer", "iris", "{}", "--gateway", gateway.url)
    assert (ran.status, ran.out) == (2, "")

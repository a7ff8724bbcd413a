"""A tiny inference server that speaks the Open Inference Protocol's HTTP side, with faults on request.

It "infers" by telling which model answered, how often, and what its artifact holds. Faults are files in
``--faults``: ``start`` (does not come up), ``slow`` (seconds before it listens), ``load-MODEL`` (loads
fail; a number in it counts down), ``crash-MODEL`` (a load ends the process), ``hang-MODEL`` (a load
never answers), ``tell-MODEL`` (loads fail with the server's address in the message). MODEL is without its ``_N``.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Faults:
    """The faults of this replica, read anew each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except FileNotFoundError:
            return ""

    def load_fails(self, model: str) -> bool:
        """Counts down where the file holds a number."""
        name = f"load-{model}"
        if not self.has(name):
            return False
        count = self.text(name)
        if not count:
            return True
        if int(count) <= 0:
            return False
        (self._folder / name).write_text(str(int(count) - 1))
        return True


class Repository:
    """The models below ``folder`` and which of them are loaded."""

    def __init__(self, folder: Path, faults: Faults, port: int) -> None:
        self._folder = folder
        self._faults = faults
        self._port = port
        self.counts: dict[str, int] = {}
        self.payloads: dict[str, str] = {}

    def load(self, name: str) -> str:
        """Load; gives the error, empty where it went well."""
        model = name.rpartition("_")[0]
        if self._faults.has(f"crash-{model}"):
            os._exit(9)
        while self._faults.has(f"hang-{model}"):
            time.sleep(0.05)
        if self._faults.has(f"tell-{model}"):
            return f"{name} cannot be loaded on 127.0.0.1:{self._port}"
        if self._faults.load_fails(model):
            return f"{name} is broken"
        payload = self._folder / "models" / name / "payload"
        if not payload.exists():
            return f"{name} is not in the repository"
        self.payloads[name] = payload.read_text()
        self.counts.setdefault(name, 0)
        return ""

    def is_ready(self, name: str) -> bool:
        return name in self.counts and not self._faults.has(f"unready-{name.rpartition('_')[0]}")

    def unload(self, name: str) -> None:
        self.counts.pop(name, None)
        self.payloads.pop(name, None)


class Handler(BaseHTTPRequestHandler):
    """The protocol's paths."""

    repository: Repository

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["v2", "health", _]:
                self._answer(200, {})
            case ["v2", "models", name, "ready"]:
                self._answer(200 if self.repository.is_ready(name) else 404, {})
            case _:
                self._answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path.strip("/").split("/"):
            case ["v2", "repository", "index"]:
                self._answer(200, [{"name": n, "state": "READY"} for n in self.repository.counts])
            case ["v2", "repository", "models", name, "load"]:
                error = self.repository.load(name)
                self._answer(500 if error else 200, {"error": error})
            case ["v2", "repository", "models", name, "unload"]:
                self.repository.unload(name)
                self._answer(200, {})
            case ["v2", "models", name, "infer"] if name in self.repository.counts:
                self.repository.counts[name] += 1
                count, payload = self.repository.counts[name], self.repository.payloads[name]
                self._answer(200, {"model_name": name, "count": count, "payload": payload})
            case _:
                self._answer(404, {"error": "no such path"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the standard library's name)
        print(format % args, flush=True)

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    arguments = parser.parse_args()
    faults = Faults(arguments.faults)
    time.sleep(float(faults.text("slow") or 0))
    if faults.has("start"):
        print(f"cannot start on port {arguments.http_port}: told not to", flush=True)
        sys.exit(3)
    Handler.repository = Repository(arguments.folder, faults, arguments.http_port)
    with socket.create_server(("127.0.0.1", arguments.grpc_port)):
        server = ThreadingHTTPServer(("127.0.0.1", arguments.http_port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever).run()


if __name__ == "__main__":
    main()

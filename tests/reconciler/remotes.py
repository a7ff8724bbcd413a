"""Git remotes on loopback: git's own daemon, and git's own HTTP server behind a password."""

import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.ports import free_port

USER, PASSWORD = "ada", "pass%2Fword"  # as it stands in a URL


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """The URL below which the repositories in ``folder`` are served by ``git daemon``."""
    port = free_port()
    words = ["--export-all", f"--base-path={folder}", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr"]
    process = subprocess.Popen(
        ["git", "daemon", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """As :func:`daemon`, by HTTP; whoever does not know the password is refused."""
    with _serving(type("Handler", (_Backend,), {"folder": folder})) as host:
        yield host


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def redirect(target: str) -> Iterator[str]:
    """A host that sends everybody to ``target``."""

    class Redirect(_Quiet):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{target}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with _serving(Redirect) as host:
        yield host


@contextmanager
def curious() -> Iterator[tuple[str, list[str | None]]]:
    """A host that always wants to know who asks, and the ``Authorization`` headers that it was shown."""
    shown: list[str | None] = []

    class Curious(_Quiet):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization"))
            self._ask()

    with _serving(Curious) as host:
        yield host, shown


@contextmanager
def silence() -> Iterator[str]:
    """A host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's word)
        """Nothing to stderr."""

    def _ask(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Backend(_Quiet):
    """CGI to ``git http-backend``."""

    folder: Path

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        self._serve(self.rfile.read(int(length)) if length is not None else self._chunks())

    def _chunks(self) -> bytes:
        """A body without a length, as libgit2 pushes."""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _serve(self, body: bytes) -> None:
        wanted = base64.b64encode(f"{USER}:{PASSWORD.replace('%2F', '/')}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self._ask()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=body, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("git daemon does not listen")

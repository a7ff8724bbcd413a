"""``moorage run`` as a process: its start, its end, and what it refuses. Envoy is real; no server is declared."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.address import read_address
from reconciler.ending import end_controller, end_serving
from tests.cli.repository import FILES, commit
from tests.ports import free_port

pytestmark = pytest.mark.real

MOORAGE = [sys.executable, "-m", "reconciler.cli.main"]
PATIENCE = 60.0
ROOT = Path(__file__).parents[2]

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with one model and no server, and a configuration on free ports."""
    commit(tmp_path / "repository.git", {"models/iris.yaml": FILES["models/iris.yaml"]})
    configure(tmp_path, "stop")
    return tmp_path


def configure(folder: Path, on_exit: str) -> None:
    """Write ``moorage.yaml``."""
    settings = {
        "state": "state",
        "onExit": on_exit,
        "applications": [{"name": "example", "repository": "repository.git", "revision": "main"}],
        "gateway": {"port": free_port()},
        "api": {"port": 0},
    }
    (folder / "moorage.yaml").write_text(json.dumps(settings))


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start ``moorage run`` and wait until it is ready; whatever it served is ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = moorage(folder, "run")
        started.append(process)
        until(lambda: ask(folder, "/readyz") is not None, process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()

    asyncio.run(end_serving(folder / "state"))


def moorage(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*MOORAGE, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Exit status and stderr of a process that ends by itself."""
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err.decode()


def ask(folder: Path, path: str) -> Any:
    """What the API of the folder's controller answers with status 200, else None."""
    address = read_address(folder / "state")
    if address is None:
        return None
    try:
        answer = httpx.get(address.url + path, trust_env=False)
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for a condition while the process runs."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < end
        time.sleep(0.05)


def gateway_answers(folder: Path) -> bool:
    """True where somebody accepts on the gateway's port."""
    port = json.loads((folder / "moorage.yaml").read_text())["gateway"]["port"]
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_controller_runs_until_it_is_told_to_end(folder: Path, start: Start) -> None:
    """SIGTERM: status 0, the gateway gone, no address left behind."""
    process = start()
    assert ask(folder, "/api/v1/applications/example")["health"] == "Degraded"
    process.send_signal(signal.SIGTERM)
    status, err = ended(process)
    assert status == 0, err
    assert read_address(folder / "state") is None
    assert not gateway_answers(folder)


def test_logs_are_json_off_a_terminal(start: Start) -> None:
    """One object per line on stderr, nothing on stdout."""
    process = start()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert out == b""
    events = [json.loads(line) for line in err.decode().splitlines()]
    assert {"controller started", "sync started", "ending"} <= {event["event"] for event in events}


def test_a_controller_may_leave_serving(folder: Path, start: Start) -> None:
    """onExit: leave. The gateway answers on, the next controller takes it over, stop ends it."""
    configure(folder, "leave")
    first = start()
    until(lambda: gateway_answers(folder), first)
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 0
    assert gateway_answers(folder)
    start()
    assert ended(moorage(folder, "stop")) == (0, "the controller has ended\nprocesses ended: 1\n")
    assert not gateway_answers(folder)


def test_stop_ends_a_controller(folder: Path, start: Start) -> None:
    """It waits until the process is gone, and is content where there is none."""
    process = start()
    assert end_controller(folder / "state", PATIENCE)
    assert ended(process)[0] == 0
    assert not end_controller(folder / "state", PATIENCE)


def test_a_second_controller_is_refused(folder: Path, start: Start) -> None:
    """One controller per state folder; the first one does not notice."""
    start()
    status, err = ended(moorage(folder, "run"))
    assert status == 2
    assert re.search(r"^moorage: StateLocked: ", err, re.MULTILINE)
    assert ask(folder, "/healthz")["status"] == "ok"


def test_a_busy_api_port_is_refused(folder: Path) -> None:
    """In one line, before anything is started."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        settings = json.loads((folder / "moorage.yaml").read_text())
        settings["api"]["port"] = listening.getsockname()[1]
        (folder / "moorage.yaml").write_text(json.dumps(settings))
        status, err = ended(moorage(folder, "run"))
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("moorage: PortInUse: ")
    assert not (folder / "state").exists()


def test_help_imports_little() -> None:
    """The list of commands does not wait for the reconciler."""
    code = "import sys, reconciler.cli.main; print(sorted(set(sys.modules) & {'pygit2', 'httpx', 'starlette', 'yaml'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_a_busy_gateway_port_is_refused(folder: Path) -> None:
    """In one line that names the port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        settings = json.loads((folder / "moorage.yaml").read_text())
        settings["gateway"]["port"] = listening.getsockname()[1]
        (folder / "moorage.yaml").write_text(json.dumps(settings))
        try:
            status, err = ended(moorage(folder, "run"))
        finally:
            asyncio.run(end_serving(folder / "state"))
    assert status == 2
    assert re.search(rf"^moorage: PortInUse: .*{settings['gateway']['port']}", err, re.MULTILINE)


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    """`moorage … | head` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*MOORAGE, "plan", "-o", "json"],
        cwd=folder,
        env=environment,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr

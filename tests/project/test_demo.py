"""What ``make demo`` refuses before it starts anything. The demo itself is shown by running it."""

import json
import shlex
import socket
from pathlib import Path

import pytest

from scripts.demo import next_steps
from scripts.stage import DemoError, free_port, only_one

VARIABLE = "MOORAGE_GATEWAY_PORT"


def test_a_busy_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the port and the variable that chooses another."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        monkeypatch.setenv(VARIABLE, str(port))
        with pytest.raises(DemoError, match=f"port {port} is busy.*{VARIABLE}"):
            free_port(VARIABLE, 9000)


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A variable that holds no port number is named."""
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(DemoError, match=f"{VARIABLE}={value} is no port"):
        free_port(VARIABLE, 9000)


def test_a_second_demo_is_refused(tmp_path: Path) -> None:
    """One demo at a time in one checkout, so that none clears away what another serves."""
    with only_one(tmp_path), pytest.raises(DemoError, match="a demo is running"), only_one(tmp_path):
        pass


def test_the_next_demo_is_let_in(tmp_path: Path) -> None:
    """A demo that has ended holds nothing."""
    for _ in range(2):
        with only_one(tmp_path):
            assert (tmp_path / "lock").exists()


def test_the_request_to_try_is_whole() -> None:
    """The curl line can be pasted as it is: one command whose body is JSON."""
    lines = next_steps("http://127.0.0.1:9000").splitlines()
    start = next(number for number, line in enumerate(lines) if "curl" in line)
    command = shlex.split(lines[start].rstrip("\\") + lines[start + 1])
    assert command[2] == "http://127.0.0.1:9000/v2/models/iris/infer"
    assert json.loads(command[-1])["inputs"][0]["data"] == [[1, 2, 3, 4]]

"""How a controller ends, what it leaves, and what a failed start leaves: nothing."""

import signal
import socket
from collections.abc import Callable

import pytest

from tests.e2e.manifests import model, server
from tests.e2e.world import World

pytestmark = pytest.mark.real

Worlds = Callable[..., World]


def test_sigterm_stops_everything(fresh_world: Worlds) -> None:
    """With ``onExit: stop`` nothing runs afterwards; the next start serves the same again."""
    world = fresh_world(onExit="stop")
    world.start()
    world.deploy(server(), model("iris"))
    assert world.signal(signal.SIGTERM) == 0
    assert world.processes() == {}
    world.start()
    world.until("the model", lambda: world.caller.answers("iris") == "iris_1")
    assert world.next_plan_is_empty()
    assert world.run("stop").returncode == 0
    assert world.processes() == {}


def test_sigterm_leaves_everything(fresh_world: Worlds) -> None:
    """With ``onExit: leave`` models answer on, the next start adopts, ``moorage stop`` ends it all."""
    world = fresh_world(onExit="leave")
    world.start()
    world.deploy(server(), model("iris"))
    running, syncs = world.processes(), world.syncs()
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        assert world.signal(signal.SIGTERM) == 0
        requests.wait_for_answers()
        world.start()
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.processes() == running
    assert world.next_plan_is_empty()
    assert world.syncs() == syncs
    assert world.signal(signal.SIGTERM) == 0
    assert world.run("stop").returncode == 0
    assert world.processes() == {}


def test_second_controller_is_refused(fresh_world: Worlds) -> None:
    """A second controller on the state folder ends with the reason; the first one's processes stay."""
    world = fresh_world()
    world.start()
    world.deploy(server(), model("iris"))
    running = world.processes()
    second = world.run("run", "--config", "moorage.yaml")
    assert second.returncode != 0
    assert "StateLocked" in second.stderr
    assert world.processes() == running
    assert world.caller.answers("iris") == "iris_1"
    assert world.next_plan_is_empty()


def test_failed_start_leaves_nothing(fresh_world: Worlds) -> None:
    """A controller that cannot have its port says so and leaves no process."""
    world = fresh_world()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.configure(api={"port": taken.getsockname()[1]})
        done = world.run("run", "--config", "moorage.yaml")
    assert done.returncode != 0
    assert "PortInUse" in done.stderr
    assert world.processes() == {}

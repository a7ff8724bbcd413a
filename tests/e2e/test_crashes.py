"""``kill -9`` of everything, one after another, and a restart that finds nothing to do."""

import os
import signal

import pytest

from tests.e2e.manifests import model, server
from tests.e2e.parts import IRIS2, IRIS_V2, SLOW, write_code_model
from tests.e2e.world import World

pytestmark = pytest.mark.real

CALLERS = 2
"""Requests that a steady loop has under way at once: what a killed process can take with it."""


def kill(world: World, role: str) -> int:
    """``kill -9`` of the process of that role; its id."""
    pid = world.pid(role)
    os.kill(pid, signal.SIGKILL)
    return pid


def restarted(world: World, role: str, pid: int) -> bool:
    """True once another process has that role."""
    return [p for p, found in world.processes().items() if found == role and p != pid] != []


def test_killed_controller(world: World) -> None:
    """Serving goes on without a failed request; the next controller adopts the same processes and syncs nothing."""
    world.deploy(server(), model("iris"))
    running, syncs = world.processes(), world.syncs()
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.signal(signal.SIGKILL)
        requests.wait_for_answers()
        world.start()
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.processes() == running
    assert world.next_plan_is_empty()
    assert world.syncs() == syncs


def test_push_while_no_controller_runs(world: World) -> None:
    """The restarted controller takes up what was pushed meanwhile, without a failed request."""
    world.deploy(server(), model("iris"))
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.signal(signal.SIGKILL)
        revision = world.push(server(), model("iris", IRIS_V2))
        world.start()
        world.settled(revision)
        requests.wait_for_answers()
    assert requests.failures == {}
    assert world.replicas("iris") == {"mlserver/0": "iris_2 Loaded"}


def test_killed_controller_in_the_middle_of_a_sync(world: World) -> None:
    """The sync is marked Interrupted or was finished, and the restarted controller ends where Git says."""
    world.deploy(server(), model("iris"))
    syncs = world.syncs()
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        revision = world.push(server(replicas=2), model("iris", IRIS_V2, replicas=2))
        world.until("the sync to begin", lambda: world.syncs() > syncs)
        world.signal(signal.SIGKILL)
        world.start()
        world.settled(revision)
        requests.wait_for_answers()
    assert requests.failures == {}
    assert len(world.replicas("iris")) == 2
    assert sorted(world.processes().values()) == ["gateway", "mlserver/0", "mlserver/1"]


def test_killed_server_with_another_replica(world: World) -> None:
    """With two replicas only the requests that the killed one was answering can fail; it comes back whole."""
    world.deploy(server(replicas=2), model("iris", replicas=2))
    syncs = world.syncs()
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers(100)
        pid = kill(world, "mlserver/1")
        world.until("another process", lambda: restarted(world, "mlserver/1", pid))
        world.until("both replicas", lambda: world.resource("Model", "iris")["health"]["available"] == 2)
        requests.wait_for_answers(100)
    assert requests.failures.total() <= CALLERS, requests.failures
    world.until(
        "both to infer",
        lambda: world.caller.answers("iris") and world.inferences("mlserver/1", world.version("iris")),
    )
    assert world.next_plan_is_empty()
    assert world.syncs() == syncs


def test_killed_server(world: World) -> None:
    """The only replica comes back with all its models under the same names; nothing is synced."""
    world.deploy(server(), model("iris"), model("iris2", IRIS2))
    syncs, versions = world.syncs(), [world.caller.answers(name) for name in ("iris", "iris2")]
    pid = kill(world, "mlserver/0")
    world.until("another process", lambda: restarted(world, "mlserver/0", pid))
    world.until("the models", lambda: [world.caller.answers(name) for name in ("iris", "iris2")] == versions)
    world.until("health", lambda: world.status()["health"] == "Healthy")
    assert world.next_plan_is_empty()
    assert world.syncs() == syncs


def test_killed_server_while_a_model_is_loading(world: World) -> None:
    """The load is tried again on the server that comes back, and the sync ends where Git says."""
    world.deploy(server(), model("iris"))
    syncs = world.syncs()
    slow = model("slow", write_code_model(world.artifacts / "slow", SLOW, "Slow"), requirements=("python",))
    revision = world.push(server(), model("iris"), slow)
    world.until("the sync to begin", lambda: world.syncs() > syncs)
    kill(world, "mlserver/0")
    world.settled(revision)
    assert world.caller.answers("iris").startswith("iris_")
    assert world.replicas("slow") == {"mlserver/0": "slow_1 Loaded"}


def test_killed_gateway(world: World) -> None:
    """Envoy is started again with its routes; the servers are the same and nothing is synced."""
    world.deploy(server(), model("iris"))
    syncs, serving, version = world.syncs(), world.pid("mlserver/0"), world.caller.answers("iris")
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        pid = kill(world, "gateway")
        world.until("another Envoy", lambda: restarted(world, "gateway", pid))
        answered = requests.answered.total()
        world.until("answers again", lambda: requests.answered.total() > answered + 20)
    assert set(requests.answered) == {version}
    assert world.pid("mlserver/0") == serving
    assert world.next_plan_is_empty()
    assert world.syncs() == syncs


def test_everything_killed_at_once(world: World) -> None:
    """After controller, Envoy and server were killed together, a start brings all of it back."""
    world.deploy(server(), model("iris"))
    version = world.caller.answers("iris")
    world.signal(signal.SIGKILL)
    for role in ("gateway", "mlserver/0"):
        kill(world, role)
    world.start()
    world.until("the application", lambda: world.status()["health"] == "Healthy")
    world.until("its answer", lambda: world.caller.answers("iris") == version)
    assert world.next_plan_is_empty()
    assert sorted(world.processes().values()) == ["gateway", "mlserver/0"]

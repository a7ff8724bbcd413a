"""What the configuration decides: declared servers, namespaces and their ports."""

import signal
from collections.abc import Callable

import pytest

from tests.e2e.clients import Caller
from tests.e2e.manifests import model, server, tree
from tests.e2e.parts import IRIS2
from tests.e2e.repository import Repository
from tests.e2e.world import APPLICATION, World, free_port

pytestmark = pytest.mark.real

Worlds = Callable[..., World]


def test_server_that_is_declared_in_the_configuration(fresh_world: Worlds) -> None:
    """A repository that holds only models is served by a server of the configuration."""
    world = fresh_world(servers=[server()])
    world.start()
    world.deploy(model("iris"))
    assert world.caller.answers("iris") == "iris_1"
    assert world.replicas("iris") == {"mlserver/0": "iris_1 Loaded"}
    assert world.next_plan_is_empty()


def test_namespaces_have_ports_of_their_own(fresh_world: Worlds) -> None:
    """Two applications with a model of the same name answer on their own ports, from their own servers."""
    world, port = fresh_world(), free_port()
    other = Repository(world.folder / "other")
    other.push(tree(server(), model("iris", IRIS2), model("mine")))
    world.configure(
        applications=[
            {"name": APPLICATION, "repository": "repository.git", "revision": "main"},
            {"name": "other", "repository": "other/repository.git", "revision": "main", "namespace": "lab"},
        ],
        gateway={"port": world.port, "listeners": {"lab": port}},
    )
    world.start()
    world.deploy(server(), model("iris"))
    world.until("the other", lambda: world.get("/api/v1/applications/other")["health"] == "Healthy")
    lab = Caller(port)
    assert [caller.answers("mine") for caller in (world.caller, lab)] == ["404", "mine_1"]
    assert [caller.answers("iris") for caller in (world.caller, lab)] == ["iris_1", "iris_1"]
    lab.close()
    assert sorted(world.processes().values()) == ["gateway", "mlserver/0", "mlserver/0"]
    assert world.next_plan_is_empty()


def test_another_port_for_a_gateway_that_was_left_serving(fresh_world: Worlds) -> None:
    """After a change of the configured port models answer there, from the servers that ran all the while."""
    world = fresh_world(onExit="leave")
    world.start()
    world.deploy(server(), model("iris"))
    serving = world.pid("mlserver/0")
    assert world.signal(signal.SIGTERM) == 0
    port = free_port()
    world.configure(gateway={"port": port})
    world.start()
    moved = Caller(port)
    world.until("the answer", lambda: moved.answers("iris") == "iris_1")
    moved.close()
    assert world.pid("mlserver/0") == serving
    assert world.next_plan_is_empty()


def test_an_application_is_renamed_while_everything_serves(fresh_world: Worlds) -> None:
    """The configuration file changes under a running controller: the new name takes over what runs, as it
    runs, and a second application joins it."""
    world = fresh_world()
    world.start()
    world.deploy(server(), model("iris"))
    serving, loaded = world.pid("mlserver/0"), world.replicas("iris")
    other = Repository(world.folder / "other")
    other.push(tree(model("mine")))
    world.configure(
        applications=[
            {"name": "renamed", "repository": "repository.git", "revision": "main"},
            {"name": "other", "repository": "other/repository.git", "revision": "main"},
        ]
    )

    def taken_over() -> bool:
        statuses = world.get("/api/v1/applications")["items"]
        seen = {each["name"]: (each["sync"], each["health"]) for each in statuses}
        return seen == dict.fromkeys(("renamed", "other"), ("Synced", "Healthy"))

    world.until("both applications", taken_over)
    assert (world.pid("mlserver/0"), world.replicas("iris")) == (serving, loaded)
    assert [world.caller.answers(name) for name in ("iris", "mine")] == ["iris_1", "mine_1"]

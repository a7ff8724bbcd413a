"""From table to table: nothing is lost, nothing is done twice, and what fails leaves the old table."""

import asyncio
import os
import socket
import stat
import threading
from dataclasses import replace

import pytest

from runtime.gateway import EnvoyGateway
from runtime.ports import Endpoint, GatewayTable, Upstream
from schemas.errors import InputError, StopError, TransientError
from tests.gateway.running import RunningGateway, route, until, upstream
from tests.ports import free_port

pytestmark = pytest.mark.real


class SteadyLoad:
    """Requests one after the other, REST and gRPC by turns, until the ``with`` block ends."""

    def __init__(self, envoy, model):
        self._envoy, self._model = envoy, model
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(call,)) for call in (self._rest, self._grpc)
        ]
        self.answered = 0
        self.failed = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, call):
        while not self._end.is_set():
            try:
                call()
                self.answered += 1
            except Exception as error:  # noqa: BLE001 (whatever it is, the request failed)
                self.failed.append(repr(error))

    def _rest(self):
        self._envoy.infer(self._model).raise_for_status()

    def _grpc(self):
        self._envoy.infer_grpc(self._model)


def test_hundred_switches_fail_no_request(envoy, server):
    """100 switches of version and server under steady load: every request is answered."""
    servers = [server("iris_1"), server("iris_2")]
    versions = [route("iris", upstream(f"iris_{n}", each)) for n, each in enumerate(servers, 1)]
    envoy.show(versions[0])
    with SteadyLoad(envoy, "iris") as load:
        for n in range(100):
            envoy.show(versions[(n + 1) % 2])
    assert load.failed == []
    assert load.answered > 100
    assert min(len(each.inferred) for each in servers) > 10


def test_long_request_outlives_its_route(envoy, server):
    """A request that is being answered ends well after route and cluster are gone."""
    old, new = server("iris_1", delay=1.5), server("iris_2")
    envoy.show(route("iris", upstream("iris_1", old)))
    answers = []
    request = threading.Thread(target=lambda: answers.append(envoy.infer("iris")))
    request.start()
    until(lambda: old.rest, "the request to arrive")
    envoy.show(route("iris", upstream("iris_2", new)))
    until(lambda: len(clusters(envoy)) == 2, "the old clusters to go")
    request.join()
    assert answers[0].json()["model_name"] == "iris_1"


def clusters(envoy):
    return {line.split("::")[0] for line in envoy.ask("/clusters").splitlines()}


def test_unused_clusters_go(envoy, server):
    """Clusters that no route uses are removed after the drain time, without a further publish."""
    envoy.show(route("iris", upstream("iris_1", server("iris_1"))))
    before = clusters(envoy)
    envoy.show(route("iris", upstream("iris_2", server("iris_2"))))
    until(lambda: not clusters(envoy) & before, "the old clusters to go")
    assert len(clusters(envoy)) == 2


def test_same_table_costs_nothing(envoy, server):
    """An equal table gets the version it has, and no file is written."""
    routes = (route("iris", upstream("iris_1", server("iris_1"))),)
    version = envoy.show(*routes)
    written = {path: path.stat().st_mtime_ns for path in envoy.folder.rglob("*.*")}
    assert envoy.show(*routes) == version
    assert {path: path.stat().st_mtime_ns for path in envoy.folder.rglob("*.*")} == written


def test_quick_publishes_are_coalesced(envoy, server):
    """Of 200 tables that come at once few are written, and the last one is in force."""
    stub = server("iris_1")
    weights = [route("iris", upstream("iris_1", stub, weight=n + 1)) for n in range(200)]

    async def publish_all():
        versions = [await envoy.gateway.publish(envoy.table(each)) for each in weights]
        await envoy.gateway.settled(versions[-1])
        return versions

    versions = envoy.run(publish_all())
    updates = int(envoy.statistic("http.default.rds.default.update_success"))
    assert versions == sorted(set(versions))
    assert updates < 100
    assert '"weight": 200' in envoy.ask("/config_dump?resource=dynamic_route_configs")


def test_table_that_envoy_refuses(envoy, server):
    """The old table stays in force, Envoy's own words are in the error, and a good table follows."""
    good = route("iris", upstream("iris_1", server("iris_1")))
    envoy.show(good)
    bad = Upstream("iris_1", 1, (Endpoint("not-an-address", 1, 2),))
    with pytest.raises(TransientError, match="malformed IP address: not-an-address") as caught:
        envoy.show(route("iris", bad))
    assert caught.value.reason == "GatewayRefused"
    assert envoy.infer("iris").status_code == 200
    envoy.show(good, route("other", *good.upstreams))
    assert envoy.infer("other").status_code == 200


def test_refused_table_is_not_started_with(envoy, server):
    """After a refusal a restarted Envoy has the table that was in force."""
    envoy.show(route("iris", upstream("iris_1", server("iris_1"))))
    with pytest.raises(TransientError):
        envoy.show(route("iris", Upstream("iris_1", 1, (Endpoint("not-an-address", 1, 2),))))
    envoy.kill()
    envoy.start()
    until(lambda: envoy.run(envoy.gateway.ready()), "Envoy")
    assert envoy.infer("iris").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../etc"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "%REQ(x)%"},
        {"namespace": "elsewhere"},
        {"upstreams": (Upstream("iris\n_1", 1, ()),)},
        {"mirror": Upstream("%REQ(x)%", 1, ())},
    ],
)
def test_names_that_are_none(envoy, server, change):
    """A table with a name that is none, or that no listener reaches, is refused before it is written."""
    good = route("iris", upstream("iris_1", server("iris_1")))
    with pytest.raises(InputError, match="BadRoute"):
        envoy.show(replace(good, **change))


def test_killed_envoy_starts_from_the_files(envoy, server):
    """After kill -9 a new Envoy routes by the last table without anybody publishing it."""
    envoy.show(route("iris", upstream("iris_1", server("iris_1"))))
    envoy.kill()
    envoy.start()
    until(lambda: envoy.run(envoy.gateway.ready()), "Envoy")
    assert envoy.infer("iris").status_code == 200


def test_published_while_envoy_is_away(envoy, server):
    """What is published while no Envoy runs is in force when it runs again."""
    envoy.kill()
    routes = envoy.table(route("iris", upstream("iris_1", server("iris_1"))))
    version = envoy.run(envoy.gateway.publish(routes))
    until(lambda: (envoy.folder / "routes" / "default.pb").exists(), "the files")
    envoy.start()
    envoy.run(envoy.gateway.settled(version))
    assert envoy.infer("iris").status_code == 200


def test_settled_without_envoy(tmp_path, server):
    """Where no Envoy runs, waiting ends after a bound with the reason."""
    away = RunningGateway(tmp_path / "gateway", patience=0.3)
    try:
        with pytest.raises(TransientError, match="GatewayNotReady"):
            away.show(route("iris", upstream("iris_1", server("iris_1"))))
    finally:
        away.stop()


def test_new_object_goes_on(envoy, server):
    """A new object on the folder of a running Envoy uses later versions and loses no request."""
    first, second = server("iris_1"), server("iris_2")
    last = envoy.show(route("iris", upstream("iris_1", first)))
    pid = envoy.process.pid
    with SteadyLoad(envoy, "iris") as load:
        envoy.reopen()
        assert envoy.run(envoy.gateway.ready())
        envoy.gateway.command()
        again = envoy.show(route("iris", upstream("iris_1", first)))
        newest = envoy.show(route("iris", upstream("iris_2", second)))
    assert last < again < newest
    assert (load.failed, envoy.process.pid, envoy.process.poll()) == ([], pid, None)
    until(lambda: len(clusters(envoy)) == 2, "the clusters of the time before to go")


def test_adoption_writes_nothing_for_the_same_table(envoy, server):
    """A controller that restarts without changes rewrites no table."""
    routes = (route("iris", upstream("iris_1", server("iris_1"))),)
    envoy.show(*routes)
    tables = [*envoy.folder.glob("*s.json"), *envoy.folder.glob("routes/*")]
    written = {path: path.stat().st_mtime_ns for path in tables}
    envoy.reopen()
    envoy.show(*routes)
    assert {path: path.stat().st_mtime_ns for path in tables} == written


def test_namespace_comes_and_goes(envoy, server):
    """A namespace that leaves the table takes its listener and its file along."""
    other = free_port()
    stub = server("iris_1")
    here = route("iris", upstream("iris_1", stub))
    there = replace(here, namespace="team")
    envoy.settle(GatewayTable({"default": envoy.port, "team": other}, (here, there)))
    envoy.show(here)
    assert [path.name for path in (envoy.folder / "routes").iterdir()] == ["default.pb"]
    assert "team" not in envoy.ask("/listeners")


def test_namespaces_swap_their_ports(envoy, server):
    """Listeners move to ports that others had, in one table."""
    other = free_port()
    here = route("iris", upstream("iris_1", server("iris_1")))
    envoy.settle(GatewayTable({"default": envoy.port, "team": other}, (here,)))
    envoy.settle(GatewayTable({"default": other, "team": envoy.port}, (here,)))
    assert envoy.infer("iris").status_code == 404


def test_busy_port(envoy, server):
    """A port that another program has is refused in one line that names it, and nothing is written."""
    stub = server("iris_1")
    taken = stub.endpoint.http_port
    here = route("iris", upstream("iris_1", stub))
    with pytest.raises(StopError, match=f"PortInUse: port {taken} on 127.0.0.1") as caught:
        envoy.settle(GatewayTable({"default": taken}, (here,)))
    assert "\n" not in str(caught.value)


def test_busy_port_before_start(envoy, server):
    """The command is refused where a listener of the last table could not listen."""
    envoy.show(route("iris", upstream("iris_1", server("iris_1"))))
    envoy.kill()
    with socket.create_server(("127.0.0.1", envoy.port)), pytest.raises(StopError, match="PortInUse"):
        envoy.gateway.command()


def test_unknown_names_do_not_grow_memory(envoy, server):
    """20,000 requests for different unknown models leave Envoy's memory where it was."""
    envoy.show(route("iris", upstream("iris_1", server("iris_1"))))
    for n in range(2000):
        envoy.infer(f"warm-{n}")
    before = envoy.resident_bytes()
    for n in range(18_000):
        envoy.http.get(f"/v2/models/absent-{n}", headers={"x-seldon-route": f":absent-{n}_1:"})
    assert envoy.resident_bytes() - before < 8 * 2**20


def test_admin_socket_is_private(envoy):
    """Only this user may ask Envoy."""
    until((envoy.folder / "admin.sock").exists, "the admin socket")
    assert stat.S_IMODE((envoy.folder / "admin.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(envoy.folder.stat().st_mode) == 0o700


def test_drain_lets_requests_end(envoy, server):
    """After drain no connection is accepted, and requests that were being answered are."""
    stub = server("iris_1", delay=0.5)
    envoy.show(route("iris", upstream("iris_1", stub)))
    answers = []
    request = threading.Thread(target=lambda: answers.append(envoy.infer("iris").status_code))
    request.start()
    until(lambda: stub.rest, "the request to arrive")
    envoy.run(envoy.gateway.drain())
    envoy.kill()
    request.join()
    assert answers == [200]


def test_folder_that_is_too_deep(tmp_path):
    """A folder whose socket would have too long a path is refused with the reason."""
    with pytest.raises(StopError, match="PathTooLong"):
        EnvoyGateway(tmp_path / ("d" * 100)).command()


def test_torn_tables_are_replaced(tmp_path):
    """What is no whole table is replaced by an empty one before Envoy starts; versions go on."""
    gateway = EnvoyGateway(tmp_path)
    gateway.command()
    (tmp_path / "clusters.json").write_text('{"version_info":"7","resources":[{"na')
    os.truncate(tmp_path / "listeners.json", 0)
    EnvoyGateway(tmp_path).command()
    assert (tmp_path / "clusters.json").read_text().endswith('"resources":[]}')
    asyncio.run(gateway.close())

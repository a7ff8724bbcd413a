"""Tables as Envoy is to read them."""

import json
from collections import ChainMap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.gateway.clusters import PROTOCOLS, cluster_name, clusters
from runtime.gateway.listeners import bootstrap, listener
from runtime.gateway.rendering import Renderer
from runtime.gateway.routing import entry, route_configuration
from runtime.ports import Endpoint, GatewayRoute, GatewayTable, Upstream
from schemas.errors import InputError

GOLDEN = Path(__file__).parent / "golden"
ONE = (Endpoint("127.0.0.1", 8001, 8002),)
TWO = (Endpoint("127.0.0.1", 8001, 8002), Endpoint("127.0.0.1", 8003, 8004))
PLAIN = GatewayRoute("default", "iris", (Upstream("iris_1", 1, ONE),))
EXPERIMENT = GatewayRoute(
    "default",
    "x.experiment",
    (Upstream("iris_1", 70, ONE), Upstream("iris2_3", 30, TWO)),
    mirror=Upstream("shadow_2", 50, ONE),
    sticky=True,
)
TABLE = GatewayTable({"default": 9000}, (PLAIN, EXPERIMENT))


def renderer():
    return Renderer("127.0.0.1", lambda namespace: Path("/gateway/routes") / f"{namespace}.pb")


def maps(*routes):
    joined = {protocol: [entry(route, protocol)["map"] for route in routes] for protocol in PROTOCOLS}
    return {protocol: {"map": dict(ChainMap(*found))} for protocol, found in joined.items()}


PARTS = {
    "clusters": lambda: clusters(TABLE),
    "routes": lambda: route_configuration("default", maps(PLAIN, EXPERIMENT)),
    "listener": lambda: listener("default", "127.0.0.1", 9000, Path("/gateway/routes/default.pb")),
    "bootstrap": lambda: bootstrap(Path("/g/admin.sock"), Path("/g/c.json"), Path("/g/l.json")),
}


def golden_text(name):
    return json.dumps(PARTS[name](), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", PARTS)
def test_golden(name):
    """Every part of the configuration is as it was reviewed; running this module writes them anew."""
    assert (GOLDEN / f"{name}.json").read_text() == golden_text(name)


endpoints = st.builds(
    Endpoint, st.just("127.0.0.1"), http_port=st.integers(1, 65535), grpc_port=st.integers(1, 65535)
)
upstreams = st.builds(
    Upstream,
    model=st.from_regex(r"[a-z]{1,5}_[1-9]", fullmatch=True),
    weight=st.integers(0, 100),
    endpoints=st.lists(endpoints, max_size=3, unique=True).map(lambda found: tuple(sorted(found))),
)
routes = st.builds(
    GatewayRoute,
    namespace=st.sampled_from(["default", "team"]),
    name=st.sampled_from(["a", "b", "c", "x.experiment"]),
    upstreams=st.lists(upstreams, max_size=3).map(tuple),
    mirror=st.none() | upstreams,
    sticky=st.booleans(),
)
tables = st.builds(
    GatewayTable,
    listeners=st.just({"default": 9000, "team": 9001}),
    routes=st.lists(routes, max_size=4, unique_by=lambda route: (route.namespace, route.name)).map(tuple),
)


@given(tables, tables)
def test_what_is_kept_makes_no_difference(first, second):
    """After another table the bytes are those of a renderer that has seen none."""
    used = renderer()
    used.render(first)
    assert used.render(second) == renderer().render(second)


@given(tables)
def test_order_makes_no_difference(table):
    """Routes and listeners in another order give the same bytes."""
    turned = GatewayTable(dict(reversed(table.listeners.items())), table.routes[::-1])
    assert renderer().render(turned) == renderer().render(table)


@given(tables)
def test_every_cluster_that_is_routed_to_is_there(table):
    """No route names a cluster that the table lacks, and no cluster is without a route."""
    rendered = renderer().render(table)
    routed = b"".join(rendered.routes.values())
    sets = {each.endpoints for route in table.routes for each in route.upstreams}
    mirrored = {route.mirror.endpoints for route in table.routes if route.mirror}
    expected = {cluster_name(each, p) for each in sets for p in PROTOCOLS}
    expected |= {cluster_name(each, p, mirror=True) for each in mirrored for p in PROTOCOLS}
    assert set(rendered.clusters) == expected
    assert all(name.encode() in rendered.clusters[name] for name in expected)
    assert all(name.encode() in routed for name in expected if weighs(name, table))


def weighs(name, table):
    """True where some route has to name the cluster: its target has a share or can be pinned."""
    return any(
        name in {cluster_name(each.endpoints, protocol) for protocol in PROTOCOLS}
        for route in table.routes
        for each in route.upstreams
        if route.sticky or each.weight
    )


def test_cluster_is_named_by_its_endpoints():
    """The name depends on the endpoints and the protocol, not on the model that is served there."""
    one = clusters(GatewayTable({"default": 9000}, (PLAIN,)))
    renamed = replace(PLAIN, name="other", upstreams=(Upstream("other_7", 3, ONE),))
    assert one == clusters(GatewayTable({"default": 9000}, (renamed,)))
    assert len({cluster_name(ONE, "http"), cluster_name(ONE, "grpc"), cluster_name(TWO, "http")}) == 3


def test_number_of_clusters_does_not_follow_the_models():
    """1,000 models on one server have its two clusters."""
    many = tuple(replace(PLAIN, name=f"m{n}", upstreams=(Upstream(f"m{n}_1", 1, ONE),)) for n in range(1000))
    assert len(clusters(GatewayTable({"default": 9000}, many))) == 2


@pytest.mark.parametrize(
    "listeners",
    [{"../x": 9000}, {"A": 9000}, {"default": 0}, {"default": 65536}, {"default": 9000, "b": 9000}],
)
def test_listeners_that_cannot_be(listeners):
    """Namespaces that are no names, ports that are none or are wanted twice are refused."""
    with pytest.raises(InputError, match="BadRoute"):
        renderer().render(GatewayTable(listeners))


def test_route_that_is_there_twice():
    """Two routes of one name are refused: one of them would silently lose."""
    with pytest.raises(InputError, match="twice"):
        renderer().render(GatewayTable({"default": 9000}, (PLAIN, PLAIN)))


if __name__ == "__main__":
    for part in PARTS:
        (GOLDEN / f"{part}.json").write_text(golden_text(part))

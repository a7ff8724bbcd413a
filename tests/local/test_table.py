"""The gateway's table: the wanted routes over what serves, nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from runtime.local.table import gateway_table
from runtime.ports import Endpoint
from runtime.routes import MirrorTarget, Route, Target, WeightedTarget

REPLICAS = [ReplicaId("ns", "s", index) for index in range(4)]
ENDPOINTS = {replica: Endpoint("127.0.0.1", 1000 - replica.index, 2000) for replica in REPLICAS}

replica_sets = st.sets(st.sampled_from(REPLICAS), min_size=1).map(lambda found: tuple(sorted(found)))
targets = st.builds(Target, st.sampled_from(["a", "b"]), st.just("v1"), replica_sets)
weighted = st.builds(WeightedTarget, targets, st.integers(1, 100))
mirrors = st.none() | st.builds(MirrorTarget, targets, st.integers(0, 100))
routes = st.builds(
    Route,
    st.just("ns"),
    st.just("r"),
    st.lists(weighted, min_size=1, max_size=2, unique_by=lambda w: w.target.model).map(tuple),
    mirrors,
    st.none() | st.just("experiment"),
)


def table(route: Route, serving: set[ReplicaId]):
    return gateway_table(
        {"ns": 9000},
        [route],
        lambda _, __, replica: ENDPOINTS[replica] if replica in serving else None,
        lambda _, target: f"{target.model}_1",
    )


@given(routes, st.sets(st.sampled_from(REPLICAS)))
def test_every_endpoint_serves_and_every_server_of_a_member_is_an_endpoint(route, serving):
    """Members that nobody serves are left out, the others keep their weights."""
    found = {u.model: u for r in table(route, serving).routes for u in r.upstreams}
    for member in route.targets:
        here = tuple(sorted(ENDPOINTS[r] for r in member.target.replicas if r in serving))
        upstream = found.pop(f"{member.target.model}_1", None)
        assert (upstream.endpoints, upstream.weight) == (here, member.weight) if here else upstream is None
    assert not found


@given(routes)
def test_a_route_that_nobody_serves_is_not_there(route):
    """An unknown name is answered with 404 by the gateway, not with 503."""
    assert table(route, set()).routes == ()


@given(routes)
def test_mirror_and_stickiness_are_handed_on(route):
    """The mirror weighs in percent; a route that an experiment shaped is sticky."""
    (built,) = table(route, set(REPLICAS)).routes
    assert built.sticky == (route.experiment is not None)
    assert (built.mirror and built.mirror.weight) == (route.mirror and route.mirror.percent)


def test_listeners_are_handed_on():
    """Also where no route leads to them."""
    assert gateway_table({"ns": 9000}, [], lambda *_: None, lambda *_: "").listeners == {"ns": 9000}


def test_a_route_without_a_listener_is_left_out():
    """One namespace that nobody configured must not keep the others from being served."""
    route = Route("elsewhere", "r", (WeightedTarget(Target("a", "v1", (REPLICAS[0],)), 1),))
    assert table(route, set(REPLICAS)).routes == ()

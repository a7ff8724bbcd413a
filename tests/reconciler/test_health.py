"""Health: what is observed, put into Argo CD's words."""

from dataclasses import replace

import pytest

from placement.inventory import ReplicaId
from reconciler.health import Health, Observation, health, worst
from reconciler.planning.plan import Failure, Load, Plan, RouteChange, ServerMove
from runtime.routes import Route
from runtime.state import AppliedResource, LiveModelReplica, LiveServerReplica, LiveState
from schemas.resource import Resource
from schemas.template import ServerTemplate, server_template
from tests.reconciler.world import POLICY, experiment, model, resource, server

AT = ReplicaId("default", "mlserver", 0)
NEXT = ReplicaId("default", "mlserver", 1)
THIRD = ReplicaId("default", "mlserver", 2)
TEMPLATE: ServerTemplate = server_template(server().spec, POLICY.server_configs["mlserver"])
NOTHING = Plan("app", "r1", "Sync")


def replica(at: ReplicaId = AT, state: str = "Ready", **facts: str) -> LiveServerReplica:
    return LiveServerReplica(at, state, TEMPLATE, TEMPLATE.capabilities, **facts)


def loaded(of: Resource, at: ReplicaId = AT, state: str = "Loaded", **facts: str) -> LiveModelReplica:
    return LiveModelReplica("default", of.key.name, of.spec.version, 1, at, 0, state, **facts)


def live(*resources: Resource, servers=(), models=()) -> LiveState:
    return LiveState(tuple(AppliedResource(r, "app") for r in resources), tuple(servers), tuple(models))


def judged(of: Resource, state: LiveState, todo: Plan | None = NOTHING) -> tuple[str, str]:
    seen = health(of, Observation(state, todo))
    return seen.status, seen.reason


def failed(of: Resource, reason: str, desired: int = 1, placed: int = 0) -> Plan:
    return replace(NOTHING, failures=(Failure(of.key, reason, "why", desired, placed),))


IRIS = model("iris", replicas=2, minReplicas=1)
TWO = [replica(), replica(NEXT)]


@pytest.mark.parametrize(
    ("servers", "models", "todo", "expected"),
    [
        (TWO, [loaded(IRIS), loaded(IRIS, NEXT)], NOTHING, ("Healthy", "ModelAvailable")),
        (TWO, [loaded(IRIS)], NOTHING, ("Healthy", "ModelAvailable")),
        (TWO, [], NOTHING, ("Progressing", "ModelProgressing")),
        ([replica(), replica(NEXT, "Restarting")], [loaded(IRIS), loaded(IRIS, NEXT)], NOTHING,
         ("Healthy", "ModelAvailable")),
        ([replica(state="Restarting"), replica(NEXT, "Restarting")], [loaded(IRIS), loaded(IRIS, NEXT)], NOTHING,
         ("Progressing", "ModelProgressing")),
        (TWO, [loaded(IRIS), loaded(IRIS, NEXT, "LoadFailed")], NOTHING, ("Degraded", "LoadFailed")),
        (TWO, [loaded(IRIS), loaded(IRIS, NEXT, "LoadFailed")], failed(IRIS, "PartiallyScheduled", 2, 1),
         ("Degraded", "LoadFailed")),
        (TWO, [loaded(IRIS), loaded(IRIS, NEXT), loaded(IRIS, THIRD, "LoadFailed")], NOTHING,
         ("Healthy", "ModelAvailable")),
        (TWO, [loaded(IRIS)], failed(IRIS, "ScheduleFailed"), ("Degraded", "ScheduleFailed")),
        (TWO, [loaded(IRIS, state="LoadFailed")], failed(IRIS, "ScheduleFailed"), ("Degraded", "LoadFailed")),
        (TWO, [loaded(IRIS)], failed(IRIS, "PartiallyScheduled", 2, 1), ("Healthy", "PartiallyScheduled")),
        ([replica(state="Restarting")], [loaded(IRIS)], failed(IRIS, "PartiallyScheduled", 2, 1),
         ("Progressing", "ModelProgressing")),
    ],
)  # fmt: skip
def test_model(servers, models, todo, expected):
    """A model is as healthy as the replicas that answer, counted against those it can have."""
    assert judged(IRIS, live(IRIS, servers=servers, models=models), todo) == expected


def test_without_a_minimum_every_replica_counts():
    """One of two is not enough where the manifest sets no minReplicas, and the message counts them."""
    two = model("iris", replicas=2)
    seen = health(two, Observation(live(two, servers=TWO, models=[loaded(two)]), NOTHING))
    assert (seen.status, seen.message) == ("Progressing", "1 of 2 replicas are ready")


def test_model_that_is_scaled_down_still_unloads():
    """As long as something of it answers it is on its way down."""
    none = model("iris", replicas=0)
    assert judged(none, live(none, servers=TWO, models=[loaded(none)])) == ("Progressing", "ModelProgressing")


def test_model_scaled_down_is_healthy():
    """replicas: 0 is a wish, not a lack."""
    none = model("none", replicas=0)
    assert judged(none, live(none)) == ("Healthy", "ModelScaledDown")


def test_old_version_does_not_count():
    """While only the version before answers, the wanted one is on its way."""
    new = model("iris", storageUri="gs://v2")
    state = live(new, servers=TWO, models=[loaded(IRIS), loaded(IRIS, NEXT)])
    assert judged(new, state) == ("Progressing", "ModelProgressing")


def test_model_that_is_to_be_loaded_progresses():
    """The plan says that replicas are on their way."""
    load = Load("default", "iris", IRIS.spec.version, NEXT, 0, "MoreReplicas", 1)
    state = live(IRIS, servers=TWO, models=[loaded(IRIS)])
    assert judged(IRIS, state, replace(NOTHING, loads=(load,))) == ("Progressing", "ModelProgressing")


def test_what_is_not_applied_is_missing():
    """In Git and nowhere else."""
    assert judged(IRIS, live()) == ("Missing", "NotApplied")


SERVER = server(replicas=2)


@pytest.mark.parametrize(
    ("servers", "todo", "expected"),
    [
        (TWO, NOTHING, ("Healthy", "ServerReady")),
        ([replica()], NOTHING, ("Progressing", "ServerProgressing")),
        ([replica(), replica(NEXT, "Restarting", message="exit 1")], NOTHING,
         ("Progressing", "ServerProgressing")),
        ([replica(), replica(NEXT, "Lost", reason="ServerStartFailed")], NOTHING,
         ("Degraded", "ServerStartFailed")),
        ([replica(), replica(NEXT, "Lost")], NOTHING, ("Degraded", "ServerReplicaLost")),
        (TWO, failed(SERVER, "NoServerBinary"), ("Degraded", "NoServerBinary")),
        (TWO, replace(NOTHING, server_moves=(ServerMove("replace", AT, TEMPLATE),)),
         ("Progressing", "ServerProgressing")),
        ([replica(reason="ServerStartFailed", message="no port"), replica(NEXT)],
         replace(NOTHING, server_moves=(ServerMove("replace", AT, TEMPLATE),)),
         ("Degraded", "ServerStartFailed")),
        ([replica(reason="ServerStartFailed", message="no port"), replica(NEXT)], NOTHING,
         ("Healthy", "ServerReady")),
    ],
)  # fmt: skip
def test_server(servers, todo, expected):
    """A server is as healthy as its worst replica; a replacement that failed is told as long as it is
    wanted, while the old one serves."""
    assert judged(SERVER, live(SERVER, servers=servers), todo) == expected


def test_server_names_what_is_not_installed():
    """Declared capabilities without a runtime here are named; nothing else is wrong with the server."""
    bare = replace(replica(), capabilities=("mlserver",))
    seen = health(server(), Observation(live(server(), servers=[bare]), NOTHING))
    assert seen.status == "Healthy"
    assert "sklearn" in seen.message


A, B = model("a"), model("b")
SPLIT = experiment("ab", {"a": 1, "b": 1}, default="a")


def test_experiment_is_as_healthy_as_its_candidates():
    """All answer: active; one does not: degraded, and it is named."""
    both = live(SPLIT, A, B, servers=TWO, models=[loaded(A), loaded(B)])
    one = live(SPLIT, A, B, servers=TWO, models=[loaded(A)])
    assert judged(SPLIT, both) == ("Healthy", "ExperimentActive")
    seen = health(SPLIT, Observation(one, NOTHING))
    assert (seen.status, seen.reason, seen.available) == ("Degraded", "CandidatesNotReady", 1)
    assert "b" in seen.message


def test_experiment_whose_routes_change_progresses():
    """Its own route or the one of its default."""
    both = live(SPLIT, A, B, servers=TWO, models=[loaded(A), loaded(B)])
    for name in ("a", "ab.experiment"):
        change = RouteChange("default", name, None, Route("default", name, ()))
        assert judged(SPLIT, both, replace(NOTHING, routes=(change,))) == (
            "Progressing",
            "ExperimentProgressing",
        )


def test_pipeline_without_an_engine_is_degraded():
    """The failure of the plan is the health of the resource."""
    pipeline = resource("Pipeline", "p", steps=[{"name": "a"}])
    assert judged(pipeline, live(pipeline), failed(pipeline, "NoDataflowEngine")) == (
        "Degraded",
        "NoDataflowEngine",
    )


def test_other_kinds_are_healthy_once_applied():
    """Nothing runs of them, so nothing can be wrong."""
    config = resource("ServerConfig", "own", podSpec={})
    assert health(config, Observation(live(config), None)) == Health("Healthy", "Applied")


def test_worst_counts():
    """An application is as healthy as its worst resource, and healthy without any."""
    assert worst([]) == "Healthy"
    assert worst(["Healthy", "Degraded", "Progressing", "Missing"]) == "Degraded"

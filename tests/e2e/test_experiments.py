"""Experiments on models through the real gateway, counted by the answers and by MLServer itself."""

from collections import Counter
from math import sqrt

import pytest

from tests.e2e.manifests import Manifest, experiment, model, server
from tests.e2e.parts import IRIS2, IRIS_V2
from tests.e2e.world import World

pytestmark = pytest.mark.real

REQUESTS = 2000
DEVIATIONS = 5.0
"""Standard deviations that a binomial count may be off: passed by chance all but once in 1.7 million."""

MODELS: tuple[Manifest, ...] = (server(), model("iris"), model("iris2", IRIS2))


def split(**spec: object) -> Manifest:
    return experiment("split", {"iris": 70, "iris2": 30}, default="iris", **spec)


def test_split_by_weight(world: World) -> None:
    """Of 2,000 requests each candidate answers its share, within five standard deviations."""
    world.deploy(*MODELS, split())
    answered = Counter(world.caller.answers("iris") for _ in range(REQUESTS))
    assert set(answered) == {"iris_1", "iris2_1"}
    deviation = sqrt(REQUESTS * 0.7 * 0.3)
    assert abs(answered["iris_1"] - REQUESTS * 0.7) <= DEVIATIONS * deviation


def test_split_by_grpc_and_by_its_own_name(world: World) -> None:
    """Both candidates answer by gRPC, at the default's name and at the experiment's; others are left alone."""
    world.deploy(*MODELS, split())
    for name in ("iris", "split.experiment"):
        assert {world.caller.rpc(name).model_name for _ in range(60)} == {"iris_1", "iris2_1"}
    assert {world.caller.answers("iris2") for _ in range(20)} == {"iris2_1"}


def test_answers_stick_to_a_candidate(world: World) -> None:
    """A caller that sends ``x-seldon-route`` back stays with its candidate, also over a new version."""
    world.deploy(*MODELS, split())
    for candidate in ("iris_1", "iris2_1"):
        route = f":{candidate}:"
        answers = [world.caller.rest("iris", x_seldon_route=route) for _ in range(30)]
        assert {answer.json()["model_name"] for answer in answers} == {candidate}
        assert {answer.headers["x-seldon-route"] for answer in answers} == {route}
        assert {world.caller.rpc("iris", x_seldon_route=route).model_name for _ in range(30)} == {candidate}
    world.deploy(server(), model("iris", IRIS_V2), model("iris2", IRIS2), split())
    answers = [world.caller.rest("iris", x_seldon_route=":iris_1:") for _ in range(30)]
    assert {answer.json()["model_name"] for answer in answers} == {"iris_2"}


def test_mirror_gets_every_request(world: World) -> None:
    """By MLServer's own count the mirror infers 50 of 50, and no answer is the mirror's."""
    mirrored = experiment("watch", {"iris": 100}, default="iris", mirror={"name": "iris2", "percent": 100})
    world.deploy(*MODELS, mirrored)
    version = world.version("iris")

    def counts() -> tuple[int, int]:
        return world.inferences("mlserver/0", version), world.inferences("mlserver/0", "iris2_1")

    primary, mirror = counts()
    answers = [world.caller.answers("iris") for _ in range(25)]
    answers += [world.caller.rpc("iris").model_name for _ in range(25)]
    world.until("the mirror's inferences", lambda: counts() >= (primary + 50, mirror + 50))
    assert counts() == (primary + 50, mirror + 50)
    assert set(answers) == {version}


def test_candidate_that_is_not_ready(world: World) -> None:
    """The other candidate serves everything meanwhile, and a named condition says so."""
    waiting = experiment("waiting", {"iris": 50, "big": 50}, default="iris")
    world.deploy(*MODELS, model("big", memory="10Gi"), waiting, health="Degraded")
    version = world.version("iris")
    assert {world.caller.answers("iris") for _ in range(40)} == {version}
    assert world.health("Experiment", "waiting") == ("Degraded", "CandidatesNotReady")
    world.deploy(*MODELS, model("big", IRIS_V2), waiting)
    assert {world.caller.answers("iris") for _ in range(60)} == {version, "big_1"}


def test_deleting_an_experiment_restores_routes(world: World) -> None:
    """The default's name is its model's again, the experiment's is unknown; no request fails."""
    world.deploy(*MODELS, split())
    with world.steady_requests("iris") as requests:
        requests.wait_for_answers()
        world.deploy(*MODELS)
        requests.wait_for_answers()
    assert requests.failures == {}
    version = world.version("iris")
    assert {world.caller.answers("iris") for _ in range(40)} == {version}
    assert world.caller.answers("split.experiment") == "404"

"""Experiments by a real Envoy: shares, stickiness, mirrors."""

from collections import Counter
from math import sqrt

import pytest
from tritonclient.grpc import service_pb2 as pb

from tests.gateway.running import route, until, upstream

pytestmark = pytest.mark.real

REQUESTS = 2000


@pytest.fixture
def split(envoy, server):
    """``x.experiment``: 70 % for ``iris``, 30 % for ``iris2``, sticky; the two servers."""
    first, second = server("iris_1", "iris_2"), server("iris2_1")
    envoy.show(
        route(
            "x.experiment",
            upstream("iris_1", first, weight=70),
            upstream("iris2_1", second, weight=30),
            sticky=True,
        )
    )
    return first, second


def within_bounds(successes, share):
    """True within 4.9 standard deviations: one false alarm in a million runs."""
    return abs(successes - REQUESTS * share) < 4.9 * sqrt(REQUESTS * share * (1 - share))


def test_split_by_share(envoy, split):
    """Of 2,000 requests each candidate answers its share, within binomial bounds."""
    models = Counter(envoy.infer("x.experiment").json()["model_name"] for _ in range(REQUESTS))
    assert sum(models.values()) == REQUESTS
    assert within_bounds(models["iris2_1"], 0.3)


def test_split_by_share_grpc(envoy, split):
    """gRPC requests are shared alike."""
    models = Counter(envoy.infer_grpc("x.experiment").model_name for _ in range(REQUESTS))
    assert within_bounds(models["iris2_1"], 0.3)


@pytest.mark.parametrize(
    "header", [":iris2_1:", ":iris2_77:", ":add10_1: :iris2_1: :pipeline-x.pipeline:", "x:iris2_1:y"]
)
def test_route_header_pins_the_candidate(envoy, split, header):
    """A route header that names a candidate in any version, among other hops or not, pins it."""
    rest = {envoy.infer("x.experiment", x_seldon_route=header).json()["model_name"] for _ in range(30)}
    grpc = {envoy.infer_grpc("x.experiment", x_seldon_route=header).model_name for _ in range(30)}
    assert rest | grpc == {"iris2_1"}


def test_answers_own_header_pins(envoy, split):
    """What an answer says in ``x-seldon-route``, sent back, brings the same candidate again."""
    first = envoy.infer("x.experiment")
    route_header = first.headers["x-seldon-route"]
    again = {envoy.infer("x.experiment", x_seldon_route=route_header).text for _ in range(30)}
    assert again == {first.text}


def test_pinned_candidate_in_its_new_version(envoy, server, split):
    """A client that was answered by ``iris_1`` stays with ``iris`` when that serves ``iris_2``."""
    first, second = split
    envoy.show(
        route(
            "x.experiment",
            upstream("iris_2", first, weight=1),
            upstream("iris2_1", second, weight=99),
            sticky=True,
        )
    )
    models = {envoy.infer("x.experiment", x_seldon_route=":iris_1:").json()["model_name"] for _ in range(30)}
    assert models == {"iris_2"}


@pytest.mark.parametrize(
    "header",
    [
        ":gone_1:",
        "iris2_1",
        ":iris2:",
        ":iris2_:",
        ":iris2_1",
        ":xiris2_1:",
        ":iris_2_1:",
        "",
        ":",
        "\xff\xfe",
        "%41",
        ".*",
        ":" * 100_000,
        ":iris3_1:" * 10_000,
    ],
)
def test_stale_or_odd_route_header_is_ignored(envoy, split, header):
    """A header that names no candidate changes nothing: an answer by share, never an error."""
    answers = [
        envoy.http.post(
            "/v2/models/x.experiment/infer", json={}, headers={"x-seldon-route": header.encode("latin-1")}
        )
        for _ in range(40)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["model_name"] for answer in answers}) == 2


def test_route_header_does_not_reach_the_server(envoy, split):
    """The server does not see the header: its length is the caller's."""
    envoy.infer("x.experiment", x_seldon_route=":iris_1:")
    assert "x-seldon-route" not in split[0].rest[-1][1]


def test_plain_route_is_not_pinned(envoy, server):
    """On a route without experiment the header means nothing."""
    envoy.show(route("iris", upstream("iris_2", server("iris_2"))))
    assert envoy.infer("iris", x_seldon_route=":iris_1:").json()["model_name"] == "iris_2"


def test_candidate_without_share(envoy, server):
    """A weight of zero gets no request, but can be pinned."""
    shown, hidden = server("iris_1"), server("iris2_1")
    weights = upstream("iris_1", shown, weight=5), upstream("iris2_1", hidden, weight=0)
    envoy.show(route("x.experiment", *weights, sticky=True))
    assert {envoy.infer("x.experiment").json()["model_name"] for _ in range(40)} == {"iris_1"}
    assert envoy.infer("x.experiment", x_seldon_route=":iris2_1:").json()["model_name"] == "iris2_1"


def test_nobody_with_a_share(envoy, server):
    """Where only candidates of weight zero are left, the answer is 503 and says so."""
    envoy.show(route("x.experiment", upstream("iris_1", server("iris_1"), weight=0), sticky=True))
    response = envoy.infer("x.experiment")
    assert (response.status_code, "share" in response.json()["error"]) == (503, True)


def test_weights_beyond_32_bits(envoy, server):
    """Weights of any size keep their proportions."""
    large = upstream("iris_1", server("iris_1"), weight=10**12)
    none = upstream("iris2_1", server("iris2_1"), weight=1)
    envoy.show(route("x.experiment", large, none, sticky=True))
    assert envoy.infer("x.experiment").json()["model_name"] == "iris_1"


@pytest.mark.parametrize("call", ["infer", "infer_grpc"])
def test_mirror_gets_every_request_under_its_own_name(envoy, server, call):
    """With 100 % the mirror infers 50 of 50 by its own count, and no answer is its."""
    primary, mirror = server("iris_1"), server("shadow_3")
    envoy.show(
        route(
            "iris", upstream("iris_1", primary), mirror=upstream("shadow_3", mirror, weight=100), sticky=True
        )
    )
    answers = [getattr(envoy, call)("iris") for _ in range(50)]
    until(lambda: len(mirror.inferred) >= 50, "the mirror's inferences")
    assert Counter(primary.inferred) == {"iris_1": 50}
    assert Counter(mirror.inferred) == {"shadow_3": 50}
    assert len(answers) == 50


def test_mirror_on_the_same_server(envoy, server):
    """Primary and mirror on one server are told apart by name."""
    both = server("iris_1", "shadow_3")
    envoy.show(route("iris", upstream("iris_1", both), mirror=upstream("shadow_3", both, weight=100)))
    for _ in range(50):
        envoy.infer("iris")
    until(lambda: len(both.inferred) >= 100, "the mirror's inferences")
    assert Counter(both.inferred) == {"iris_1": 50, "shadow_3": 50}


def test_mirror_by_percent(envoy, server):
    """A mirror of 20 % gets that part of 2,000 requests, within binomial bounds."""
    primary, mirror = server("iris_1"), server("shadow_3")
    envoy.show(route("iris", upstream("iris_1", primary), mirror=upstream("shadow_3", mirror, weight=20)))
    for _ in range(REQUESTS):
        envoy.infer("iris")
    assert within_bounds(len(mirror.inferred), 0.2)


def test_mirror_that_does_not_answer(envoy, server):
    """A dead mirror costs the caller nothing."""
    primary, mirror = server("iris_1"), server("shadow_3")
    mirror.stop()
    envoy.show(route("iris", upstream("iris_1", primary), mirror=upstream("shadow_3", mirror, weight=100)))
    assert {envoy.infer("iris").status_code for _ in range(30)} == {200}


def test_large_message_is_mirrored_whole(envoy, server):
    """A message of 8 MiB reaches primary and mirror."""
    primary, mirror = server("iris_1"), server("shadow_3")
    envoy.show(route("iris", upstream("iris_1", primary), mirror=upstream("shadow_3", mirror, weight=100)))
    request = pb.ModelInferRequest(raw_input_contents=[bytes(8 * 2**20)])
    answer = envoy.grpc.ModelInfer(request, metadata=(("seldon-model", "iris"),))
    until(lambda: mirror.inferred == ["shadow_3"], "the mirror's inference")
    assert answer.id == str(8 * 2**20)

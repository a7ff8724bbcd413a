"""Every rejection names its reason, its numbers and a sentence; the summary is one bounded line."""

from dataclasses import replace

import pytest

from placement.demand import Demand
from placement.engine import place
from placement.inventory import Inventory, LoadedModel, Server, ServerReplica
from placement.placement import Placement, Verdict
from placement.why.verdicts import MESSAGE_LIMIT, summarise, verdicts
from schemas.codec import decode, encode
from tests.placement.builders import (
    GI,
    amounts,
    demand,
    entry,
    free_server,
    inventory,
    place_one,
    replica,
    server,
)

EXTRA = server("mlserver-extra", replica(0, 2 * GI, capabilities=["sklearn", "huggingface"]))
PLAIN = server(
    "mlserver",
    ServerReplica(0, "Ready", ("sklearn",), GI, 10),
    ServerReplica(1, "Ready", ("sklearn",), GI, 10),
)


def _answer(wanted: Demand, *servers: Server, index: int | None = 0) -> Verdict:
    return next(v for v in verdicts(wanted, inventory(*servers)) if v.index == index)


def test_verdicts_list_servers_by_name_each_followed_by_its_replicas() -> None:
    """Server name, then the server itself, then index; other namespaces are left out."""
    other = server("a", replica(0, 1), namespace="other")
    listed = [(v.server, v.index) for v in verdicts(demand(), inventory(PLAIN, other, EXTRA))]
    assert listed == [
        ("mlserver", None),
        ("mlserver", 0),
        ("mlserver", 1),
        ("mlserver-extra", None),
        ("mlserver-extra", 0),
    ]


def test_insufficient_memory_tells_the_whole_sum() -> None:
    """What is needed, what is free, of what capacity and overcommit, and what is reserved."""
    answer = _answer(demand(memory=3 * GI), PLAIN)
    assert answer.message == "needs 3Gi, free 1.1Gi of 1Gi × 1.1, 0 reserved"
    assert answer.numbers == {
        "required": 3 * GI,
        "instances": 1,
        "free": GI + GI * 10 // 100,
        "capacity": GI,
        "overcommitPercent": 10,
        "used": 0,
        "reserved": 0,
    }


def test_missing_capabilities_are_named() -> None:
    """Sorted, and at most four of them."""
    assert _answer(demand(requirements=["huggingface"]), PLAIN).message == "lacks: huggingface"
    many = _answer(demand(requirements=["f", "e", "d", "c", "b", "a"]), PLAIN)
    assert (many.message, many.numbers["lacking"]) == ("lacks: a, b, c, d and 2 more", 6)


@pytest.mark.parametrize(
    ("owner", "wanted", "reason", "message"),
    [
        (server("s1"), demand(), "NoReplicas", "no replica is connected (0 expected, 0 lost)"),
        (
            server("s1", expected=-1),
            demand(),
            "NoReplicas",
            "no replica is connected (unknown expected, 0 lost)",
        ),
        (
            server("s1", replica(0, state="Lost")),
            demand(),
            "NoReplicas",
            "no replica is connected (1 expected, 1 lost)",
        ),
        (free_server("s1", 200), demand(pin="s2"), "NotRequestedServer", "the model asks for server s2"),
        (
            server("s1", replica(0, 200), shared=False),
            demand(),
            "NotShared",
            "takes only models that name it in spec.server",
        ),
        (
            server("s1", replica(0, 200), expected=0),
            demand(),
            "ScaledToZero",
            "the server is scaled to 0 replicas",
        ),
        (
            free_server("s1", 200, 50),
            demand(replicas=3, minimum=2),
            "NotEnoughReplicas",
            "1 of 2 replicas suitable, 3 replicas (at least 2) wanted",
        ),
        (free_server("s1", 200), demand(), "Accepted", "1 of 1 replica suitable, 1 replica wanted"),
        (free_server("s1", 0), demand(replicas=0), "Accepted", "0 of 1 replica suitable, 0 replicas wanted"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_a_server_says_why(owner: Server, wanted: Demand, reason: str, message: str) -> None:
    """One named reason per question about a server."""
    answer = _answer(wanted, owner, index=None)
    assert (answer.reason, answer.message) == (reason, message)


@pytest.mark.parametrize(
    ("candidate", "wanted", "reason", "message"),
    [
        (replica(0, 200, state="Lost"), demand(), "ReplicaLost", "the replica is lost"),
        (replica(0, 200), demand(explainer=True), "NoExplainerRuntime", "lacks: alibi-explain"),
        (replica(0, 200, state="Draining"), demand(), "Draining", "the replica is draining"),
        (
            replica(0, 200, state="Restarting"),
            demand(),
            "Restarting",
            "the replica is restarting and takes no new models",
        ),
        (
            replica(0, 200, entry("iris", state="LoadFailed")),
            demand(),
            "LoadFailed",
            "loading this version failed here",
        ),
        (replica(0, 200), demand(gpu=2), "InsufficientResources", "needs gpu 2, free 0 of 0"),
        (
            replica(0, 200, entry("other", gpu=3), gpu=4),
            demand(cpu=0, gpu=2),
            "InsufficientResources",
            "needs gpu 2, free 1 of 4",
        ),
        (replica(0, 0, entry("iris"), gpu=1), demand(memory=0, gpu=2), "Accepted", "has this version"),
        (
            replica(0, 200, instances=3),
            demand(),
            "InsufficientMemory",
            "needs 300 (100 × 3 instances), free 200 of 200, 0 reserved",
        ),
        (replica(0, 200, instances=2), demand(), "Accepted", "needs 200 (100 × 2 instances), free 200"),
        (replica(0, 200), demand(), "Accepted", "needs 100, free 200"),
        (replica(0, 0, entry("iris", memory=100)), demand(), "Accepted", "has this version"),
        (
            replica(0, 200, state="Pending"),
            demand(),
            "Accepted",
            "needs 100, free 200; the replica is still to be started",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_a_replica_says_why(candidate: ServerReplica, wanted: Demand, reason: str, message: str) -> None:
    """One named reason per question about a replica."""
    answer = _answer(wanted, server("s1", candidate))
    assert (answer.reason, answer.message) == (reason, message)


def test_the_first_question_that_fails_is_the_reason() -> None:
    """Lost before capabilities, capabilities before memory, memory before resources, these before draining."""
    wanted = demand(memory=300, requirements=["gpu"])
    assert _answer(wanted, server("s1", replica(0, 200, state="Lost"))).reason == "ReplicaLost"
    assert _answer(wanted, server("s1", replica(0, 200, state="Draining"))).reason == "MissingCapabilities"
    assert (
        _answer(demand(memory=300), server("s1", replica(0, 200, state="Draining"))).reason
        == "InsufficientMemory"
    )
    assert _answer(demand(memory=300, gpu=1), server("s1", replica(0, 200))).reason == "InsufficientMemory"
    assert (
        _answer(demand(gpu=1), server("s1", replica(0, 200, state="Draining"))).reason
        == "InsufficientResources"
    )


def test_insufficient_resources_tell_memory_and_the_first_resource_that_is_short() -> None:
    """Memory in bytes as in every verdict of a capable replica, the resource in thousandths."""
    gi = amounts(**{"nvidia.com/gpu-memory": 8 * GI})
    wanted = replace(demand(), resources=(("cpu", 500), *gi))
    one = ServerReplica(
        0, "Ready", ("sklearn",), 200, 0,
        loaded=(LoadedModel("other", "v1", 50, "Loaded", resources=amounts(**{"nvidia.com/gpu-memory": 14 * GI})),),
        resources=(("cpu", 4000), *amounts(**{"nvidia.com/gpu-memory": 16 * GI})),
    )  # fmt: skip
    answer = _answer(wanted, server("s1", one))
    assert answer.message == "needs nvidia.com/gpu-memory 8Gi, free 2Gi of 16Gi"
    assert answer.numbers == {
        "required": 100,
        "instances": 1,
        "free": 150,
        "capacity": 200,
        "overcommitPercent": 0,
        "used": 50,
        "reserved": 0,
        "undersized": 0,
        "resource": "nvidia.com/gpu-memory",
        "requiredAmount": 8 * GI * 1000,
        "freeAmount": 2 * GI * 1000,
        "capacityAmount": 16 * GI * 1000,
    }


def test_the_nearest_server_has_resources_of_the_size() -> None:
    """Not the one with most memory, where no model of the kind could ever run."""
    large, small = server("a", replica(0, 9000)), server("b", replica(0, 50, gpu=1))
    wanted = demand(gpu=1)
    assert summarise(wanted, verdicts(wanted, inventory(large, small))).endswith(
        "1 InsufficientMemory, 1 InsufficientResources; nearest b/0: needs 100, free 50 of 50, 0 reserved"
    )


def test_what_is_in_use_unlisted_counts_once_in_a_plan_s_sentence() -> None:
    """Bytes of models that need not be named are used, in the plan as in the inventory."""
    one = ServerReplica(
        0, "Ready", ("sklearn",), 200, 0, unlisted=150, resources=amounts(gpu=2), unlisted_resources=amounts(gpu=1)
    )  # fmt: skip
    assert place_one(demand(gpu=1), server("s1", one)).message.endswith(
        "needs 100, free 50 of 200, 0 reserved"
    )
    assert place_one(demand(memory=10, gpu=2), server("s1", one)).message.endswith("needs gpu 2, free 1 of 2")


def test_a_replica_without_an_instance_is_refused() -> None:
    """An inventory may come from a file."""
    with pytest.raises(ValueError, match="0 instances"):
        replica(0, 100, instances=0)


def test_a_summary_counts_reasons_and_names_the_nearest_server() -> None:
    """Servers and replicas by reason; the nearest has the capability and too little memory."""
    wanted = demand(memory=3 * GI, requirements=["huggingface"])
    assert summarise(wanted, verdicts(wanted, inventory(PLAIN, EXTRA))) == (
        "0 of 2 servers can take 1 replica: 2 NotEnoughReplicas; of 3 replicas looked at: 2 MissingCapabilities, "
        "1 InsufficientMemory; nearest mlserver-extra/0: needs 3Gi, free 2Gi of 2Gi, 0 reserved"
    )


def test_a_summary_names_the_missing_capability_of_the_server_that_lacks_fewest() -> None:
    """Nobody has all requirements: the nearest is who lacks one, not two."""
    wanted = demand(requirements=["huggingface", "gpu"])
    assert summarise(wanted, verdicts(wanted, inventory(PLAIN, EXTRA))).endswith(
        "nearest mlserver-extra/0: lacks: gpu"
    )


def test_a_summary_says_that_replicas_are_too_few() -> None:
    """All replicas would do, there are just not enough."""
    assert place_one(demand(replicas=3), free_server("s1", 200, 200)).message == (
        "0 of 1 server can take 3 replicas: 1 NotEnoughReplicas; "
        "nearest s1: 2 of 2 replicas suitable, 3 replicas wanted"
    )


def test_a_pinned_model_says_what_it_waits_for() -> None:
    """Its own server is the nearest, or is said not to exist."""
    assert place_one(demand(pin="s1"), free_server("s1", 50), free_server("s2", 200)).message == (
        "0 of 2 servers can take 1 replica: 1 NotRequestedServer, 1 NotEnoughReplicas; "
        "of 1 replica looked at: 1 InsufficientMemory; nearest s1/0: needs 100, free 50 of 50, 0 reserved"
    )
    assert place_one(demand(pin="s1"), server("s1", expected=2)).message == (
        "0 of 1 server can take 1 replica: 1 NoReplicas; nearest s1: no replica is connected (2 expected, 0 lost)"
    )
    assert place_one(demand(pin="s9"), free_server("s1", 50)).message == (
        "0 of 1 server can take 1 replica: 1 NotRequestedServer; requested server s9 does not exist"
    )


def test_a_failure_tells_what_is_free_after_the_plan() -> None:
    """The room that an earlier model took is not shown as free."""
    done = place([demand("ant", memory=150), demand("bee")], inventory(free_server("s1", 200))).assignments
    assert done[1].message.endswith("nearest s1/0: needs 100, free 50 of 200, 0 reserved")


def test_a_summary_of_servers_that_could_take_it() -> None:
    """Nothing is nearest where something fits."""
    wanted = demand()
    found = verdicts(wanted, inventory(free_server("s1", 200), free_server("s2", 50)))
    assert summarise(wanted, found) == (
        "1 of 2 servers can take 1 replica: 1 NotEnoughReplicas; of 2 replicas looked at: 1 InsufficientMemory"
    )


def test_without_a_server_the_namespace_is_named() -> None:
    """A namespace without servers has a sentence of its own."""
    assert summarise(demand(), verdicts(demand(), Inventory())) == "namespace default has no server"


def test_a_summary_is_bounded() -> None:
    """Requirements of any length do not make a message of any length."""
    done = place_one(demand(requirements=["x" * 1000]), PLAIN)
    assert len(done.message) == MESSAGE_LIMIT
    assert done.message.endswith("…")


def test_a_failed_load_is_told_in_one_line() -> None:
    """What the inference server wrote over several lines becomes one, bounded like every sentence."""
    failed = LoadedModel("iris", "v1", 0, "LoadFailed", "no module\n  named sklearn " + "x" * 1000)
    answer = _answer(demand(), server("s1", replica(0, 200, failed)))
    assert answer.message.startswith("loading this version failed here: no module named sklearn xxx")
    assert len(answer.message) == MESSAGE_LIMIT


def test_verdicts_and_placements_survive_json() -> None:
    """Both are values that leave the process: decoded they equal what was encoded."""
    found = verdicts(demand(memory=999), inventory(free_server("s1", 200)))
    placement = place([demand("ant"), demand("bee", memory=999)], inventory(free_server("s1", 200)))
    assert tuple(decode(Verdict, item) for item in encode(found)) == found
    assert decode(Placement, encode(placement)) == placement

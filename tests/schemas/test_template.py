"""What a server offers: the ServerConfig's pod with the Server's laid over it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given

from schemas.defaults import default_server_configs
from schemas.errors import InputError
from schemas.specs import ServerConfigSpec, ServerSpec
from schemas.template import merge_pod_spec, server_template
from tests.schemas.strategies import OPEN

MLSERVER, TRITON = (resource.spec for resource in default_server_configs("default"))


def _agent(*env):
    return {"containers": [{"name": "agent", "env": [{"name": name, "value": value} for name, value in env]}]}


def _memory(size):
    return {"containers": [{"name": "mlserver", "resources": {"requests": {"memory": size}}}]}


def test_the_default_server_configs_offer_what_the_reference_ships():
    """Capabilities, memory and overcommit of mlserver and triton."""
    mlserver = server_template(ServerSpec("mlserver"), MLSERVER)
    triton = server_template(ServerSpec("triton"), TRITON)

    assert (mlserver.server_type, mlserver.memory, mlserver.overcommit_percent) == ("mlserver", 10**9, 10)
    assert mlserver.capabilities == (
        "alibi-detect", "alibi-explain", "huggingface", "lightgbm", "mlflow", "mlserver", "python", "sklearn",
        "spark-mlib", "xgboost",
    )  # fmt: skip
    assert (triton.server_type, triton.memory, triton.overcommit_percent) == ("triton", 10**9, 10)
    assert triton.capabilities == (
        "dali", "fil", "onnx", "openvino", "python", "pytorch", "tensorflow", "tensorrt", "triton",
    )  # fmt: skip


def test_the_default_server_configs_come_from_the_configuration():
    """They live in the namespace that is asked for, and are not somebody's manifests."""
    resources = default_server_configs("team-a")

    assert [resource.key.name for resource in resources] == ["mlserver", "triton"]
    assert {(resource.key.namespace, resource.origin.source) for resource in resources} == {
        ("team-a", "configuration")
    }


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (ServerSpec("c", capabilities=("b", " a ", "b")), ("a", "b")),
        (ServerSpec("c", extra_capabilities=("gpu", "one")), ("gpu", "one", "two")),
        (ServerSpec("c", capabilities=("a",), extra_capabilities=("gpu",)), ("a",)),
        (
            ServerSpec("c", pod_spec=_agent(("SELDON_SERVER_CAPABILITIES", "three,, four ,three"))),
            ("four", "three"),
        ),
        (ServerSpec("c"), ("one", "two")),
    ],
    ids=["replace", "append", "replace-wins", "environment", "inherited"],
)
def test_capabilities_replace_append_or_are_inherited(server, expected):
    """Trimmed, each once, sorted."""
    config = ServerConfigSpec(_agent(("SELDON_SERVER_CAPABILITIES", "two, one")))

    assert server_template(server, config).capabilities == expected


@pytest.mark.parametrize(
    ("pod", "memory"),
    [
        (_memory("2Gi"), 2**31),
        (_memory(500), 500),
        ({"containers": [{"name": "mlserver", "resources": {"limits": {"memory": "3G"}}}]}, 10**9),
        (_agent(("MEMORY_REQUEST", "7000")), 7000),
        ({"containers": [{"name": "mlserver", "resources": None}]}, 10**9),
    ],
    ids=["request", "bytes", "request-before-limit", "plain-environment", "default"],
)
def test_capacity_is_the_memory_request_of_the_inference_container(pod, memory):
    """The Server's pod spec wins; what nobody asks for is 1G."""
    assert server_template(ServerSpec("mlserver", pod_spec=pod), MLSERVER).memory == memory


def test_a_limit_stands_in_for_a_request():
    """As Kubernetes itself fills in a request."""
    config = ServerConfigSpec({"containers": [{"name": "own", "resources": {"limits": {"memory": "3G"}}}]})

    assert server_template(ServerSpec("own"), config).memory == 3 * 10**9


def test_the_inference_container_is_found_without_the_references_environment():
    """The first one that is no sidecar; its name is the server type."""
    config = ServerConfigSpec({"containers": [{"name": "rclone"}, {"name": "agent"}, {"name": "own", "env": [
        {"name": "B", "value": "2"}, {"name": "A", "value": "1"}, {"name": "C", "valueFrom": {}},
    ]}]})  # fmt: skip
    template = server_template(ServerSpec("own"), config)

    assert template.server_type == "own"
    assert list(template.environment.items()) == [("A", "1"), ("B", "2")]
    assert (template.memory, template.overcommit_percent, template.capabilities) == (10**9, 10, ())


def test_overcommit_is_read_from_the_agent():
    """0 disables it."""
    template = server_template(
        ServerSpec("mlserver", pod_spec=_agent(("SELDON_OVERCOMMIT_PERCENTAGE", " 0 "))), MLSERVER
    )

    assert template.overcommit_percent == 0


@pytest.mark.parametrize(
    "pod",
    [_memory("plenty"), _memory(-1), _memory([1]), _agent(("SELDON_OVERCOMMIT_PERCENTAGE", "ten")),
     _agent(("SELDON_OVERCOMMIT_PERCENTAGE", "-1"))],
)  # fmt: skip
def test_what_cannot_be_read_is_an_input_error(pod):
    """The message says which of the two it is."""
    with pytest.raises(InputError, match=r"memory of|OVERCOMMIT") as refusal:
        server_template(ServerSpec("mlserver", pod_spec=pod), MLSERVER)

    assert refusal.value.reason == "InvalidServerTemplate"


def test_pod_specs_merge_containers_and_environment_by_name():
    """New items come last, other lists are replaced, null removes."""
    low = {
        "hostNetwork": True,
        "tolerations": [{"key": "a"}],
        "containers": [
            {"name": "one", "image": "x", "args": ["1", "2"], "env": [{"name": "A", "value": "1"}]},
            {"name": "two", "ports": [{"containerPort": 1, "name": "p"}]},
        ],
    }
    high = {
        "hostNetwork": None,
        "tolerations": [{"key": "b"}],
        "containers": [
            {"name": "three"},
            {"name": "one", "args": ["3"], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "9"}]},
        ],
    }

    assert merge_pod_spec(low, high) == {
        "tolerations": [{"key": "b"}],
        "containers": [
            {
                "name": "one",
                "image": "x",
                "args": ["3"],
                "env": [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}],
            },
            {"name": "two", "ports": [{"containerPort": 1, "name": "p"}]},
            {"name": "three"},
        ],
    }


@given(OPEN, OPEN)
def test_merging_changes_neither_side_and_the_upper_one_wins(low, high):
    """Whatever Kubernetes puts into a pod spec."""
    before = json.dumps([low, high])
    merged = merge_pod_spec(low, high)

    assert json.dumps([low, high]) == before
    assert {name for name, value in high.items() if value is None}.isdisjoint(merged)
    assert merge_pod_spec(low, {}) == low


@given(OPEN, OPEN)
def test_a_template_of_any_open_object_is_made_or_refused(low, high):
    """A pod spec that is not one never raises anything but an InputError."""
    config = ServerConfigSpec({"containers": [low, {"name": "agent", "env": [high]}], **low})

    with suppress(InputError):
        server_template(ServerSpec("any", pod_spec={"containers": [high], "initContainers": [low]}), config)

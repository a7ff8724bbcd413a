"""The codec writes values as JSON and reads nothing but what it wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from cattrs.errors import BaseValidationError

from placement.inventory import ReplicaId
from placement.placement import Verdict
from runtime.operations import ForgetResource, Operation, RecordResource, SetRoutes, UnloadModel
from runtime.routes import Route, Target, WeightedTarget
from runtime.state import AppliedResource, LiveState
from schemas.codec import camel, canonical, decode, digest, encode, encode_terse
from schemas.resource import Origin, Resource, key
from schemas.specs import Explainer, ModelSpec, ServerSpec

REPLICA = ReplicaId("default", "mlserver", 0)
IRIS = Resource(
    key("Model", "default", "iris"),
    ModelSpec("gs://iris", explainer=Explainer("anchor", model_ref="wine")),
    Origin("git", "iris.yaml", 3, 1),
    {"team": "a"},
)
SERVER = Resource(
    key("Server", "default", "s"), ServerSpec("mlserver", pod_spec={"x": [1, None]}), Origin("git")
)
ROUTE = Route("default", "iris", (WeightedTarget(Target("iris", "v1", (REPLICA,)), 1),))


@dataclass(frozen=True)
class Steps:
    operations: tuple[Operation, ...] = ()
    last: Operation | None = None
    numbers: Mapping[str, int | str] = field(default_factory=dict)


STEPS = Steps(
    (
        RecordResource(IRIS, "app"),
        ForgetResource(SERVER.key),
        UnloadModel("default", "iris", "v1", REPLICA),
        SetRoutes((ROUTE,), (("default", "old"),)),
    ),
    UnloadModel("default", "iris", "v1", REPLICA),
    {"free": 1, "server": "mlserver"},
)


@pytest.mark.parametrize(
    "value",
    [
        IRIS,
        SERVER,
        STEPS,
        LiveState((AppliedResource(IRIS, "app"), AppliedResource(SERVER, "app")), routes=(ROUTE,)),
    ],
    ids=["model", "server", "steps", "live-state"],
)
def test_a_value_survives_json(value):
    """Also where it holds resources, unions, mappings and tuples of tuples."""
    text = json.dumps(encode(value))

    assert decode(type(value), json.loads(text)) == value


def test_a_union_of_values_carries_the_class_name():
    """``type`` says which member of the union it is."""
    assert [item["type"] for item in encode(STEPS)["operations"]] == [
        "RecordResource",
        "ForgetResource",
        "UnloadModel",
        "SetRoutes",
    ]


def test_the_kind_in_the_key_picks_the_type_of_the_spec():
    """A resource needs no tag of its own."""
    data = encode(IRIS)
    data["key"]["kind"] = "Server"

    with pytest.raises(BaseValidationError):
        decode(Resource, data)


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"index": "0"}, {"index": True}, {"server": 7}, {"server": None}],
    ids=["unknown", "text", "boolean", "number", "nothing"],
)
def test_reading_is_strict(change):
    """An unknown field or another type is an error, never a guess."""
    with pytest.raises(BaseValidationError):
        decode(ReplicaId, {**encode(REPLICA), **change})


def test_a_plain_union_is_strict_as_well():
    """A verdict's numbers are integers or strings."""
    data = encode(Verdict("s", None, "Accepted", "", {"free": 1}))

    assert decode(Verdict, data).numbers == {"free": 1}
    with pytest.raises(BaseValidationError):
        decode(Verdict, {**data, "numbers": {"free": 1.5}})


def test_terse_leaves_defaults_out():
    """Also of the resource inside."""
    assert encode_terse(IRIS)["spec"] == {
        "storageUri": "gs://iris",
        "explainer": {"type": "anchor", "modelRef": "wine"},
    }


def test_canonical_bytes_have_no_floats():
    """Digests are the same on every machine."""
    with pytest.raises(TypeError, match="floats"):
        canonical({"a": [0.5]})


def test_canonical_bytes_are_sorted_and_without_blanks():
    """One spelling for one value."""
    assert canonical({"b": (1,), "a": "é"}) == '{"a":"é","b":[1]}'.encode()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_names_are_camel_case():
    """The underscore that keeps a word from being reserved is dropped."""
    assert [camel(name) for name in ("storage_uri", "type_", "name")] == ["storageUri", "type", "name"]


def test_the_digest_of_a_resource_does_not_depend_on_where_it_was_read():
    """Moving a manifest to another file is no change."""
    moved = Resource(IRIS.key, IRIS.spec, Origin("git", "other.yaml", 9, 1), IRIS.labels)

    assert moved.digest == IRIS.digest != Resource(IRIS.key, IRIS.spec, IRIS.origin).digest

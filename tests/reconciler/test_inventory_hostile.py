"""Inventory files that are wrong, by mistake or on purpose: one error with places, never a crash."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.inventory.file import written
from reconciler.inventory.fitting import fitted
from reconciler.inventory.reading import read_inventory
from reconciler.inventory.text import MAX_BYTES
from reconciler.planning.planner import plan
from runtime.state import AppliedResource, LiveState
from schemas.errors import InputError
from tests.reconciler.world import POLICY, desired, model, server
from tests.schemas.strategies import near_manifests

SERVER = {"name": "s", "replicas": [{"index": 0, "memory": {"capacity": 1}}]}
BARE = {"schemaVersion": 1, "servers": [SERVER]}


def refusal(data: bytes) -> str:
    """What the error says."""
    with pytest.raises(InputError) as raised:
        read_inventory(data, "inventory.json")
    assert raised.value.reason == "InvalidInventory"
    return raised.value.message


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "inventory.json:1:1: no JSON: Expecting value"),
        (b'{\n  "servers": [}', "inventory.json:2:15: no JSON: Expecting value"),
        (b"\xff\xfe", "inventory.json: no UTF-8 text"),
        (b'{"a": "\\ud800"}', "inventory.json: no UTF-8 text"),
        (b"[" * 200_000, "inventory.json: nested too deeply"),
        (b'{"a": 1, "b": 2, "a": 3}', "inventory.json: field a stands twice in one object"),
        (b'{"a": NaN}', "NaN is no whole number"),
        (b'{"a": 1e400}', "1e400 is no whole number"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "inventory.json: Exceeds the limit"),
        (b"[]", "inventory.json: /: [] is not of type"),
        (b'{"schemaVersion": 2, "servers": []}', "/schemaVersion: 1 was expected"),
        (b'{"schemaVersion": 1}', "/servers is missing"),
    ],
)
def test_bytes_that_are_no_inventory_are_named_with_their_place(data: bytes, told: str):
    """Line and column where it is no JSON, a JSON pointer where it is."""
    assert told in refusal(data)


def changed(**facts) -> bytes:
    return json.dumps({**BARE, **facts}).encode()


def with_replica(**facts) -> bytes:
    replica = {"index": 0, "memory": {"capacity": 1}, **facts}
    return changed(servers=[{"name": "s", "replicas": [replica]}])


MODEL = {"name": "m", "version": "v"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (with_replica(state="Asleep"), "/servers/0/replicas/0/state: "),
        (with_replica(memory={"capacity": -1}), "/servers/0/replicas/0/memory/capacity: -1 is less than"),
        (with_replica(memory={"capacity": 2**63}), "/servers/0/replicas/0/memory/capacity: "),
        (with_replica(draining=True), "/servers/0/replicas/0/draining is no field of an inventory"),
        (with_replica(models=[MODEL, MODEL]), "/servers/0/replicas/0/models/1 is listed twice"),
        (
            with_replica(models=[{**MODEL, "namespace": "other"}]),
            "/servers/0/replicas/0/models/0/namespace is not that of the server",
        ),
        (changed(servers=[SERVER, SERVER]), "/servers/1 is listed twice"),
        (changed(servers=[{**SERVER, "name": "../s"}]), "/servers/0/name: "),
        (changed(servers=[{**SERVER, "name": "s\n"}]), "/servers/0/name: "),
        (changed(servers=[{"name": "s", "replicas": []}]), "/servers/0/replicas are none"),
        (
            changed(servers=[{"name": "s", "replicas": [
                {"index": 0, "memory": {"capacity": 1}}, {"index": 1, "memory": {"capacity": 2}},
            ]}]),
            "/servers/0/replicas differ in size",
        ),
        (changed(**{"a/b~c": 1}), "/a~1b~0c is no field of an inventory"),
        (changed(resources=[{"owner": "a", "manifest": {"apiVersion": "v1", "kind": "Pod", "metadata": {},
            "spec": {}}}]), "/resources/0/manifest: no manifest of a kind that is known here"),
        (changed(routes=[{"namespace": "n", "name": "m", "targets": []}] * 2), "/routes/1 is listed twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_a_pointer(data: bytes, told: str):
    """The schema's findings and ours in the same form."""
    assert told in refusal(data)


def test_a_manifest_that_is_wrong_names_its_field():
    """As `moorage validate` would say it."""
    said = written(LiveState((AppliedResource(model("iris"), "app"),)), [])
    said["resources"][0]["manifest"]["spec"]["replicas"] = "two"
    assert "/resources/0/manifest: spec.replicas: " in refusal(json.dumps(said).encode())


def test_a_file_beyond_all_measure_is_not_read():
    """Its size is the whole story."""
    assert refusal(b" " * (MAX_BYTES + 1)) == f"inventory.json: more than {MAX_BYTES} bytes"


def test_many_problems_are_counted():
    """The error stays one line that can be read."""
    message = refusal(changed(**{f"x{number}": 1 for number in range(50)}, servers=[{}] * 50))
    assert len(message) < 3000
    assert "; and " in message


def test_nothing_unprintable_is_repeated():
    """What a hostile file says cannot steer the terminal that shows the error."""
    message = refusal(changed(**{"\x1b[2J": 1}, servers=[{"name": "\x1b[31m"}]))
    assert message.isprintable()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_with_one_place_changed_is_read_or_refused(data):
    """Whatever is exchanged, removed or added: a plan, or InvalidInventory."""
    live = LiveState(
        tuple(AppliedResource(each, "app") for each in (model("iris"), server())),
    )
    said = {**written(live, ["default"]), "servers": [{**SERVER, "name": "mlserver", "replicas": [
        {"index": 0, "memory": {"capacity": 10**9}, "models": [MODEL]}
    ]}]}  # fmt: skip
    near = data.draw(near_manifests(said))
    wanted = desired(*data.draw(st.sampled_from(((), (model("iris"), server())))))
    try:
        file = read_inventory(json.dumps(near).encode(), "inventory.json")
    except InputError as error:
        told = error.reason
    else:
        told = plan(*fitted(file, wanted, POLICY), POLICY).reason
    assert told in ("InvalidInventory", "Sync")

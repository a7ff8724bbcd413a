"""The API's contract: paths, status codes and the fields that programs rely on."""

from typing import Any

import httpx
import pytest

from placement.inventory import ReplicaId
from reconciler.inventory.reading import read_inventory
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Explanation
from reconciler.status import ApplicationStatus
from runtime.local.servers import server_log
from schemas.codec import decode
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

EXAMPLE = "/api/v1/applications/example"


def test_it_says_that_it_lives_and_is_ready(api: httpx.Client) -> None:
    """Both probes answer 200; health carries the instance id."""
    health = api.get("/healthz").json()
    assert (health["status"], len(health["instance"])) == ("ok", 32)
    assert api.get("/readyz").json() == {"ready": True}


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        (EXAMPLE, ApplicationStatus),
        (f"{EXAMPLE}/plan", Plan),
        (f"{EXAMPLE}/explain?model=default/iris", Explanation),
    ],
)
def test_answers_are_values_of_the_core(api: httpx.Client, path: str, type_: type) -> None:
    """What is encoded can be decoded, field by field."""
    answer = api.get(path)
    assert answer.status_code == 200
    assert isinstance(decode(type_, answer.json()), type_)


def test_the_inventory_is_an_inventory_file(api: httpx.Client) -> None:
    """What the API answers can be kept and planned from."""
    file = read_inventory(api.get("/api/v1/inventory").content, "inventory.json")
    assert [str(entry.id) for entry in file.live.servers] == ["default/mlserver/0"]
    assert file.listening == ("default",)


def test_applications_are_a_list(api: httpx.Client) -> None:
    """Each as it is answered by itself."""
    assert api.get("/api/v1/applications").json() == {"items": [api.get(EXAMPLE).json()]}


def test_a_status_has_its_words(api: httpx.Client) -> None:
    """Argo CD's words at the top level."""
    found = api.get(EXAMPLE).json()
    assert (found["sync"], found["health"], found["follows"]) == ("Synced", "Degraded", "main")
    assert (found["lastSync"]["phase"], found["lastSync"]["author"]) == ("Succeeded", "Ada")


def test_a_difference_is_changes_and_what_is_held(api: httpx.Client) -> None:
    """Nothing differs after a sync."""
    assert api.get(f"{EXAMPLE}/diff").json() == {"changes": [], "held": []}


def test_a_hint_makes_the_controller_look(api: httpx.Client, controller: RunningController) -> None:
    """POST refresh is answered at once; the commit is seen after it."""
    revision = commit(controller._repository, {**FILES, "models/new.yaml": model("new")})
    assert api.post(f"{EXAMPLE}/refresh").status_code == 202
    controller.until(lambda: controller.controller.application("example").revision == revision)


def test_resources_are_objects_of_one_kind(api: httpx.Client) -> None:
    """By kind and namespace, or all of them; sorted by key."""

    def names(**query: str) -> list[str]:
        items = api.get("/api/v1/resources", params=query).json()["items"]
        return [f"{item['kind']}/{item['metadata']['name']}" for item in items]

    assert names(kind="Model") == ["Model/iris", "Model/wine"]
    assert names(kind="Model", namespace="other") == []
    assert len(names()) == len(FILES)


def test_a_model_object_has_the_reference_status(api: httpx.Client) -> None:
    """Replica counts, selector and conditions where the reference has them; ours below moorage."""
    items = api.get("/api/v1/resources", params={"kind": "Model"}).json()["items"]
    status: dict[str, Any] = items[0]["status"]
    assert (status["replicas"], status["availableReplicas"], status["selector"]) == (1, 1, "server=mlserver")
    assert [c["type"] for c in status["conditions"]] == ["ModelReady", "Ready"]
    assert status["moorage"]["file"] == "models/iris.yaml"


def test_a_log_is_text(api: httpx.Client, controller: RunningController) -> None:
    """The last lines of a server replica's file."""
    log = server_log(controller._state, ReplicaId("default", "mlserver", 0))
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    path = "/api/v1/servers/default/mlserver/0/log"
    assert api.get(path, params={"tail": 2}).text == "two\nthree\n"
    assert api.get(path, params={"tail": 0}).text == ""
    assert api.get(path).headers["content-type"].startswith("text/plain")


def test_the_gateway_is_named(api: httpx.Client) -> None:
    """Where models of each namespace are asked."""
    assert api.get("/api/v1/gateway").json() == {"listeners": {"default": "http://127.0.0.1:9"}}


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/nowhere", 404, "NotFound"),
        ("/api/v1/applications/nobody", 404, "ApplicationNotFound"),
        ("/api/v1/applications/nobody/plan", 404, "ApplicationNotFound"),
        (f"{EXAMPLE}/explain?model=default/nobody", 404, "ResourceNotFound"),
        (f"{EXAMPLE}/explain", 422, "InvalidQuery"),
        (f"{EXAMPLE}/explain?model=iris", 422, "InvalidQuery"),
        ("/api/v1/resources?kind=Pod", 404, "KindNotFound"),
        ("/api/v1/servers/default/nobody/0/log", 404, "LogNotFound"),
        ("/api/v1/servers/default/mlserver/x/log", 404, "NotFound"),
        ("/api/v1/servers/../../0/log", 404, "NotFound"),
        ("/api/v1/servers/%2e%2e/x/0/log", 404, "LogNotFound"),
        ("/api/v1/servers/default/..%2f..%2fx/0/log", 404, "NotFound"),
        ("/api/v1/servers/default/mlserver/0/log?tail=-1", 422, "InvalidQuery"),
        ("/api/v1/servers/default/mlserver/0/log?tail=9999999", 422, "InvalidQuery"),
    ],
)
def test_an_error_has_a_reason_and_a_status(api: httpx.Client, path: str, status: int, reason: str) -> None:
    """One form for every error: reason, message and hint."""
    answer = api.get(path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"reason", "message", "hint"}
    assert answer.json()["error"]["reason"] == reason


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PATCH", "POST", "PUT"])
def test_only_get_is_answered(api: httpx.Client, method: str) -> None:
    """The API changes nothing; there is no preflight to pass either."""
    answer = api.request(method, EXAMPLE)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (405, "MethodNotAllowed")


def test_a_source_that_cannot_be_read_is_a_state(api: httpx.Client, controller: RunningController) -> None:
    """A plan needs the source and says so; the status goes on being told."""
    (controller._repository / "HEAD").unlink()
    (controller._repository / "refs/heads/main").unlink()
    answer = api.get(f"{EXAMPLE}/plan")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "RevisionNotFound")
    assert api.get(EXAMPLE).status_code == 200

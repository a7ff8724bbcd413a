"""``GET /api/v1/events``: what has happened, by number."""

from typing import Any

import httpx
import pytest

from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

PATH = "/api/v1/events"


def asked(api: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = api.get(PATH, params=query)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_first_sync_is_told_in_order(api: httpx.Client):
    """Out of sync, started, done, synced; ids count from 1."""
    found = asked(api)
    kinds = [item["kind"] for item in found["items"]]
    assert kinds[:2] == ["BecameOutOfSync", "SyncStarted"]
    assert {"SyncSucceeded", "BecameSynced", "HealthDegraded"} <= set(kinds)
    assert [item["id"] for item in found["items"]] == list(range(1, len(kinds) + 1))
    assert found["last"] == len(kinds)
    assert found["instance"] == api.get("/healthz").json()["instance"]


def test_a_notice_says_of_whom_what_and_why(api: httpx.Client):
    """With the revision and the plan of a sync."""
    (done,) = (item for item in asked(api)["items"] if item["kind"] == "SyncSucceeded")
    assert (done["application"], done["reason"], len(done["revision"]), len(done["digest"])) == (
        "example",
        "NewRevision",
        40,
        64,
    )


def test_only_what_is_new_is_asked_for(api: httpx.Client, controller: RunningController):
    """After the last id, only what came since."""
    last = asked(api)["last"]
    assert asked(api, since=last)["items"] == []
    controller.settle(commit(controller._repository, {**FILES, "models/new.yaml": model("new")}))
    found = [item for item in asked(api, since=last)["items"] if item["kind"] == "SyncSucceeded"]
    assert len(found) == 1
    assert found[0]["id"] > last


def test_one_application_can_be_asked_for(api: httpx.Client):
    """One that is not there is an error."""
    assert asked(api, application="example") == asked(api)
    assert api.get(PATH, params={"application": "other"}).status_code == 404


@pytest.mark.parametrize("since", ["-1", "x", "1e3", "9" * 16, "²"])
def test_an_id_is_a_number(api: httpx.Client, since: str):
    """Anything else is refused."""
    answer = api.get(PATH, params={"since": since})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "InvalidQuery")

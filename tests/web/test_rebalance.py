"""Rebalances through the API: shown, asked for by digest, done in their turn."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from reconciler.control.intent import Said
from reconciler.planning.plan import Plan
from schemas.codec import decode
from tests.cli.controller import RunningController
from tests.cli.half_empty import LAST, half_empty, servers_of
from tests.cli.repository import commit, model

PATH = "/api/v1/rebalance"


def run(api: httpx.Client) -> dict[str, object]:
    found: dict[str, object] = api.get(f"{PATH}/run").json()
    return found


def test_a_rebalance_is_shown_and_executed_by_its_digest(
    api: httpx.Client, controller: RunningController
) -> None:
    """The answer to GET is a plan with groups; POST with its digest is accepted and done."""
    half_empty(controller)
    shown = api.get(PATH, params={"maxMoves": 5}).json()
    plan = decode(Plan, shown)
    assert [[str(at) for at in group.frees] for group in plan.rebalance] == [
        ["default/mlserver/0"],
        ["default/b/0"],
    ]
    accepted = api.post(PATH, params={"maxMoves": 5, "digest": plan.digest})
    assert (accepted.status_code, accepted.json()["number"]) == (202, 1)
    controller.until(lambda: controller.controller.rebalancer.run().ended)
    assert run(api) == {
        "number": 1, "maxMoves": 5, "digest": plan.digest, "phase": "Succeeded", "results": [],
    }  # fmt: skip
    assert set(servers_of(controller).values()) == {"a"}
    assert api.get(PATH).json()["rebalance"] == []


def test_another_plan_than_was_shown_is_refused(api: httpx.Client, controller: RunningController) -> None:
    """409, and nothing moves."""
    half_empty(controller)
    before = servers_of(controller)
    answer = api.post(PATH, params={"maxMoves": 1, "digest": api.get(PATH).json()["digest"]})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "PlanChanged")
    assert servers_of(controller) == before
    assert api.get(f"{PATH}/run").status_code == 404


def test_it_is_dropped_where_the_world_changes_before_its_turn(
    api: httpx.Client, controller: RunningController
) -> None:
    """What was asked for is planned once more when its turn comes."""
    half_empty(controller)
    digest = api.get(PATH).json()["digest"]
    run_ = controller.controller.rebalancer

    async def ask_and_interfere() -> None:
        await run_.ask(10, digest)
        (at,) = [s.id for s in (await controller.runtime.observe()).servers if s.id.server == "a"]
        controller.runtime.lose(at)

    controller.call(ask_and_interfere())
    controller.until(lambda: run_.run().ended)
    assert run(api)["phase"] == "Failed"
    ((step, why),) = run(api)["results"]  # type: ignore[misc]
    assert step == "plan"
    assert why.split(":")[0] in ("PlanChanged", "SyncPending")


def test_it_is_refused_while_an_application_is_suspended(
    api: httpx.Client, controller: RunningController
) -> None:
    """Models of every application may move, so each of them has to let people change things."""
    half_empty(controller)
    digest = api.get(PATH).json()["digest"]
    said = Said("ada", datetime.now(UTC), "an audit")

    async def suspend() -> None:
        controller.controller.intents.change("example", lambda intent: replace(intent, suspended=said))
        controller.controller.intend("example")

    controller.call(suspend())
    controller.until(lambda: not controller.controller.followed("example").gate.manual)
    answer = api.post(PATH, params={"digest": digest})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "Suspended")
    assert "an audit" in answer.json()["error"]["message"]


def test_pushes_go_on_after_it(api: httpx.Client, controller: RunningController) -> None:
    """A commit after a rebalance is synced, and what was moved stays."""
    half_empty(controller)
    api.post(PATH, params={"digest": api.get(PATH).json()["digest"]})
    controller.until(lambda: controller.controller.rebalancer.run().ended)
    files = {**LAST, "models/new.yaml": model("new", "100Mi")}
    controller.settle(commit(controller._repository, files))
    assert set(servers_of(controller).values()) == {"a"}


def test_it_stands_in_the_history(api: httpx.Client, controller: RunningController) -> None:
    """Under a name that no application can have, with the digest that was asked for."""
    half_empty(controller)
    digest = api.get(PATH).json()["digest"]
    api.post(PATH, params={"digest": digest})
    controller.until(lambda: controller.controller.rebalancer.run().ended)

    async def recorded() -> tuple[str, str, str]:
        (one,) = controller.controller.history.syncs("(rebalance)")
        return one.reason, one.phase, one.digest

    assert controller.call(recorded()) == ("Rebalance", "Succeeded", digest)


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", {"maxMoves": "0"}),
        ("GET", {"maxMoves": "1001"}),
        ("GET", {"maxMoves": "-1"}),
        ("GET", {"maxMoves": "²"}),
        ("POST", {}),
        ("POST", {"digest": "abc"}),
        ("POST", {"digest": "g" * 64}),
    ],
)
def test_a_wrong_query_is_refused(api: httpx.Client, method: str, query: dict[str, str]) -> None:
    """With the reason, before anything is planned."""
    answer = api.request(method, PATH, params=query)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "InvalidQuery")


def test_a_page_of_another_origin_cannot_ask(api: httpx.Client) -> None:
    """Moving models is not for web pages."""
    query = {"digest": "0" * 64}
    assert api.post(PATH, params=query, headers={"Origin": "http://evil.example"}).status_code == 403

"""What people ask of applications through the API: it comes into force, and is told truly afterwards."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.control.sync_policy import PrunePolicy, SyncPolicy
from reconciler.control.windows import SyncWindow
from runtime.operations import LoadModel, Operation, Result
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model
from tests.fakes.simulated import SimulatedRuntime

ADA = {"who": "ada"}
IRIS = {"group": "mlops.seldon.io", "kind": "Model", "namespace": "default", "name": "iris"}
MORE = {**FILES, "models/new.yaml": model("new")}
MANUAL = SyncPolicy(auto=False)


class SlowRuntime(SimulatedRuntime):
    """Its loads wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.loading = 0

    async def apply(self, operation: Operation) -> Result:
        """As simulated, after a wait where something is loaded."""
        if isinstance(operation, LoadModel):
            self.loading += 1
            await self.go.wait()
        return await super().apply(operation)

    async def let_go(self) -> None:
        """From now on nothing waits."""
        self.go.set()


class Asked:
    """A controller, and what its application is asked."""

    def __init__(self, controller: RunningController, client: httpx.Client, repository: Path) -> None:
        self.controller = controller
        self.client = client
        self.repository = repository

    def post(self, verb: str, **fields: Any) -> httpx.Response:
        return self.client.post(f"/api/v1/applications/example/{verb}", json={**ADA, **fields})

    def ok(self, verb: str, **fields: Any) -> Any:
        """The answer to what is not refused."""
        answer = self.post(verb, **fields)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, what: str) -> Any:
        return self.client.get(f"/api/v1/applications/example/{what}").json()

    def refused(self, verb: str, **fields: Any) -> tuple[int, str]:
        answer = self.post(verb, **fields)
        return answer.status_code, answer.json()["error"]["reason"]

    def push(self, files: dict[str, str], message: str = "Change") -> str:
        """Commit and have the controller compare with it."""
        revision = commit(self.repository, files, message)
        self.controller.controller_hint()
        self.compared(revision)
        return revision

    def compared(self, revision: str) -> None:
        self.until(lambda: self.controller.controller.application("example").revision == revision)

    def settled(self, revision: str) -> None:
        self.controller.settle(revision)

    def until(self, true: Callable[[], bool]) -> None:
        self.controller.until(true)

    def served(self) -> list[str]:
        """Models that are loaded, with their version's number."""
        live = self.controller.call(self.controller.runtime.observe())
        return sorted(f"{each.model}_{each.number}" for each in live.models if each.state == "Loaded")


@contextmanager
def asked(tmp_path: Path, files: dict[str, str] = FILES, **facts: Any) -> Iterator[Asked]:
    repository = tmp_path / "repository.git"
    if not repository.exists():
        commit(repository, files)
    with (
        RunningController(repository, tmp_path / "state", **facts) as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client,
    ):
        yield Asked(running, client, repository)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Asked]:
    """An application by the usual policy, synced."""
    with asked(tmp_path) as found:
        found.until(lambda: found.controller.controller.application("example").sync == "Synced")
        yield found


def test_a_suspended_application_holds_a_push(example: Asked) -> None:
    """It is compared and not synced, and says who holds it; resumed it follows."""
    said = example.ok("suspend", why="an audit")
    assert (said["suspended"]["who"], said["suspended"]["why"]) == ("ada", "an audit")
    revision = example.push(MORE)
    status = example.client.get("/api/v1/applications/example").json()
    assert status["sync"] == "OutOfSync"
    assert ("Suspended", "suspended by ada: an audit") in [
        (each["reason"], each["message"]) for each in status["conditions"]
    ]
    assert example.served() == ["iris_1", "wine_1"]
    example.ok("resume")
    example.settled(revision)
    assert example.served() == ["iris_1", "new_1", "wine_1"]


def test_a_suspended_resource_is_left_alone(example: Asked) -> None:
    """The others follow."""
    example.ok("suspend", resource=IRIS)
    files = {**MORE, "models/iris.yaml": model("iris", uri="gs://models/two")}
    example.push(files)
    example.until(lambda: "new_1" in _observed(example))
    assert example.served() == ["iris_1", "new_1", "wine_1"]
    example.ok("resume", resource=IRIS)
    example.until(lambda: "iris_2" in _observed(example))
    assert "iris_2" in example.served()


def _observed(example: Asked) -> list[str]:
    """What the controller saw last, to be asked on its own loop."""
    live = example.controller.controller._work.live
    return [f"{each.model}_{each.number}" for each in live.models if each.state == "Loaded"]


def test_a_pin_outlives_pushes_restarts_and_the_history(tmp_path: Path) -> None:
    """The application stays at its commit although another one is pushed and the history is lost."""
    with asked(tmp_path) as first:
        first.until(lambda: first.controller.controller.application("example").sync == "Synced")
        begun = first.get("history")["items"][0]["revision"]
        said = first.ok("pin", revision="main", why="a fair")
        assert (said["pin"]["revision"], said["pin"]["said"]["why"]) == (begun, "a fair")
        world = first.controller.runtime
    for file in (tmp_path / "state").glob("history.sqlite*"):
        file.unlink()
    pushed = commit(tmp_path / "repository.git", MORE, "More")
    with asked(tmp_path, runtime=world) as again:
        again.settled(begun)
        assert again.served() == ["iris_1", "wine_1"]
        assert again.ok("unpin")["pin"] is None
        again.settled(pushed)
        assert again.served() == ["iris_1", "new_1", "wine_1"]


def test_a_rollback_works_with_auto_sync_on(example: Asked) -> None:
    """The old version comes back and stays; unpinned the application follows Git again."""
    before = example.get("history")["items"][0]
    after = example.push({**FILES, "models/iris.yaml": model("iris", uri="gs://models/two")})
    example.settled(after)
    assert example.served() == ["iris_2", "wine_1"]
    said = example.ok("rollback")
    assert said["pin"]["revision"] == before["revision"]
    assert said["pin"]["said"]["why"] == f"rollback to sync {before['id']}"
    example.settled(before["revision"])
    assert example.served() == ["iris_1", "wine_1"]
    example.ok("unpin")
    example.settled(after)


def test_a_rollback_names_a_sync_of_the_history(example: Asked) -> None:
    """One that is not there is 404."""
    assert example.refused("rollback", id=77) == (404, "HistoryEntryNotFound")
    assert example.refused("rollback") == (404, "HistoryEntryNotFound")
    first = example.get("history")["items"][0]
    assert example.ok("rollback", id=first["id"])["pin"]["revision"] == first["revision"]


def test_confirmed_deletes_go(tmp_path: Path) -> None:
    """Where deletes wait for a person they are held, named, and let go."""
    with asked(tmp_path, MORE, sync=SyncPolicy(prune=PrunePolicy("confirm"))) as example:
        example.until(lambda: example.controller.controller.application("example").sync == "Synced")
        assert example.refused("confirm") == (409, "NothingToConfirm")
        revision = example.push(FILES)
        (held,) = example.get("diff")["held"]
        assert (held["key"]["name"], held["reason"]) == ("new", "PruneAwaitsConfirmation")
        assert example.refused("confirm", resources=[IRIS]) == (409, "NothingToConfirm")
        (said,) = example.ok("confirm", resources=[held["key"]], hours=1)["deletes"]
        assert (said["key"], said["said"]["who"]) == (held["key"], "ada")
        example.settled(revision)
        assert example.served() == ["iris_1", "wine_1"]


def test_a_sync_with_prune_asks_nobody_again(tmp_path: Path) -> None:
    """It deletes what left Git although the policy does not delete at all."""
    with asked(tmp_path, MORE, sync=SyncPolicy(prune=PrunePolicy("off"))) as example:
        example.until(lambda: example.controller.controller.application("example").sync == "Synced")
        example.push(FILES)
        assert example.ok("sync")["phase"] == "NothingToDo"
        assert example.ok("sync", prune=True)["phase"] == "Succeeded"
        assert example.served() == ["iris_1", "wine_1"]


def test_an_override_opens_a_window(tmp_path: Path) -> None:
    """While it is closed nobody syncs; opened the application syncs by itself; 0 minutes close it again."""
    closed = SyncWindow("deny", "* * * * *", timedelta(hours=1))
    with asked(tmp_path, sync=SyncPolicy(windows=(closed,))) as example:
        answer = example.ok("sync")
        assert (answer["phase"], answer["reason"]) == ("Denied", "SyncWindowClosed")
        assert example.served() == []
        assert example.ok("override", minutes=5)["override"]["said"]["who"] == "ada"
        example.until(lambda: example.controller.controller.application("example").sync == "Synced")
        assert example.served() == ["iris_1", "wine_1"]
        assert example.ok("override", minutes=0)["override"] is None
        assert example.ok("sync", prune=True)["phase"] == "NothingToDo"


@pytest.mark.parametrize("minutes", [10_081, 999_999_999_999, -1])
def test_an_override_is_bounded(example: Asked, minutes: int) -> None:
    """What shall hold for long belongs into the configuration."""
    assert example.refused("override", minutes=minutes)[0] == 422


def test_a_terminated_sync_is_not_tried_again(tmp_path: Path) -> None:
    """It ends while a model loads; what it left to do waits for a new revision or for a person."""
    slow = SlowRuntime()
    with asked(tmp_path, runtime=slow) as example:
        example.until(lambda: slow.loading > 0)
        example.ok("terminate")
        example.until(lambda: example.controller.controller.history.syncs("example")[0].phase == "Terminated")
        before = slow.loading
        example.controller.call(slow.let_go())
        example.until(lambda: example.controller.controller.followed("example").plan.loads != ())
        slow.notify()
        example.until(_planned_again(example))
        assert (len(example.get("history")["items"]), slow.loading) == (1, before)
        reasons = [
            each["reason"] for each in example.client.get("/api/v1/applications/example").json()["conditions"]
        ]
        assert "SyncTerminated" in reasons
        assert example.ok("sync")["phase"] == "Succeeded"
        assert example.served() == ["iris_1", "wine_1"]


def _planned_again(example: Asked) -> Callable[[], bool]:
    """True once another plan was made."""
    before = example.controller.controller.followed("example").plan
    return lambda: example.controller.controller.followed("example").plan is not before


def test_there_has_to_be_something_to_terminate(example: Asked) -> None:
    """409 where nothing is under way."""
    assert example.refused("terminate") == (409, "NothingUnderWay")


def test_a_selective_sync_leaves_the_rest(tmp_path: Path) -> None:
    """Only what is named is applied, and the history tells who asked and why."""
    with asked(tmp_path, sync=MANUAL) as example:
        server = {**IRIS, "kind": "Server", "name": "mlserver"}
        answer = example.ok("sync", only=[server, IRIS], why="the fair")
        assert [each["key"]["name"] for each in answer["plan"]["changes"]] == ["iris", "mlserver"]
        assert example.served() == ["iris_1"]
        (record,) = example.get("history")["items"]
        assert (record["who"], record["reason"]) == ("ada: the fair", "Asked")
        assert example.refused("sync", only=[{**IRIS, "name": "nope"}]) == (404, "ResourceNotFound")


def test_a_sync_to_a_revision(tmp_path: Path) -> None:
    """Another commit than is followed is applied; one that is not there is 422."""
    with asked(tmp_path, sync=MANUAL) as example:
        first = example.controller.controller.application("example").revision
        example.push(MORE)
        assert example.ok("sync", revision=first)["plan"]["revision"] == first
        assert example.served() == ["iris_1", "wine_1"]
        assert example.refused("sync", revision="nope") == (422, "RevisionNotFound")


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    """It answers the plan; a sync of just this plan is done, of another one denied."""
    with asked(tmp_path, sync=MANUAL) as example:
        shown = example.ok("sync", dryRun=True)
        assert (shown["phase"], example.served(), example.get("history")["items"]) == ("Succeeded", [], [])
        digest = shown["plan"]["digest"]
        denied = example.ok("sync", digest="0" * 64)
        assert (denied["phase"], denied["reason"]) == ("Denied", "PlanChanged")
        assert example.ok("sync", digest=digest[:12])["phase"] == "Succeeded"


def test_who_goes_away_does_not_end_a_sync(tmp_path: Path) -> None:
    """The client is gone before the models are loaded; they are served all the same."""
    slow = SlowRuntime()
    with asked(tmp_path, sync=MANUAL, runtime=slow) as example:
        with pytest.raises(httpx.ReadTimeout):
            example.client.post("/api/v1/applications/example/sync", json=ADA, timeout=0.5)
        example.until(lambda: slow.loading > 0)
        example.controller.call(slow.let_go())
        example.until(lambda: example.controller.controller.history.syncs("example")[0].phase == "Succeeded")
        assert example.served() == ["iris_1", "wine_1"]


def test_nobody_has_to_wait_for_the_end(tmp_path: Path) -> None:
    """With async the answer is 202 at once."""
    slow = SlowRuntime()
    with asked(tmp_path, sync=MANUAL, runtime=slow) as example:
        assert example.post("sync", **{"async": True}).status_code == 202
        example.until(lambda: slow.loading > 0)
        example.controller.call(slow.let_go())
        example.until(lambda: example.controller.controller.history.syncs("example")[0].phase == "Succeeded")


VERBS: dict[str, dict[str, Any]] = {
    "sync": {},
    "terminate": {},
    "pin": {"revision": "main"},
    "unpin": {},
    "rollback": {},
    "suspend": {},
    "resume": {},
    "confirm": {},
    "override": {"minutes": 5},
    "delete": {"cascade": True},
}


def test_a_read_only_controller_refuses_everything(tmp_path: Path) -> None:
    """It plans and shows; nothing is synced, by itself or by hand, and nothing decided."""
    with asked(tmp_path, read_only=True) as example:
        for verb, fields in VERBS.items():
            assert (verb, *example.refused(verb, **fields)) == (verb, 403, "ReadOnly")
        assert example.ok("sync", dryRun=True)["plan"]["loads"]
        assert (example.served(), example.get("history")["items"]) == ([], [])
        assert example.get("intent") == {
            "pin": None, "suspended": None, "resources": [], "deletes": [], "override": None,
                "plans": [],
        }  # fmt: skip


def test_what_an_application_owns_can_be_deleted(example: Asked) -> None:
    """Everything goes but what is protected, stays away over a push, and comes back when resumed."""
    kept = FILES["models/wine.yaml"].replace(
        "{name: wine}", '{name: wine, annotations: {moorage.dev/prune: "false"}}'
    )
    example.settled(example.push({**FILES, "models/wine.yaml": kept}))
    answer = example.ok("delete", cascade=True)
    assert (answer["phase"], [each["reason"] for each in answer["plan"]["held"]]) == (
        "Succeeded",
        ["PruneDisabled"],
    )
    left = [each["metadata"]["name"] for each in example.client.get("/api/v1/resources").json()["items"]]
    assert left == ["wine"]
    assert example.get("intent")["suspended"]["who"] == "ada"
    pushed = example.push(MORE)
    assert len(example.client.get("/api/v1/resources").json()["items"]) == 1
    example.ok("resume")
    example.settled(pushed)
    assert "new_1" in example.served()


def test_a_delete_can_be_shown_first(example: Asked) -> None:
    """Nothing is done, nothing suspended; another plan than was shown is denied and leaves no trace."""
    shown = example.ok("delete", cascade=True, dryRun=True)
    assert {each["action"] for each in shown["plan"]["changes"]} == {"delete"}
    denied = example.ok("delete", cascade=True, digest="0" * 12)
    assert (denied["phase"], denied["reason"]) == ("Denied", "PlanChanged")
    assert (example.get("intent")["suspended"], example.served()) == (None, ["iris_1", "wine_1"])


def test_a_suspended_application_can_be_deleted(example: Asked) -> None:
    """Nobody has to let Git apply once more what shall go."""
    example.ok("suspend")
    assert example.ok("sync")["phase"] == "NothingToDo"
    assert example.ok("delete", cascade=True)["phase"] == "Succeeded"
    assert example.served() == []


def test_what_cannot_be_read_can_be_deleted(tmp_path: Path) -> None:
    """The repository is gone, also for a controller that never saw it."""
    with asked(tmp_path) as first:
        first.until(lambda: first.controller.controller.application("example").sync == "Synced")
        world = first.controller.runtime
    (tmp_path / "repository.git").rename(tmp_path / "moved.git")
    (tmp_path / "repository.git").mkdir()
    with asked(tmp_path, runtime=world) as example:
        assert example.refused("sync")[0] == 422
        assert example.ok("delete", cascade=True)["phase"] == "Succeeded"
        assert example.served() == []


def test_what_is_followed_is_the_configurations_matter(example: Asked) -> None:
    """Without cascade there is nothing to delete."""
    assert example.refused("delete", cascade=False) == (422, "InvalidRequest")


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("sync", b""),
        ("sync", b"[]"),
        ("sync", b"{}"),
        ("sync", b'{"who": ""}'),
        ("sync", b'{"who": 1}'),
        ("sync", b'{"who": "ada", "dryRun": "yes"}'),
        ("sync", b'{"who": "ada", "force": true}'),
        ("sync", b'{"who": "ada", "digest": "xyz"}'),
        ("sync", b'{"who": "ada", "revision": ":/words"}'),
        ("sync", b'{"who": "ada", "only": ["Model iris"]}'),
        ("sync", b'{"who": "' + b"a" * 201 + b'"}'),
        ("sync", b'{"who": "ada", "why": "' + b"a" * 501 + b'"}'),
        ("sync", b"[" * 60_000),
        ("sync", b"\xff\xfe"),
        ("pin", b'{"who": "ada"}'),
        ("pin", b'{"who": "ada", "revision": ""}'),
        ("pin", b'{"who": "ada", "revision": "a\\nb"}'),
        ("rollback", b'{"who": "ada", "id": "1"}'),
        ("confirm", b'{"who": "ada", "hours": 1.5}'),
        ("delete", b'{"who": "ada"}'),
    ],
)
def test_a_body_is_read_strictly(example: Asked, verb: str, body: bytes) -> None:
    """What is no request is 422, and nothing happens."""
    answer = example.client.post(f"/api/v1/applications/example/{verb}", content=body)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "InvalidRequest")


def test_an_unknown_application_is_not_found(example: Asked) -> None:
    """For every request."""
    for verb, fields in VERBS.items():
        answer = example.client.post(f"/api/v1/applications/nope/{verb}", json={**ADA, **fields})
        assert (verb, answer.status_code, answer.json()["error"]["reason"]) == (
            verb,
            404,
            "ApplicationNotFound",
        )
    for what in ("history", "intent"):
        assert example.client.get(f"/api/v1/applications/nope/{what}").status_code == 404

"""``moorage app`` and ``moorage repo``: what they show, what they have done, and how they end."""

import io
import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.app_text import duration
from reconciler.cli.asking import resource, watch
from reconciler.control.sync_policy import SyncPolicy
from schemas.errors import InputError, StopError
from schemas.resource import KINDS
from tests.cli.conftest import Run
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

Golden = Callable[[str, str], None]

LOGGED = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)
MORE = {**FILES, "models/new.yaml": model("new")}
NAMED = rf"({'|'.join(KINDS)}):([^/]+|[^/]+/.+)"
WHO = re.compile(r"(?<= by )\S+(?= at | \()|(?<=suspended by )\w+")


def told(out: str) -> str:
    """What the command printed: the controller logs to the same stdout here."""
    return WHO.sub("WHO", re.sub(r"\b\d+\.\ds\b", "0.0s", LOGGED.sub("", out)))


def push(controller: RunningController, files: dict[str, str]) -> str:
    """Commit, and have the controller compare with it."""
    revision = commit(controller._repository, files)
    controller.controller_hint()
    controller.until(lambda: controller.controller.application("example").revision == revision)
    return revision


@pytest.mark.parametrize("form", ["table", "wide", "name"])
def test_the_list_has_argo_cds_columns(
    run: Run, golden: Golden, controller: RunningController, form: str
) -> None:
    """Status, health, policy and conditions; wide adds what is followed."""
    ran = run("app", "list", "-o", form)
    assert (ran.status, ran.err) == (0, "")
    golden(f"app-list-{form}", told(ran.out))


def test_one_application_is_shown_whole(run: Run, golden: Golden, controller: RunningController) -> None:
    """Suspended and behind: who holds it, since when it is out of sync and who moved it, every resource."""
    run("app", "suspend", "--why", "an audit")
    push(controller, MORE)
    ran = run("app", "get")
    assert ran.status == 0
    text = re.sub(r"\([0-9a-f]{7}\)|at [0-9a-f]{7}", "<commit>", told(ran.out))
    golden("app-get", text)


def test_the_history_lists_syncs(run: Run, golden: Golden, controller: RunningController) -> None:
    """Newest first, with who and why."""
    controller.settle(push(controller, MORE))
    golden("app-history", told(run("app", "history").out))
    assert [each["id"] for each in json.loads(told(run("app", "history", "-o", "json").out))["items"]] == [
        2,
        1,
    ]


def test_a_sync_shows_what_became_of_each_resource(
    run: Run, golden: Golden, controller: RunningController
) -> None:
    """Suspended it is denied and exits with 1; a sync of an old revision ends with a table and 0."""
    first = controller.controller.application("example").revision
    controller.settle(push(controller, MORE))
    ran = run("app", "sync", "--revision", first)
    assert ran.status == 0
    assert "auto-sync goes back to main" in ran.err
    golden("app-sync", re.sub(r"to [0-9a-f]{7}:", "to <commit>:", told(ran.out)))


def test_a_denied_sync_exits_with_one(run: Run, controller: RunningController) -> None:
    """And says why on stderr."""
    run("app", "suspend")
    push(controller, MORE)
    ran = run("app", "sync")
    assert (ran.status, ran.err.split(":")[1]) == (1, " Suspended")
    assert run("app", "sync", "--plan", "0" * 64).status == 1
    assert run("app", "sync", "--plan", "nothing").status == 2


def test_a_failed_sync_exits_with_one(run: Run, folder: Path) -> None:
    """The step that failed is named."""
    manual = SyncPolicy(auto=False)
    with RunningController(folder / "repository.git", folder / ".moorage", sync=manual) as controller:
        assert run("app", "sync").status == 0
        push(controller, MORE)
        (server,) = controller.call(controller.runtime.observe()).servers
        controller.runtime.faults.loads[server.id, "new"] = "LoadFailed"
        ran = run("app", "sync")
        assert ran.status == 1
        assert "sync of example" in ran.out
        assert "LoadFailed: model new could not be loaded" in told(ran.out).partition("Failed steps")[2]


def test_differences_have_sections(run: Run, controller: RunningController) -> None:
    """0 without, 1 with."""
    assert run("app", "diff").status == 0
    run("app", "suspend")
    push(controller, {name: text for name, text in MORE.items() if name != "models/wine.yaml"})
    ran = run("app", "diff")
    assert ran.status == 1
    headings = [line for line in ran.out.splitlines() if line.startswith("=====")]
    assert "===== Model default/new ======" in headings


def test_rollback_says_that_it_is_a_pin(run: Run, controller: RunningController) -> None:
    """What holds, that auto-sync stays on, and how to get back."""
    controller.settle(push(controller, MORE))
    ran = run("app", "rollback", "example")
    assert ran.status == 0
    assert "auto-sync stays on" in ran.out
    assert "moorage app pin example --unpin follows main again" in ran.out
    assert "Pinned" in run("app", "list").out
    assert run("app", "wait", "--sync", "--operation", "--timeout", "60").status == 0
    assert "follows main again" in run("app", "pin", "example", "--unpin").out


def test_waiting_ends_in_time(run: Run, controller: RunningController) -> None:
    """The example is Degraded for want of a dataflow engine, so nobody sees it Healthy."""
    assert run("app", "wait", "--sync").status == 0
    ran = run("app", "wait", "--timeout", "0.1")
    assert ran.status == 1
    assert "WaitTimeout: example is Synced and Degraded after 0.1 s; waited for health" in ran.err
    run("app", "suspend")
    assert run("app", "wait", "--suspended").status == 0


def test_a_delete_has_its_name_typed(
    run: Run, controller: RunningController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --cascade nothing is deleted, nor where another word is typed."""
    assert run("app", "delete", "example").status == 1
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    ran = run("app", "delete", "example", "--cascade")
    assert (ran.status, "nothing was deleted" in ran.err) == (1, True)
    assert told(run("get", "models", "-o", "name").out) == "model/iris\nmodel/wine\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("example\n"))
    assert run("app", "delete", "example", "--cascade").status == 0
    assert told(run("get", "models", "-o", "name").out) == ""
    assert "Suspended" in run("app", "list").out


CHANGING = [
    ("sync",), ("refresh", "--hard"), ("rollback", "example"), ("wait",), ("suspend",), ("resume",),
    ("pin", "example"), ("confirm",), ("override",), ("terminate",), ("delete", "example", "--cascade"),
]  # fmt: skip


@pytest.mark.parametrize("command", CHANGING, ids=lambda command: str(command[0]))
def test_what_changes_something_takes_a_controller(run: Run, command: tuple[str, ...]) -> None:
    """One line says so; nothing is written."""
    ran = run("app", *command)
    assert ran.status == 2
    assert ran.err.startswith("moorage: ControllerNotRunning: only a running controller ")
    assert ran.err.count("\n") == 1


def test_looking_takes_none(run: Run) -> None:
    """The repository and the record answer."""
    assert "OutOfSync" in run("app", "list").out
    assert "Sync Policy:    Auto-Prune" in run("app", "get").out
    assert run("app", "diff").status == 1
    assert run("app", "history").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "failed"),
    [
        ((), 0, ""),
        (("--repo", "repository.git", "--revision", "main"), 0, ""),
        (("--repo", "repository.git", "--revision", "nope"), 1, "revision"),
        (("--repo", "repository.git", "--revision", "main", "--path", "nope"), 1, "path"),
        (("--repo", "nowhere.git"), 1, "repository"),
    ],
)
def test_a_repository_is_checked_step_by_step(
    run: Run, arguments: tuple[str, ...], status: int, failed: str
) -> None:
    """What fails has a reason; what comes after it was not checked."""
    ran = run("repo", "check", *arguments)
    assert ran.status == status
    rows = [re.split(r" {2,}", line) for line in ran.out.splitlines()[1:]]
    assert [row[1] for row in rows] == ["repository", "credentials", "revision", "path"]
    assert "".join(row[1] for row in rows if row[2] == "failed") == failed


def test_checking_writes_nothing(run: Run, folder: Path) -> None:
    """No mirror and no state folder is left."""
    run("repo", "check")
    assert sorted(each.name for each in folder.iterdir()) == ["moorage.yaml", "repository.git"]


def test_watching_shows_changes_only() -> None:
    """What is the same as before is not shown again."""
    answers = iter([1, 1, 2, 2])
    shown: list[int] = []

    def ask() -> int:
        try:
            return next(answers)
        except StopIteration:
            raise StopError("Gone", "the controller has ended") from None

    with pytest.raises(StopError):
        watch(ask, shown.append, pause=0)
    assert shown == [1, 2]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Model:iris", "Model here/iris"),
        ("model:there/iris", "Model there/iris"),
        ("SERVER:a", "Server here/a"),
    ],
)
def test_a_resource_is_named(text: str, key: str) -> None:
    """The application's namespace, unless another one is named."""
    assert str(resource(text, "here")) == key


@given(st.text(max_size=20) | st.from_regex(NAMED, fullmatch=True))
def test_any_other_text_is_refused(text: str) -> None:
    """It is a key or an error of ours."""
    if re.fullmatch(NAMED, text, re.IGNORECASE | re.DOTALL):
        assert resource(text, "here").name in text
        return
    with pytest.raises(InputError) as refused:
        resource(text, "here")
    assert refused.value.reason in ("InvalidCommand", "KindNotFound")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (-1, "0.0s"), (59.99, "59.9s"), (60, "1m00s"), (3599, "59m59s"), (3720, "1h02m")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """Tenths below a minute, seconds below an hour."""
    assert duration(timedelta(seconds=seconds)) == text

"""The commands while a controller runs: they ask it, through its API."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from placement.inventory import ReplicaId
from runtime.local.servers import server_log
from tests.cli.conftest import Run
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

Golden = Callable[[str, str], None]

pytestmark = pytest.mark.usefixtures("controller")


@pytest.mark.parametrize("kind", ["models", "servers", "experiments", "pipelines"])
@pytest.mark.parametrize("form", ["table", "wide", "name"])
def test_get_prints_the_reference_columns(run: Run, golden: Golden, kind: str, form: str) -> None:
    """Every kind has the columns of the reference, and wide ones of lower priority."""
    ran = run("get", kind, "-o", form)
    assert (ran.status, ran.err) == (0, "")
    golden(f"get-{kind}-{form}", ran.out)


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_get_one_prints_the_object(run: Run, form: str, read: Callable[[str], object]) -> None:
    """One resource by name is an object as Kubernetes has it, in JSON and in YAML."""
    found = read(run("get", "model", "iris", "-o", form).out)
    assert isinstance(found, dict)
    assert found["metadata"]["name"] == "iris"
    assert found["spec"]["memory"] == 102400
    assert {each["type"]: each["status"] for each in found["status"]["conditions"]} == {
        "ModelReady": "True",
        "Ready": "True",
    }


def test_get_all_prints_a_list(run: Run) -> None:
    """Several resources are a List."""
    found = json.loads(run("get", "models", "-o", "json").out)
    assert (found["kind"], [each["metadata"]["name"] for each in found["items"]]) == (
        "List",
        ["iris", "wine"],
    )


def test_get_shows_the_namespace_of_all(run: Run) -> None:
    """With -A the namespace is the first column."""
    assert run("get", "models", "-A").out.splitlines()[0].split()[0] == "NAMESPACE"


def test_get_looks_in_one_namespace(run: Run) -> None:
    """Another namespace holds nothing, which is said on stderr."""
    ran = run("get", "models", "-n", "other")
    assert (ran.status, ran.out, ran.err) == (0, "", "no models found\n")


def test_status_tells_the_application(run: Run, golden: Golden) -> None:
    """One application is shown with its resources and conditions."""
    ran = run("status")
    assert ran.status == 0
    golden("status", ran.out)


def test_status_as_json_is_the_api_answer(run: Run) -> None:
    """Programs read the same words as people."""
    found = json.loads(run("status", "example", "-o", "json").out)
    assert (found["name"], found["sync"]) == ("example", "Synced")


def test_a_plan_of_nothing_is_empty(run: Run) -> None:
    """After a sync there is nothing to do, and --detailed-exitcode says so."""
    ran = run("plan", "--detailed-exitcode")
    assert ran.status == 0
    assert "nothing to do" in ran.out


def test_no_difference_exits_with_zero(run: Run) -> None:
    """Same: status 0 and nothing on stdout."""
    ran = run("diff")
    assert (ran.status, ran.out) == (0, "")


def test_explain_names_every_server(run: Run, golden: Golden) -> None:
    """The decision and the verdict on every server and replica."""
    ran = run("explain", "model/iris")
    assert ran.status == 0
    golden("explain", ran.out)


def test_logs_are_those_of_the_server(run: Run, controller: RunningController) -> None:
    """The last lines of the replica's file, with terminal sequences written out."""
    log = server_log(controller._state, ReplicaId("default", "mlserver", 0))
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree \x1b[31m\n")
    assert run("logs", "server/mlserver/0", "--tail", "2").out == "two\nthree \\x1b[31m\n"


def test_a_log_that_is_not_there_is_named(run: Run) -> None:
    """A replica without a log is an error in one line."""
    ran = run("logs", "server/nobody/0")
    assert ran.status == 2
    assert ran.err.startswith("moorage: LogNotFound: ")


def test_the_controller_can_be_named_by_url(
    run: Run, controller: RunningController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MOORAGE_SERVER needs no configuration."""
    monkeypatch.setenv("MOORAGE_SERVER", controller.url)
    assert run("get", "models", "-o", "name", "--config", "nowhere.yaml").out == "model/iris\nmodel/wine\n"


def test_the_default_state_folder_needs_no_configuration(run: Run, folder: Path) -> None:
    """Beside `moorage run --repo` the commands find the controller through .moorage."""
    (folder / "moorage.yaml").unlink()
    assert run("get", "models", "-o", "name").status == 0


def test_what_the_api_refuses_keeps_its_reason(run: Run) -> None:
    """An unknown application is the same error as without a controller."""
    ran = run("plan", "nobody")
    assert ran.status == 2
    assert ran.err == "moorage: ApplicationNotFound: no application 'nobody' (known: example)\n"


def test_a_push_is_seen(run: Run, controller: RunningController) -> None:
    """A new commit reaches the listing."""
    files = {**FILES, "models/new.yaml": model("new")}
    controller.settle(commit(controller._repository, files))
    assert "model/new" in run("get", "models", "-o", "name").out

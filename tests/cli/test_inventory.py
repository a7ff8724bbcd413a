"""`moorage get inventory`, and plans from what it wrote: with a controller, with the record, with neither."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from placement.inventory import ReplicaId
from reconciler.cli.client import ApiClient
from reconciler.planning.plan import Plan
from schemas.codec import decode
from tests.cli.conftest import Run
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

Golden = Callable[[str, str], None]

EXAMPLE = Path(__file__).parents[2] / "docs/inventory.example.json"
BIG = {"models/big.yaml": model("big", memory="3Gi")}


def digests(run: Run, *arguments: str) -> tuple[str, str, str]:
    """Effects, inputs and reason of a plan."""
    ran = run("plan", *arguments, "-o", "json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    return found["digest"], found["basis"], found["reason"]


def exported(run: Run, folder: Path) -> str:
    """What `get inventory` writes, in a file."""
    file = folder / "inventory.json"
    file.write_text(run("get", "inventory", "-o", "json").out)
    return str(file)


@pytest.mark.parametrize("form", ["table", "wide", "name"])
def test_an_inventory_is_a_line_for_every_replica(
    run: Run, golden: Golden, controller: RunningController, form: str
) -> None:
    """State, memory, what is offered; wide also what is loaded."""
    ran = run("get", "inventory", "-o", form)
    assert (ran.status, ran.err) == (0, "")
    golden(f"get-inventory-{form}", ran.out)


def test_an_empty_inventory_is_said(run: Run) -> None:
    """Before the first sync nothing runs."""
    assert run("get", "inventory").err.endswith("no server replicas found\n")


def test_a_plan_from_the_export_is_the_controllers_plan(
    run: Run, folder: Path, controller: RunningController
) -> None:
    """The same two digests: the file says everything that a plan depends on."""
    file = exported(run, folder)
    assert digests(run, "--from-inventory", file) == digests(run)


def test_a_plan_from_the_export_of_the_record_is_its_plan(run: Run, folder: Path) -> None:
    """As with a controller."""
    assert digests(run, "--from-inventory", exported(run, folder)) == digests(run)


def test_a_file_and_a_repository_are_enough(run: Run, folder: Path, controller: RunningController) -> None:
    """No configuration, no state folder, no controller: what the plan does is the same."""
    file, (effects, *_) = exported(run, folder), digests(run)
    (folder / "moorage.yaml").unlink()
    (folder / ".moorage/controller.json").unlink()
    told = ("example", "--repo", "repository.git", "--revision", "main", "--from-inventory", file)
    assert digests(run, *told)[0] == effects


def test_planning_from_a_file_writes_nothing(run: Run, folder: Path) -> None:
    """Not even a state folder."""
    before = sorted(folder.iterdir())
    assert run("plan", "--from-inventory", str(EXAMPLE)).status == 0
    assert sorted(folder.iterdir()) == before


def test_a_server_more(run: Run, folder: Path, golden: Golden) -> None:
    """What is supposed stands above the plan, which is made of it."""
    commit(folder / "repository.git", {**FILES, **BIG})
    ran = run("plan", "--with-server", "more", "--memory", "4Gi", "--capabilities", "sklearn")
    assert ran.status == 0
    golden("plan-with-server", ran.out)


def test_a_replica_less(run: Run, golden: Golden, controller: RunningController) -> None:
    """Its models have nowhere else to go."""
    ran = run("plan", "--without-server", "mlserver/0", "--policy", "pack")
    assert (ran.status, ran.err) == (0, "")
    golden("plan-without-replica", ran.out)


def test_a_server_less_without_a_controller(run: Run) -> None:
    """The same from the record."""
    ran = run("plan", "--without-server", "mlserver")
    assert ran.out.startswith("what if: no server default/mlserver\n")
    assert "0/1" in ran.out


def test_an_explanation_of_a_supposed_world(run: Run, folder: Path, golden: Golden) -> None:
    """Would it help?"""
    commit(folder / "repository.git", {**FILES, **BIG})
    ran = run("explain", "model/big", "--with-server", "mlserver", "--memory", "4Gi")
    assert ran.status == 0
    golden("explain-with-server", ran.out)


def test_a_supposed_plan_is_no_plan(run: Run, controller: RunningController) -> None:
    """Its JSON says what was supposed, and cannot be read as something to execute."""
    ran = run("plan", "--with-server", "more", "--memory", "4Gi", "-o", "json")
    found = json.loads(ran.out)
    assert found["whatIf"] == ["server default/more with memory 4Gi"]
    assert found["reason"] == "WhatIf"
    with pytest.raises(Exception, match="Plan"):
        decode(Plan, found)


def test_a_lost_replica_of_the_live_system_is_in_the_file(
    controller: RunningController,
) -> None:
    """Its state and reason, as the runtime has them."""

    async def lose() -> None:
        controller.runtime.lose(ReplicaId("default", "mlserver", 0))

    controller.call(lose())
    (server,) = ApiClient(controller.url).inventory()["servers"]
    (replica,) = server["replicas"]
    assert (replica["state"], replica["reason"], replica["models"]) == ("Lost", "ServerStartFailed", [])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from-inventory", "nowhere.json"], "FileNotReadable: nowhere.json: No such file or directory"),
        (["--from-inventory", "moorage.yaml"], "InvalidInventory: moorage.yaml:1:1: no JSON"),
        (["--with-server", "more"], "InvalidCommand: server default/more does not exist yet"),
        (["--with-server", "../more", "--memory", "1Gi"], "InvalidCommand: '../more' cannot be the name"),
        (["--with-server", "more", "--memory", "lots"], "InvalidCommand: --memory: 'lots' is not a quantity"),
        (["--without-server", "mlserver/first"], "InvalidCommand: 'mlserver/first' is no server replica"),
        (["--without-server", "nobody"], "ResourceNotFound: no Server default/nobody in Git or applied"),
        (["--memory", "4Gi"], "InvalidCommand: a size is given, and no server that has it"),
        (["--max-moves", "3"], "InvalidCommand: --max-moves says nothing without --policy pack"),
        (["--repo", "nowhere.git"], "RepositoryNotFound: "),
        (["nobody", "--policy", "pack"], "ApplicationNotFound: no application 'nobody'"),
    ],
)
def test_what_cannot_be_supposed_is_said(run: Run, arguments: list[str], told: str) -> None:
    """One line, and status 2."""
    ran = run("plan", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert f"moorage: {told}" in ran.err


def test_a_file_needs_an_application_to_be_named(run: Run, folder: Path) -> None:
    """Where the configuration has several."""
    (folder / "moorage.yaml").write_text(
        "applications:\n- {name: a, repository: repository.git}\n- {name: b, repository: repository.git}\n"
    )
    ran = run("plan", "--from-inventory", str(EXAMPLE))
    assert (ran.status, ran.err) == (
        2,
        "moorage: ApplicationNotNamed: which application is meant? (name one of: a, b)\n",
    )


def test_the_documented_example_can_be_planned_from(run: Run, folder: Path, golden: Golden) -> None:
    """docs/inventory.example.json, as docs/placement.md runs it."""
    commit(folder / "repository.git", {name: FILES[name] for name in FILES if name.startswith("models")})
    golden("plan-from-example", run("plan", "--from-inventory", str(EXAMPLE)).out)

"""The commands while no controller runs: the repository, the record and the same functions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.address import Address, write_address
from runtime.local.record import Record
from runtime.state import AppliedResource
from schemas.load import read_file
from tests.cli.conftest import Run
from tests.cli.repository import FILES, commit, model

Golden = Callable[[str, str], None]

CHATTER = "no controller runs: answering from the repository and the record\n"


def record(folder: Path, *manifests: str, owner: str = "example") -> None:
    """Write down that these are applied."""
    state = folder / ".moorage"
    state.mkdir(exist_ok=True)
    kept = Record(state)
    for text in manifests:
        for resource in read_file("old.yaml", text.encode(), "default").resources:
            kept.resources.put(AppliedResource(resource, owner))
    kept.close()


def test_a_first_plan_shows_everything(run: Run, golden: Golden) -> None:
    """Changes, servers, models, routes, capacity and failures, each in its section."""
    ran = run("plan")
    assert (ran.status, ran.err) == (0, CHATTER)
    golden("plan-first", ran.out)


def test_a_plan_as_json_has_both_digests(run: Run) -> None:
    """Programs get the plan as it is."""
    found = json.loads(run("plan", "-o", "json").out)
    assert len(found["digest"]) == len(found["basis"]) == 64
    assert [load["model"] for load in found["loads"]] == ["iris", "wine"]


def test_something_to_do_has_its_own_status(run: Run) -> None:
    """As with terraform: 2 where there is something to do, and only when asked."""
    assert run("plan", "--detailed-exitcode").status == 2
    assert run("plan").status == 0


def test_an_error_has_another_status_then(run: Run) -> None:
    """As with terraform: 1 on errors, because 2 means changes."""
    assert run("plan", "nobody", "--detailed-exitcode").status == 1
    assert run("plan", "nobody").status == 2


def test_a_difference_exits_with_one(run: Run, folder: Path, golden: Golden) -> None:
    """Fields as applied and as Git wants them; what is new with all its fields; what is gone by name."""
    record(folder, model("iris", memory="50Ki", uri="gs://models/old"), model("gone"))
    ran = run("diff")
    assert ran.status == 1
    golden("diff", ran.out)


def test_a_difference_that_cannot_be_told_exits_with_two(run: Run, folder: Path) -> None:
    """A repository that is not there."""
    (folder / "moorage.yaml").write_text("applications: [{name: example, repository: nowhere.git}]\n")
    ran = run("diff")
    assert ran.status == 2
    assert "moorage: RepositoryNotFound: " in ran.err


def test_get_reads_the_record(run: Run, folder: Path) -> None:
    """What was applied is listed though nobody runs it."""
    record(folder, model("iris"), FILES["servers/mlserver.yaml"])
    ran = run("get", "models", "-o", "name")
    assert (ran.out, ran.err) == ("model/iris\n", CHATTER)


def test_what_another_owner_applied_is_listed(run: Run, folder: Path) -> None:
    """A resource whose application was dropped from the configuration is still there."""
    record(folder, model("orphan"), owner="dropped")
    assert run("get", "models", "-o", "name").out == "model/orphan\n"


def test_nothing_is_written_by_asking(run: Run, folder: Path) -> None:
    """The state folder is not even made."""
    for command in (("plan",), ("diff",), ("status",), ("get", "models"), ("explain", "model/iris")):
        run(*command)
    assert not (folder / ".moorage").exists()


def test_status_tells_why_a_source_cannot_be_read(run: Run, folder: Path) -> None:
    """Sync status Unknown, and the reason as a condition."""
    (folder / "moorage.yaml").write_text("applications: [{name: example, repository: nowhere.git}]\n")
    ran = run("status")
    assert ran.status == 0
    assert "Unknown" in ran.out
    assert "RepositoryNotFound" in ran.out


def test_explain_says_what_is_missing(run: Run, folder: Path, golden: Golden) -> None:
    """A model too big for every server: each verdict with its numbers."""
    commit(folder / "repository.git", {**FILES, "models/iris.yaml": model("iris", memory="8Gi")})
    ran = run("explain", "model/iris")
    assert ran.status == 0
    golden("explain-too-big", ran.out)


def test_explain_wants_a_model(run: Run) -> None:
    """Other kinds are not placed."""
    ran = run("explain", "server/mlserver")
    assert (ran.status, ran.err) == (
        2,
        "moorage: InvalidCommand: 'server/mlserver' is no model (name it as model/NAME)\n",
    )


def test_a_stale_address_is_nobody(run: Run, folder: Path) -> None:
    """The file of a controller that was killed does not mislead."""
    (folder / ".moorage").mkdir()
    write_address(folder / ".moorage", Address("http://127.0.0.1:9", 1, "gone"))
    assert run("plan").err == CHATTER


def test_two_applications_have_to_be_told_apart(run: Run, folder: Path) -> None:
    """Without a name the command asks for one."""
    (folder / "moorage.yaml").write_text(
        "applications:\n- {name: a, repository: repository.git}\n- {name: b, repository: repository.git}\n"
    )
    ran = run("plan")
    assert ran.status == 2
    assert ran.err.endswith("moorage: ApplicationNotNamed: which application is meant? (name one of: a, b)\n")


def test_declared_servers_are_an_application(run: Run, folder: Path) -> None:
    """Servers of the configuration are planned like everything else."""
    commit(folder / "repository.git", {"models/iris.yaml": FILES["models/iris.yaml"]})
    (folder / "moorage.yaml").write_text(
        "applications: [{name: example, repository: repository.git, revision: main}]\n"
        "servers:\n- apiVersion: mlops.seldon.io/v1alpha1\n  kind: Server\n"
        "  metadata: {name: central}\n  spec: {serverConfig: mlserver}\n"
    )
    made = json.loads(run("plan", "configuration", "-o", "json").out)
    assert [change["key"]["name"] for change in made["changes"]] == ["central"]
    assert made["changes"][0]["after"]["origin"] == {
        "source": "configuration",
        "file": "moorage.yaml",
        "line": 3,
        "column": 3,
    }


def test_what_left_the_configuration_is_deleted(run: Run, folder: Path) -> None:
    """A server that was declared once and is no longer, although nothing else is declared."""
    record(folder, FILES["servers/mlserver.yaml"], owner="configuration")
    made = json.loads(run("plan", "configuration", "-o", "json").out)
    assert [(change["action"], change["key"]["name"]) for change in made["changes"]] == [
        ("delete", "mlserver")
    ]


def test_a_missing_configuration_is_named(run: Run, folder: Path) -> None:
    """One line that says what to do."""
    (folder / "moorage.yaml").unlink()
    ran = run("status")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "moorage: ConfigNotFound: moorage.yaml: No such file or directory"
        " (name one with --config, or a repository with --repo)\n"
    )


def test_an_unreachable_controller_is_named(run: Run) -> None:
    """--server is taken at its word."""
    ran = run("status", "--server", "http://127.0.0.1:9")
    assert ran.status == 2
    assert ran.err.startswith("moorage: ControllerUnreachable: http://127.0.0.1:9: ")


@pytest.mark.parametrize(
    "arguments", [["get"], ["plan", "--nope"], ["nope"], ["logs", "server/a/0", "--tail", "-1"]]
)
def test_wrong_usage_exits_with_two(run: Run, arguments: list[str]) -> None:
    """What the argument parser refuses."""
    assert run(*arguments).status == 2


def test_declared_servers_may_be_referred_to(run: Run, folder: Path) -> None:
    """A model that names a server of the configuration names something that exists."""
    commit(folder / "repository.git", {"models/iris.yaml": model("iris", server="central")})
    assert "UnknownReference" in run("status").out
    with (folder / "moorage.yaml").open("a") as file:
        file.write(
            "servers:\n- apiVersion: mlops.seldon.io/v1alpha1\n  kind: Server\n"
            "  metadata: {name: central}\n  spec: {serverConfig: mlserver}\n"
        )
    assert "UnknownReference" not in run("status", "example").out

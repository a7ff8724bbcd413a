"""``moorage plan --base --head``: two revisions compared, from a repository and whatever is known of what lives."""

import json
from pathlib import Path

import jsonschema
import pygit2
import pytest

from tests.cli.conftest import Run
from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit, model

MORE = {**FILES, "models/pear.yaml": model("pear")}
HUGE = {**FILES, "models/pear.yaml": model("pear", memory="9Gi")}
BOTH = ("--base", "main", "--head", "change")
SCHEMA = Path(__file__).parents[2] / "docs" / "preview.schema.json"


@pytest.fixture(autouse=True)
def change(folder: Path) -> None:
    """A branch that adds a model to what main has."""
    branch(folder, "change", MORE)


def branch(folder: Path, name: str, files: dict[str, str]) -> None:
    """A branch of that name whose tree is ``files``; main stays."""
    git = pygit2.Repository(str(folder / "repository.git"))
    main = git.references["refs/heads/main"].target
    commit(folder / "repository.git", files, "Change")
    git.references.create(f"refs/heads/{name}", git.references["refs/heads/main"].target, force=True)
    git.references["refs/heads/main"].set_target(main)


def test_what_the_head_adds_is_shown(run: Run, golden) -> None:
    """Without an inventory it is as if the base ran and nothing else."""
    ran = run("plan", *BOTH, "--no-inventory")
    assert ran.status == 0
    golden("plan-compare", ran.out)


def test_without_a_controller_the_record_says_what_lives(run: Run) -> None:
    """Nothing runs here, so the base waits, too, and what the head adds stands apart from it."""
    ran = run("plan", *BOTH, "-o", "json")
    (application,) = json.loads(ran.out)["applications"]
    waiting = {each["key"]["name"]: each["waiting"] for each in application["serving"]}
    assert (waiting["iris"], waiting["pear"], bool(application["waits"])) == (True, False, True)


def test_a_controller_says_what_lives(controller: RunningController, run: Run) -> None:
    """Against what runs only the head's own model is new."""
    made = json.loads(run("plan", *BOTH, "-o", "json").out)
    (application,) = made["applications"]
    assert [each["key"]["name"] for each in application["serving"]] == ["pear"]
    assert (made["verdict"], application["waits"]) == ("Safe", "")


def test_an_exported_inventory_says_what_lives(controller: RunningController, run: Run, folder: Path) -> None:
    """The plan from the file is the plan from the live system, digest by digest."""
    live = json.loads(run("plan", *BOTH, "-o", "json").out)
    (folder / "inventory.json").write_text(run("get", "inventory", "-o", "json").out)
    read = json.loads(run("plan", *BOTH, "-o", "json", "--from-inventory", "inventory.json").out)
    assert read["digest"] == live["digest"]
    assert read["applications"][0]["plan"]["basis"] == live["applications"][0]["plan"]["basis"]


def test_the_plan_of_a_comparison_is_the_plan_of_the_sync(
    controller: RunningController, run: Run, folder: Path
) -> None:
    """Once the head is pushed, the controller executes the digest that was shown."""
    shown = json.loads(run("plan", *BOTH, "-o", "json").out)["applications"][0]["plan"]["digest"]
    controller.settle(commit(folder / "repository.git", MORE, "Change"))
    assert controller.controller.history.last("example").digest == shown


def test_the_merge_is_planned_where_that_is_asked_for(run: Run, folder: Path) -> None:
    """What main has got meanwhile is no delete of the head's."""
    commit(folder / "repository.git", {**FILES, "models/plum.yaml": model("plum")}, "Go on")
    alone = json.loads(run("plan", *BOTH, "--no-inventory", "-o", "json").out)
    merged = json.loads(run("plan", *BOTH, "--merge", "--no-inventory", "-o", "json").out)
    verbs = [
        {
            each["key"]["name"]: each["verb"]
            for each in made["applications"][0]["serving"]
            if not each["waiting"]
        }
        for made in (alone, merged)
    ]
    assert verbs == [{"pear": "Added", "plum": "Removed"}, {"pear": "Added"}]
    assert (alone["merged"], merged["merged"]) == (False, True)


def test_a_merge_conflict_names_the_file(run: Run, folder: Path) -> None:
    """And there is no plan."""
    branch(folder, "change", {**FILES, "models/iris.yaml": model("iris", memory="1Mi")})
    commit(folder / "repository.git", {**FILES, "models/iris.yaml": model("iris", memory="2Mi")}, "Go on")
    ran = run("plan", *BOTH, "--merge", "--no-inventory")
    assert ran.status == 2
    assert "MergeConflict" in ran.err
    assert "models/iris.yaml" in ran.err


@pytest.mark.parametrize(
    ("head", "status"), [("main", 0), ("change", 2), ("absent", 1)], ids=["same", "more", "error"]
)
def test_detailed_exit_statuses_are_those_of_terraform(run: Run, head: str, status: int) -> None:
    """0 nothing is added, 1 an error, 2 something is."""
    ran = run("plan", "--base", "main", "--head", head, "--no-inventory", "--detailed-exitcode")
    assert ran.status == status


def test_every_format_is_of_the_same_preview(run: Run) -> None:
    """JSON by its schema, Markdown and HTML with the verdict in words."""
    document = json.loads(run("plan", *BOTH, "--no-inventory", "-o", "json").out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert "**Safe**" in run("plan", *BOTH, "--no-inventory", "-o", "markdown").out
    page = run("plan", *BOTH, "--no-inventory", "-o", "html").out
    assert "<!doctype html>" in page
    assert "pear" in page


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--base", "main"),
        ("plan", "--merge"),
        ("plan", "-o", "markdown"),
        ("plan", *BOTH, "--no-inventory", "--from-inventory", "x.json"),
        ("preview", "--provider", "gitea"),
        (
            "preview",
            "--provider",
            "gitea",
            "--repo",
            "https://git.example.org/a/b",
            "--pr",
            "1",
            "--fail-on",
            "Bad",
        ),
    ],
    ids=["one revision", "no revision", "no comparison", "two inventories", "no number", "no verdict"],
)
def test_what_makes_no_sense_is_refused_with_a_hint(run: Run, words: tuple[str, ...]) -> None:
    """Before anything is read."""
    ran = run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert "InvalidCommand" in ran.err


def test_what_cannot_be_placed_is_said_with_its_remedy(run: Run, folder: Path) -> None:
    """As in every plan."""
    branch(folder, "change", HUGE)
    made = json.loads(run("plan", *BOTH, "--no-inventory", "-o", "json").out)
    assert made["verdict"] == "CannotBePlaced"
    assert made["needs"]


def test_previews_of_a_controller_without_any_are_an_empty_table(
    controller: RunningController, run: Run
) -> None:
    """The headings are there."""
    ran = run("preview")
    assert ran.out.split() == ["REPOSITORY", "PR", "STATE", "VERDICT", "PLAN", "TITLE"]

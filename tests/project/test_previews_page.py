"""docs/previews.md is what people copy: its settings load, its workflows name what there is, its words are the code's."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.main import app, main
from reconciler.config_file import load_config
from reconciler.control.approval import LETS_THROUGH
from reconciler.preview.preview import MILDEST_FIRST
from reconciler.preview.pulls.settings import FAIL_ON
from tests.project.conftest import ROOT

PAGE = (ROOT / "docs/previews.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CONSOLE = [
    line.removeprefix("$ ").partition("#")[0]
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())


def settings() -> list[dict[str, Any]]:
    """The pieces of a configuration."""
    return [piece for piece in map(yaml.safe_load, YAML) if {"previews", "applications"} & piece.keys()]


def test_the_settings_of_the_page_load(tmp_path: Path) -> None:
    """Put together they are a configuration."""
    whole = {name: value for piece in settings() for name, value in piece.items()}
    whole["applications"][0]["repository"] = whole["previews"][0]["repository"]
    (tmp_path / "moorage.yaml").write_text(yaml.safe_dump(whole))
    config = load_config(tmp_path / "moorage.yaml")
    assert config.previews[0].provider == "github"
    assert config.applications[0].sync.require_previewed_plan


def test_the_workflow_names_inputs_that_the_action_has() -> None:
    """And no secret is handed to what a pull request brings."""
    (workflow,) = (each for each in map(yaml.safe_load, YAML) if "jobs" in each)
    (step,) = (s for s in workflow["jobs"]["preview"]["steps"] if s["uses"].startswith("moorage/"))
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert (workflow.get("on") or workflow[True]) == "pull_request"  # YAML 1.1 reads the key as true


def test_nothing_of_the_event_is_part_of_the_actions_scripts() -> None:
    """It comes in as variables: text of a pull request is never a command."""
    assert all("${{" not in step["run"] for step in ACTION["runs"]["steps"])


@pytest.mark.parametrize("line", [*CONSOLE, *re.findall(r"^ +- (moorage .*)$", PAGE, re.MULTILINE)])
def test_a_command_of_the_page_is_one(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every word of it is known."""
    words = shlex.split(line)
    given = [word for word in words if word.startswith("-")]
    command = words[1 : 3 if words[1] == "app" else 2]
    assert main([*command, "--help"]) == 0
    told = capsys.readouterr().out
    assert app.registered_commands
    assert all(word in told for word in given), line


def test_the_verdicts_of_the_page_are_those_of_the_code() -> None:
    """In their order, with what each does to the status."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| (success|failure) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == list(MILDEST_FIRST)
    assert {name for name, state in rows if state == "failure"} == set(FAIL_ON)


def test_how_a_plan_may_stand_is_explained() -> None:
    """Every word of the column PREVIEW."""
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE))
    assert rows == {*LETS_THROUGH, "PlanDiffers", "NoApprovedPlan"} - {""}

"""What anybody may copy: no path of one machine, no registry's host."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

MACHINE = re.compile(r"(?<![\w.~$}])/(?:work|root|home|Users)/\w")
REGISTRY = re.compile(r"\b(?:pypi|pythonhosted|npmjs|proxy\.golang|repo1?\.maven)\.(?:org|com)")
WRITTEN_BY_PROGRAMS = {"__pycache__", "artifacts"}


def committed() -> Iterator[Path]:
    """Text files of the project. Read from the folder, so that an unpacked archive is looked at as well."""
    for top in sorted(ROOT.iterdir()):
        if not top.name.startswith(".") or top.name == ".ci":
            files = [top] if top.is_file() else sorted(top.rglob("*"))
            yield from (path for path in files if path.is_file() and is_ours(path.relative_to(top)))


def is_ours(path: Path) -> bool:
    return not any(part in WRITTEN_BY_PROGRAMS or part.startswith(".") for part in path.parts[:-1])


def found(pattern: re.Pattern[str]) -> list[str]:
    """file:line of every place that matches, but for this file."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in committed()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="ignore").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_a_machine() -> None:
    """Home folders and workspaces of whoever wrote a file stay with them."""
    assert found(MACHINE) == []


def test_no_file_names_a_registry() -> None:
    """Where packages come from is a setting of the machine."""
    assert found(REGISTRY) == []


@pytest.mark.parametrize("line", ["cd {}work/main", "see {}root/x", '"{}home/anna/models"'])
def test_a_path_of_a_machine_would_be_found(line: str) -> None:
    """The scan sees what it is for."""
    assert MACHINE.search(line.format("/"))


@pytest.mark.parametrize("line", ["models{}work/a", "gs://bucket{}home/x", "https://host{}root/x"])
def test_other_paths_are_let_pass(line: str) -> None:
    """Folders of these names elsewhere are no path of a machine."""
    assert not MACHINE.search(line.format("/"))


@pytest.mark.parametrize(
    "host", ["pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "repo1.maven.org"]
)
def test_a_registry_would_be_found(host: str) -> None:
    """The scan knows the registries of the languages that are about."""
    assert REGISTRY.search(f"https://{host}/x")

"""Whoever writes a manifest does not write on the terminal of whoever looks at it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.text import plain, plain_lines
from tests.cli.conftest import Run
from tests.cli.repository import commit, model

ESCAPE = r'"gs://x/\u001b[2J\u009b31m\u202e"'


@given(st.text())
def test_plain_text_is_printable(text: str) -> None:
    """Whatever goes in, nothing comes out that a terminal would obey."""
    assert plain(text).isprintable()


@given(st.text())
def test_plain_lines_keep_their_lines(text: str) -> None:
    """Only tabs and line ends stay as they are."""
    assert all(c.isprintable() or c in "\n\t" for c in plain_lines(text))
    assert plain_lines(text).count("\n") == text.count("\n")


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_printable_text_stays_as_it_is(text: str) -> None:
    """Nothing is changed that needs no change."""
    assert plain(text) == text


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", "-o", "json"],
        ["diff"],
        ["status"],
        ["status", "-o", "json"],
        ["explain", "model/iris"],
        ["validate", "--repo", "repository.git", "--revision", "main"],
        ["validate", "--repo", "repository.git", "--revision", "main", "-o", "json"],
        ["validate", "--repo", "repository.git", "--revision", "main", "-o", "github"],
    ],
)
def test_no_escape_sequence_reaches_the_terminal(run: Run, folder: Path, arguments: list[str]) -> None:
    """A storageUri, a file name, a server name and an unknown field with terminal sequences in them."""
    files = {
        "models/iris.yaml": model("iris", uri=ESCAPE, server=ESCAPE),
        "models/\x1b]0;owned\x07.yaml": "a: [",
        "models/field.yaml": model("field") + '  "\\e[31mred\\u202e": 1\n',
        "other.yaml": 'apiVersion: "v1\\e[0m"\nkind: "K\\e[1m"\nmetadata: {name: "n\\e[1m"}\n',
    }
    commit(folder / "repository.git", files)
    ran = run(*arguments)
    shown = (ran.out + ran.err).replace("\n", "")
    assert shown.isprintable()


def test_a_line_end_begins_no_workflow_command(run: Run, folder: Path) -> None:
    """A message cannot add a second command to a GitHub log."""
    bad = model("x") + '  "a\\n::error::forged": 1\n'
    (folder / "bad.yaml").write_text(bad)
    lines = run("validate", "bad.yaml", "-o", "github").out.splitlines()
    assert lines
    assert all(line.startswith("::") and "file=bad.yaml" in line for line in lines)


def test_credentials_of_a_repository_are_not_shown(run: Run, folder: Path) -> None:
    """Neither in the status nor in an error."""
    url = "https://user:s3cret@127.0.0.1:9/repository.git"
    (folder / "moorage.yaml").write_text(f"applications: [{{name: example, repository: '{url}'}}]\n")
    for command in (["status"], ["plan"], ["validate", "--repo", url]):
        ran = run(*command)
        assert "s3cret" not in ran.out + ran.err
    assert json.loads(run("status", "example", "-o", "json").out)["repository"].startswith("https://127")

"""Bad manifests and everything that has to be said about them.

Each file in ``problems/`` is named after the code it shows. Its lines that start with ``#!`` are the
problems that reading it must give, all of them and in order.
"""

from pathlib import Path

import pytest

from schemas.bounds import MAX_DOCUMENT_CHARACTERS, MAX_DOCUMENTS, MAX_FILE_BYTES
from schemas.finding import MOST_PER_DOCUMENT, SEVERITIES
from schemas.load import combine
from tests.schemas.loading import codes, load, model, reading, told

FOLDER = Path(__file__).parent / "problems"
MANY = "TooManyProblems"

# What cannot be kept as a readable file.
UNREADABLE_BYTES = {
    "FileTooLarge": b"#" * (MAX_FILE_BYTES + 1),
    "DocumentTooLarge": b"a: " + b"x" * (MAX_DOCUMENT_CHARACTERS + 1),
    "TooManyDocuments": b"--- a\n" * (MAX_DOCUMENTS + 1),
    "NotUtf8": "apiVersion: v1\nname: é".encode() + b"\xff",
}


def _expected(text: str) -> list[str]:
    return [line.removeprefix("#! ") for line in text.splitlines() if line.startswith("#! ")]


@pytest.mark.parametrize(
    "file", sorted(set(FOLDER.iterdir()) - {FOLDER / f"{MANY}.yaml"}), ids=lambda f: f.stem
)
def test_a_bad_manifest_gives_exactly_the_problems_it_lists(file):
    """Every problem is reported, with place, severity, path, message and hint."""
    text = file.read_text()

    problems = combine([reading(text)]).problems

    assert [told(problem) for problem in problems] == _expected(text)
    assert file.stem in {problem.code for problem in problems}


@pytest.mark.parametrize("code", UNREADABLE_BYTES)
def test_a_file_out_of_bounds_is_refused_with_a_place(code):
    """Size, count and encoding are refused before anything is built, and hold all pruning."""
    result = reading(UNREADABLE_BYTES[code])

    assert codes(result) == [code]
    assert result.problems[0].line >= 1
    assert result.unreadable


def test_bytes_that_are_not_utf8_are_located_by_line_and_column():
    """The place counts characters, not bytes."""
    (problem,) = reading(UNREADABLE_BYTES["NotUtf8"]).problems

    assert (problem.line, problem.column) == (2, 8)


def test_problems_of_one_document_are_listed_up_to_a_bound():
    """A hostile document does not cost more than reading it."""
    problems = combine([reading((FOLDER / f"{MANY}.yaml").read_text())]).problems

    assert len(problems) == MOST_PER_DOCUMENT + 1
    assert [problem.code for problem in problems].count(MANY) == 1


def test_every_code_is_shown_by_a_bad_manifest():
    """The list of codes and the table hold the same codes."""
    assert {file.stem for file in FOLDER.iterdir()} | UNREADABLE_BYTES.keys() == SEVERITIES.keys()


def test_problems_name_the_resource_they_are_about():
    """Kind, namespace and name stand in every problem of a document that says them."""
    (problem,) = load(model("iris", "replicas: many")).problems

    assert (problem.kind, problem.namespace, problem.name) == ("Model", "default", "iris")


def test_control_characters_of_a_manifest_do_not_reach_a_message():
    """A name with an escape sequence is shown without it."""
    (problem,) = load(model('"\\e[2Jiris"')).problems

    assert problem.code == "InvalidName"
    assert (problem.name + problem.message).isprintable()


def test_a_parameter_value_is_not_repeated_in_a_message():
    """What stands in a manifest may be a secret."""
    result = load(model("iris", "parameters: [{name: token, value: 31337}]"))

    assert codes(result) == ["WrongType"]
    assert "31337" not in told(result.problems[0])

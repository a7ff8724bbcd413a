"""The pages about manifests and problems say what the code does."""

import re

import pytest

from schemas.bounds import (
    MAX_DEPTH,
    MAX_DOCUMENT_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_EXPANDED_NODES,
    MAX_FILE_BYTES,
)
from schemas.cycles import MOST_REPORTED
from schemas.finding import MOST_PER_DOCUMENT, SEVERITIES
from schemas.resource import API_VERSION, KINDS
from tests.schemas.loading import load, told
from tests.schemas.pages import DOCS, PAGES, examples, field_rows

_EXAMPLES = [
    pytest.param(example, id=f"{path.stem}-{number}")
    for path in sorted(PAGES.glob("*.md"))
    for number, example in enumerate(examples(path.read_text()))
]


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_gives_the_problems_that_stand_below_it(example):
    """None where there are none: good examples are good."""
    assert tuple(told(problem) for problem in load(example.text).problems) == example.problems


@pytest.mark.parametrize("example", _EXAMPLES)
def test_every_document_of_an_example_names_its_schema(example):
    """So that editors check what is copied from a page."""
    for document in example.text.split("---\n"):
        kind = re.search(r"^kind: (\w+)$", document, re.MULTILINE)
        assert kind is not None
        assert document.startswith(
            "# yaml-language-server: "
            f"$schema=https://moorage.dev/schemas/v1alpha1/{kind[1].lower()}.schema.json\napiVersion: {API_VERSION}\n"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_a_good_example_and_a_bad_one(kind):
    """And shows every field with its type, default and meaning."""
    page = (PAGES / f"{kind.lower()}.md").read_text()
    bad = [bool(example.problems) for example in examples(page)]

    assert bad[0] is False
    assert any(bad)
    assert [line for line in page.splitlines() if line.startswith("| `spec")] == field_rows(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_names_reasons_that_the_code_gives(kind):
    """The same word in code, status and docs."""
    reasons = re.findall(
        r"^\| [A-Z]\w+ \| `(\w+)` \|", (PAGES / f"{kind.lower()}.md").read_text(), re.MULTILINE
    )
    rooms = (
        path for room in ("placement", "reconciler", "runtime") for path in (DOCS.parent / room).rglob("*.py")
    )
    code = "".join(path.read_text() for path in rooms)

    assert reasons
    assert [reason for reason in reasons if f'"{reason}"' not in code] == []


def test_the_page_of_problems_lists_every_code_with_its_severity():
    """And no other one."""
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| [^|]+ \| [^|]+ \|$", (DOCS / "problems.md").read_text(), re.MULTILINE
    )

    assert rows == list(SEVERITIES.items())


@pytest.mark.parametrize(
    "text",
    [
        f"{MAX_FILE_BYTES // 2**20} MiB",
        f"{MAX_DOCUMENTS:,} documents",
        f"{MAX_DOCUMENT_CHARACTERS:,} characters",
        f"{MAX_DEPTH} levels",
        f"{MAX_EXPANDED_NODES:,} values",
        f"at most {MOST_PER_DOCUMENT})",
    ],
)
def test_the_page_of_problems_names_the_bounds(text):
    """The numbers are those of the code."""
    assert text in (DOCS / "problems.md").read_text()


def test_the_page_of_problems_says_how_many_cycles_are_listed():
    """In words."""
    assert MOST_REPORTED == 10
    assert "ten are listed" in (DOCS / "problems.md").read_text()

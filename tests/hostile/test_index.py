"""docs/security.md names the tests that hold each class, so it has to be true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line][1:]


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:40] for row in ROWS])
def test_every_class_names_tests_that_exist(row: str) -> None:
    """At least one file, and all of them hold tests."""
    files = re.findall(r"`(tests/[\w/]+\.py)`", row.split("|")[3])
    assert files
    for file in files:
        assert "def test_" in (ROOT / file).read_text(), file

"""What becomes of a test whose parts are not here: it says what is missing and who provides it.

A test names its parts (``pytest.mark.needs("gitea")``); where they are found is :mod:`scripts.parts`'s
rule. Nothing else in the tests looks for a part.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts.parts import Part, parts


def program(name: str) -> Path:
    """The program of a part that the test said it needs."""
    found = parts()[name].find()
    assert found is not None, f"mark this test: pytest.mark.needs({name!r})"
    return found


def missing(item: pytest.Item, known: dict[str, Part]) -> str:
    """One line about parts that ``item`` needs and that are not here; empty where all are."""
    return _line(known[name] for mark in item.iter_markers("needs") for name in mark.args)


def _line(needed: Iterable[Part]) -> str:
    lacking = {part.name: part.variable for part in needed if part.find() is None}
    names, variables = " and ".join(sorted(lacking)), " and ".join(lacking[name] for name in sorted(lacking))
    return f"{names} missing: run make testbed, or name it in {variables}" if lacking else ""

"""docs/reasons.md lists every reason that errors, health, plans and results carry."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "placement", "runtime", "reconciler")
ERRORS = {"InputError", "TransientError", "WaitError", "StopError"}
REASON_AT = {
    **dict.fromkeys(ERRORS, 0),
    "Failure": 1,
    "Held": 1,
    "PlanWarning": 1,
    "Health": 1,
    "Result": 1,
    "Condition": 0,
}
WORD = re.compile(r"^[A-Z][A-Za-z]+$")


def reasons() -> Iterator[tuple[str, str]]:
    """(reason, file) of every reason that stands as a word in a call."""
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                at = REASON_AT.get(node.func.id)
                if at is not None and len(node.args) > at and isinstance(node.args[at], ast.Constant):
                    word = node.args[at].value
                    if isinstance(word, str) and WORD.match(word):
                        yield word, str(file.relative_to(ROOT))


def documented() -> set[str]:
    """Every word in code type on the page."""
    return set(re.findall(r"`([A-Z][A-Za-z]+)`", (ROOT / "docs/reasons.md").read_text()))


@pytest.mark.parametrize("reason", sorted({word for word, _ in reasons()}))
def test_a_reason_is_documented(reason):
    """A reason that people meet has a line in docs/reasons.md."""
    assert reason in documented()


def test_the_page_lists_nothing_that_is_not_there():
    """A reason on the page stands in the code."""
    code = "".join(f.read_text() for room in ROOMS for f in sorted((ROOT / room).rglob("*.py")))
    stale = {word for word in documented() if f'"{word}"' not in code and f'"{word}: ' not in code}
    assert stale - {"SyncFailed", "SyncInterrupted", "SyncTerminated"} == set()

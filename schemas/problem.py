"""A problem found in what people wrote, and its order.

Problems are data: whoever finds them goes on and reports all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong or doubtful, and what to do about it.

    ``code`` is stable and listed in ``docs/problems.md``; ``line`` and ``column`` count from 1, 0 means
    the whole file; ``path`` is a JSON-pointer-like place in the document (``spec.steps[1].inputs[0]``).
    """

    severity: Severity
    code: str
    file: str
    line: int
    column: int
    kind: str
    namespace: str
    name: str
    path: str
    message: str
    hint: str = ""


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file, line, column, then code, path and message."""
    return tuple(sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.code, p.path, p.message)))

"""Data on stdout, chatter on stderr: tables, JSON, YAML and single lines.

Tables are borderless, left-aligned, with upper-case headings and two blanks between columns; a line is
never folded. Colour only marks states, and only on a terminal that wants it (``NO_COLOR`` is honoured).
"""

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from reconciler.cli.text import plain

GAP = 2
"""Blanks between two columns."""

_STYLES = {
    **dict.fromkeys(
        ("True", "Healthy", "Synced", "Succeeded", "Accepted", "Scheduled", "create", "load"), "green"
    ),
    **dict.fromkeys(("Progressing", "OutOfSync", "Running", "Suspended", "update", "replace"), "yellow"),
    **dict.fromkeys(("False", "Degraded", "Missing", "Failed", "ScheduleFailed", "error", "delete"), "red"),
}


@cache
def console() -> Console:
    """Stdout as rich sees it. Nothing is interpreted, nothing is folded."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def line(text: object = "", style: str = "") -> None:
    """One line of data."""
    console().print(Text(plain(text), style=style), soft_wrap=True)


def text_block(text: str) -> None:
    """A document as it is: Markdown, HTML. Its makers have escaped what others wrote."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def say(text: object) -> None:
    """One line of chatter."""
    print(plain(text), file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their headings; an empty cell shows as nothing."""
    lines = [list(columns), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[place]) for row in lines) for place in range(len(columns))]
    for number, row in enumerate(lines):
        console().print(_row(row, widths, heading=number == 0), soft_wrap=True)


def _row(cells: Sequence[str], widths: Sequence[int], *, heading: bool) -> Text:
    text = Text()
    for cell, width in zip(cells, widths, strict=True):
        style = "bold" if heading else _STYLES.get(cell, "")
        text.append(cell, style)
        text.append(" " * (width - cell_len(cell) + GAP))
    text.rstrip()
    return text


def as_json(value: Any) -> None:
    """Indented JSON; whatever is not ASCII is escaped."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def as_json_line(value: Any) -> None:
    """JSON on one line; whatever is not ASCII is escaped."""
    sys.stdout.write(json.dumps(value) + "\n")


def as_yaml(value: Any) -> None:
    """YAML in the order of the fields; whatever is not ASCII is escaped."""
    from schemas.writing import yaml_text  # only for this format

    sys.stdout.write(yaml_text(value, ascii_only=True))

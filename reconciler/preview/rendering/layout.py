"""How parts of a comment are set in Markdown: paragraphs, lists and tables whose rest is folded, as blocks.

Pure. Texts come escaped.
"""

from collections.abc import Iterable, Iterator, Sequence

from reconciler.preview.rendering.blocks import Block, Group
from reconciler.preview.rendering.escaping import inside_html
from reconciler.preview.rendering.words import counted

LISTED = 20
"""Rows of each kind that are shown unfolded, and before the rest of any kind."""


def group(
    section: int,
    at: int,
    texts: Iterable[str],
    noun: str = "",
    *,
    opening: str = "",
    closing: str = "",
    first: int = 0,
) -> Group:
    """Texts of one kind of one application. A ``section`` of a lower number is given up later; ``first`` is the
    number of the first one."""
    blocks = (
        Block(text, (int(number >= LISTED), section, at, number), noun)
        for number, text in enumerate(texts, first)
    )
    return Group(tuple(blocks), opening, closing)


def paragraphs(section: int, at: int, texts: Iterable[str]) -> Group:
    """Paragraphs that nobody counts; empty ones are left out."""
    return group(section, at, [f"{text}\n\n" for text in texts if text])


def listing(section: int, at: int, title: str, items: Sequence[str], noun: str) -> Iterator[Group]:
    """Items below a title, unfolded as far as :data:`LISTED`."""
    seen, rest = [f"- {item}\n" for item in items[:LISTED]], [f"- {item}\n" for item in items[LISTED:]]
    yield group(section, at, seen, noun, opening=f"**{title}**\n\n", closing="\n")
    yield fold(section, at, counted(len(rest), f"more {noun}"), rest, noun, first=LISTED)


def table(
    section: int, at: int, columns: Sequence[str], rows: Sequence[Sequence[str]], noun: str
) -> Iterator[Group]:
    """Rows below their headings, unfolded as far as :data:`LISTED`."""
    head, texts = _head(columns), [_row(row) for row in rows]
    yield group(section, at, texts[:LISTED], noun, opening=head, closing="\n")
    rest = texts[LISTED:]
    yield fold(section, at, counted(len(rest), f"more {noun}"), rest, noun, head=head, first=LISTED)


def fold(
    section: int,
    at: int,
    summary: str,
    texts: Iterable[str],
    noun: str,
    *,
    head: str = "",
    foot: str = "",
    first: int = 0,
) -> Group:
    """Texts that a reader unfolds, below a ``head`` and above a ``foot`` of their own."""
    opening = f"<details><summary>{inside_html(summary)}</summary>\n\n{head}"
    closing = f"{foot}\n</details>\n\n"
    return group(section, at, texts, noun, opening=opening, closing=closing, first=first)


def folded_table(
    section: int, at: int, whose: str, columns: Sequence[str], rows: Sequence[Sequence[str]], noun: str
) -> Group:
    """Rows below their headings, all of them folded."""
    summary = f"{whose}{counted(len(rows), noun)}"
    return fold(section, at, summary, [_row(row) for row in rows], noun, head=_head(columns))


def _head(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"

"""Texts of others within Markdown: shown as they are, and without any effect.

A comment is written with a token of ours, so nothing in it may mention anybody, link, close an issue, run a
quick action of GitLab, or leave its place. What Markdown itself would read is escaped; what providers look for
afterwards is broken by a character of no width: in code only mentions and issues, so that digests and addresses
can be copied from there.
"""

import re
from collections.abc import Iterable
from html import escape as html_escape
from typing import Final

from reconciler.cli.text import plain
from reconciler.preview.rendering.words import Name

BREAK: Final = "\N{ZERO WIDTH SPACE}"
LONGEST: Final = 400
"""Characters of one text of others; a plan's messages have no more."""
LONGEST_CODE: Final = 200
"""Characters in one code span or line of a block. cmark closes no code span of more than 80 backticks and no
fence of more than 255, so runs of them must stay short."""

_MENTIONS = re.compile(r"(?<=[@#])(?=\S)|(?<=\S)(?=@)")
"""Of people, teams and issues, so no closing word stands before an issue; and mail."""
_TRIGGERS = re.compile(
    r"(?<=\bGH-)(?=\d)"
    r"|(?<=[!~%$&^])(?=[\w\"'{(\[])"  # GitLab: merge requests, labels, milestones, snippets, epics, alerts
    r"|(?<=:)(?=\S)|(?<=\S)(?=:\S)"  # addresses, mailto:, emoji, some of which are images
    r"|(?<=\bwww)(?=\.)",
    re.IGNORECASE,
)
_LIKE_A_COMMIT = re.compile(r"[0-9a-f]{6}(?=[0-9a-f])", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|~$^&]")
_MARKUP_AT_START = re.compile(r"\A[#+\-/:\d]")
_BACKTICKS = re.compile(r"`+")


def shown(text: object, most: int = LONGEST) -> str:
    """``text`` on one line, bounded, with escapes for what is not printable."""
    said = plain(str(text)[: most + 1])
    return said if len(said) <= most else said[: most - 1] + "…"


def unmentioned(text: str) -> str:
    """``text`` mentioning nobody and no issue."""
    return _MENTIONS.sub(BREAK, text)


def quiet(text: str) -> str:
    """``text`` without anything that a provider would take for a reference."""
    return _LIKE_A_COMMIT.sub(rf"\g<0>{BREAK}", _TRIGGERS.sub(BREAK, unmentioned(text)))


def prose(text: object, most: int = LONGEST) -> str:
    """A text between ours, also in a cell. Entities are taken for the character and nothing else."""
    return _MARKUP.sub(_entity, quiet(shown(text, most)))


def item(text: object) -> str:
    """A text with which a paragraph or an item of a list begins."""
    return _MARKUP_AT_START.sub(_entity, prose(text))


def _entity(found: re.Match[str]) -> str:
    return f"&#x{ord(found[0]):x};"


def code(text: object, most: int = LONGEST_CODE) -> str:
    """A text as a code span, also in a cell; nothing for an empty one. What would end either is escaped as
    what is not printable is."""
    said = unmentioned(shown(text, most)).strip()
    escaped = said.replace("`", r"\x60").replace("|", r"\x7c")
    return f"`{escaped}`" if said else ""


def block_line(text: object, most: int = LONGEST_CODE) -> str:
    """A text as a line of a code block."""
    return unmentioned(shown(text, most))


def fence(lines: Iterable[str]) -> str:
    """A fence that none of ``lines`` can close."""
    runs = (len(run) for line in lines for run in _BACKTICKS.findall(line))
    return "`" * max(3, max(runs, default=0) + 1)


def phrase(parts: Iterable[str]) -> str:
    """A phrase, with its names as code."""
    return "".join(code(part) if isinstance(part, Name) else prose(part) for part in parts)


def inside_html(text: object) -> str:
    """A text within an element of ours, where Markdown is not read."""
    return html_escape(quiet(shown(text)))

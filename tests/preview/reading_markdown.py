"""A comment as a provider reads it: parsed as GitHub-flavoured Markdown, and what it would act on."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKER = "<!-- moorage:preview -->"
LINK = "https://moorage.example/previews?repository=acme%2Fmodels&number=7"
OUR_HTML = re.compile(r"<details><summary>[^<>]*</summary>\n?|</details>\n?|" + re.escape(MARKER) + "\n?")
ACTED_ON = re.compile(
    r"@\w|#\w|\bGH-\d|://|\bwww\.|[!~%$&^]\d|:[\w+-]+:|(?<![0-9a-z\u200b])[0-9a-f]{7,40}(?![0-9a-z])",
    re.IGNORECASE,
)
"""Mentions, issues, addresses, GitLab's references, emoji and commits."""
NOT_OURS = ("code_block", "blockquote_open", "hr", "s_open", "em_open", "ordered_list_open")
"""What a comment of ours never has."""
ACTED_ON_IN_CODE = re.compile(r"[@#]\w")


def parser() -> MarkdownIt:
    parsing = MarkdownIt("commonmark", {"html": True, "linkify": True})
    parsing.enable(["table", "strikethrough", "linkify"])
    assert parsing.linkify is not None
    parsing.linkify.set({"fuzzy_link": False, "fuzzy_email": True})  # as GitHub does
    return parsing


def tokens(text: str) -> Iterator[Token]:
    """Every token, those of lines behind their block."""
    for token in parser().parse(text):
        yield token
        yield from token.children or ()


def offences(text: str) -> list[str]:
    """What in a comment would have an effect that is not ours."""
    found: list[str] = []
    for token in tokens(text):
        if token.type == "image" or (token.type == "link_open" and token.attrGet("href") != LINK):
            found.append(f"{token.type} {token.attrs}")
        if token.type in ("html_block", "html_inline") and not OUR_HTML.fullmatch(token.content):
            found.append(f"{token.type} {token.content!r}")
        if token.type in ("text", "html_block") and ACTED_ON.search(token.content):
            found.append(f"{token.type} {token.content!r}")
        if token.type in ("code_inline", "fence") and ACTED_ON_IN_CODE.search(token.content):
            found.append(f"{token.type} {token.content!r}")
        if token.type in NOT_OURS or (token.type == "heading_open" and token.tag != "h3"):
            found.append(token.type)
    return found


def left_open(text: str) -> bool:
    """True where what follows the comment would be within something of it."""
    *_, opening, inline, closing = parser().parse(f"{text}\n\nwhat follows\n")
    ends = (opening.type, inline.content, closing.type, opening.level)
    return ends != ("paragraph_open", "what follows", "paragraph_close", 0) or not _balanced(text)


def _balanced(text: str) -> bool:
    depth = 0
    for token in tokens(text):
        if token.type == "html_block":
            depth += token.content.count("<details>") - token.content.count("</details>")
            if depth not in (0, 1):
                return False
    return depth == 0

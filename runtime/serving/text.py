"""Foreign text made fit to be shown: one line, bounded, no control characters, no credentials in URLs.

What servers, packages and storage backends say ends up in statuses, events and logs.
"""

import re

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"`<>]*(?==)[^\s'\"`<>]*")
_BLANKS = re.compile(r"\s+")


def one_line(text: str, limit: int = 500) -> str:
    """``text`` without control characters, its blanks joined, at most ``limit`` characters."""
    printable = "".join(char if char.isprintable() else " " for char in text[: limit * 20])
    line = _BLANKS.sub(" ", printable).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def without_credentials(text: str) -> str:
    """``text`` with user info and query strings of URLs left out: both carry credentials."""
    return _QUERY.sub("", _USERINFO.sub("", text))

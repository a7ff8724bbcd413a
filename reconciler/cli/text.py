"""What may reach a terminal. Names and messages come out of manifests, and those are hostile input."""


def plain(text: object) -> str:
    """``text`` with every character that is not printable written as an escape.

    That covers control characters, terminal sequences, and marks that turn the reading direction.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def plain_lines(text: str) -> str:
    """As :func:`plain` for a text of many lines; tabs and line ends stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)

"""Bytes and named amounts as people read them. Output only: manifests are parsed in ``schemas``."""

_UNITS = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


def readable_bytes(count: int) -> str:
    """``1181116006`` → ``1.1Gi``: the largest unit that leaves at least 1, one decimal at most."""
    value, unit = float(count), 0
    while round(value, 1) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f}".removesuffix(".0") + _UNITS[unit]


def readable_pair(left: int, right: int) -> tuple[str, str]:
    """Both as :func:`readable_bytes`, or both as plain bytes where rounding would hide the difference."""
    texts = readable_bytes(left), readable_bytes(right)
    return (str(left), str(right)) if texts[0] == texts[1] and left != right else texts


def readable_amount(thousandths: int) -> str:
    """``8589934592000`` → ``8Gi``, ``500`` → ``500m``: exact, so different amounts never look alike.

    Thousandths where it is no whole number, else the largest binary unit that leaves a whole number.
    """
    count, rest = divmod(thousandths, 1000)
    if rest:
        return f"{thousandths}m"
    unit = 0
    while count and count % 1024 == 0 and unit < len(_UNITS) - 1:
        count, unit = count // 1024, unit + 1
    return f"{count}{_UNITS[unit]}"

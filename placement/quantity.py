"""Bytes as people read them. Output only: quantities of manifests are parsed in ``schemas``."""

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

"""Kubernetes quantities (``100Ki``, ``1.5G``, ``4e6``, ``500m``) as whole bytes, or as thousandths.

Source: the Kubernetes API's serialisation of ``resource.Quantity``: binary and decimal suffixes, an
exponent instead of a suffix, and a fraction is rounded up to the next whole unit. It stops at
reading: a quantity is written as a plain integer.
"""

import re
from decimal import ROUND_CEILING, Decimal

MAX_BYTES = 2**63 - 1

PATTERN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?"
)

_SCALES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_LONGEST = 64


def quantity_bytes(value: int | str) -> int:
    """The whole number of bytes that ``value`` says, rounded up.

    Raises ``ValueError`` with a sentence for people where it is no quantity, negative, or beyond
    :data:`MAX_BYTES`.
    """
    number = value if isinstance(value, int) else _whole(_parse(value))
    if number < 0:
        raise ValueError(f"{value} is negative")
    if number > MAX_BYTES:
        raise ValueError(f"{_shown(value)} is more than {MAX_BYTES} bytes")
    return number


def quantity_thousandths(text: str) -> int:
    """``text`` in thousandths of a unit, rounded up; refuses as :func:`quantity_bytes` does."""
    number = _parse(text)
    if number < 0:
        raise ValueError(f"{text} is negative")
    if number > MAX_BYTES:
        raise ValueError(f"{_shown(text)} is more than {MAX_BYTES}")
    return _whole(number * 1000)


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_CEILING))


def _parse(text: str) -> Decimal:
    match = PATTERN.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{_shown(text)!r} is not a quantity such as 100Ki, 1.5G or 4000000")
    suffix = match["suffix"] or ""
    scale = _SCALES[suffix] if suffix in _SCALES else Decimal(f"1{suffix}")
    return Decimal(match["number"]) * scale


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

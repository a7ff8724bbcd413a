"""What a plain (unquoted) YAML scalar means, as Kubernetes reads it.

Kubernetes reads YAML with a 1.1 resolver of its own habits and turns the result into JSON: ``yes``
and ``n`` are booleans, ``0777`` is octal, ``1_000`` is a number, ``1:30`` and ``2024-01-01`` are
strings, and ``2.0`` is the same number as ``2``. Those habits are kept here so that a manifest means
the same to us and to a cluster. Source: resolve.go of sigs.k8s.io/yaml. It stops at single scalars: structure is
:mod:`schemas.nodes`'s.
"""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_DIGITS = re.compile(r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+))")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"hex": 16, "bin": 2, "oct": 8}

# Plain scalars that start otherwise are strings, which is most of them.
SUSPECTS = frozenset("0123456789+-.~yYnNtTfFoO")
# Longer digits than any field holds; int() of hostile lengths is slow.
_LONGEST = 64


def plain_scalar(text: str) -> Scalar:
    """The value of the plain scalar ``text``. Integral floats are integers; infinities and not-a-number
    come back as floats and have no place in JSON, which the caller has to refuse."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in SUSPECTS or len(text) > _LONGEST:
        return text
    return _number(text if text[0] == "." else text.replace("_", ""), text)


def _number(digits: str, text: str) -> Scalar:
    if _DECIMAL.fullmatch(digits):
        return int(digits)
    match = _DIGITS.fullmatch(digits)
    if match and match.lastgroup:
        value = int(match[match.lastgroup], _BASES[match.lastgroup])
        return -value if digits[0] == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return int(number) if number.is_integer() else number
    return text

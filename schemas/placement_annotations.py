"""What annotations tell placement, beyond the fields of the reference: resources, priority, update strategy.

    moorage.dev/resources: "nvidia.com/gpu-memory=8Gi,cpu=500m"   Model (needs) and Server (has), per replica
    moorage.dev/priority: "10"                                    Model, −1000 to 1000, 0 where nothing is said
    moorage.dev/update-strategy: Recreate                         Model, else Rolling

Reading only; :mod:`schemas.semantics.annotations` reports with a place what cannot be read here.
"""

import re
from collections.abc import Mapping

from schemas.errors import InputError
from schemas.finding import shown
from schemas.quantity import quantity_thousandths

RESOURCES_ANNOTATION = "moorage.dev/resources"
PRIORITY_ANNOTATION = "moorage.dev/priority"
UPDATE_STRATEGY_ANNOTATION = "moorage.dev/update-strategy"

Resources = tuple[tuple[str, int], ...]
"""Named resources beside memory, as (name, amount in thousandths), sorted by name; what is not named is 0."""

MOST_RESOURCES = 16
HIGHEST_PRIORITY = 1000

_LONGEST = 4096
_NAME = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_PRIORITY = re.compile(r"[+-]?[0-9]{1,4}")
_EXAMPLE = "write NAME=QUANTITY, such as nvidia.com/gpu-memory=8Gi,cpu=500m"


def resources_of(annotations: Mapping[str, str]) -> Resources:
    """The resources that are named; amounts of 0 are left out, as they say nothing.

    Raises InputError ``InvalidResources``.
    """
    text = annotations.get(RESOURCES_ANNOTATION, "")
    if len(text) > _LONGEST:
        raise _refusal(f"{len(text)} characters, at most {_LONGEST} are read", "name fewer resources")
    parts = text.split(",") if text.strip() else []
    if len(parts) > MOST_RESOURCES:
        raise _refusal(f"{len(parts)} resources, at most {MOST_RESOURCES} are read", "name fewer resources")
    named: dict[str, int] = {}
    for name, amount in map(_resource, parts):
        if name in named:
            raise _refusal(f"{shown(name)} is named twice", "keep one of the two")
        named[name] = amount
    return tuple(sorted((name, amount) for name, amount in named.items() if amount))


def _resource(part: str) -> tuple[str, int]:
    name, equals, quantity = (piece.strip() for piece in part.partition("="))
    if not equals:
        raise _refusal(f"{shown(part.strip())!r} names no amount", _EXAMPLE)
    if not _NAME.fullmatch(name):
        raise _refusal(f"{shown(name)!r} is no name of a resource", _EXAMPLE)
    if name == "memory":
        raise _refusal("memory is no further resource", "spec.memory and the server's pod declare it")
    try:
        return name, quantity_thousandths(quantity)
    except ValueError as fault:
        raise _refusal(f"{shown(name)}: {fault}", _EXAMPLE) from fault


def _refusal(message: str, hint: str) -> InputError:
    return InputError("InvalidResources", message, hint)


def priority_of(annotations: Mapping[str, str]) -> int:
    """Who goes first where not all fit: a higher number. Raises InputError ``InvalidPriority``."""
    text = annotations.get(PRIORITY_ANNOTATION, "0").strip()
    if not _PRIORITY.fullmatch(text) or abs(int(text)) > HIGHEST_PRIORITY:
        message = f"{shown(text)!r} is no whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
        raise InputError("InvalidPriority", message, "0 is what counts where nothing is said")
    return int(text)


def recreates(annotations: Mapping[str, str]) -> bool:
    """True where the old version may go before the new one is there. Raises InputError
    ``InvalidUpdateStrategy``."""
    text = annotations.get(UPDATE_STRATEGY_ANNOTATION, "Rolling").strip()
    if text not in ("Rolling", "Recreate"):
        message = f"{shown(text)!r} is neither Rolling nor Recreate"
        raise InputError("InvalidUpdateStrategy", message, "Rolling is what counts where nothing is said")
    return text == "Recreate"

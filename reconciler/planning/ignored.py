"""Fields that are nobody's drift: what is live there stays, whatever Git says. Pure.

The fields are named by JSON pointers (RFC 6901) into the manifest, as Argo CD's ``ignoreDifferences``
names them. A resource is compared, and applied, with the live value in their place. Only Git's own side
decides whether a resource exists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cattrs import BaseValidationError

from reconciler.control.sync_policy import IgnoredDifference
from schemas.decode import decode_spec
from schemas.encode import manifest
from schemas.errors import InputError
from schemas.resource import Resource

LONGEST_POINTER = 500
_ABSENT = object()
_WITHIN = ("spec", "metadata")


def check_pointer(text: str) -> None:
    """Raise InputError ``InvalidPointer`` for what is no pointer into a spec, labels or annotations."""
    steps = _steps(text)
    named = len(steps) > 1 and steps[0] in _WITHIN
    if not named or (steps[0] == "metadata" and steps[1] not in ("labels", "annotations")):
        message = f"{text[:64]!r} is no pointer below /spec, /metadata/labels or /metadata/annotations"
        raise InputError("InvalidPointer", message, "write it as /spec/replicas")


def with_ignored(wanted: Resource, live: Resource, rules: Iterable[IgnoredDifference]) -> Resource:
    """``wanted`` with the live value of every field that a rule ignores.

    Where the result would be no valid resource, the rule is of no use and Git's value stands.
    """
    pointers = sorted({pointer for rule in rules if _concerns(rule, wanted) for pointer in rule.pointers})
    if not pointers:
        return wanted
    said, lives = manifest(wanted), manifest(live)
    for pointer in pointers:
        steps = _steps(pointer)
        _put(said, steps, _get(lives, steps))
    metadata = said.get("metadata", {})
    try:
        spec = decode_spec(wanted.key.kind, said.get("spec", {}))
    except (BaseValidationError, ValueError, TypeError):
        return wanted
    return replace(
        wanted,
        spec=spec,
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
    )


def _concerns(rule: IgnoredDifference, resource: Resource) -> bool:
    key = resource.key
    return rule.kind == key.kind and rule.namespace in ("", key.namespace) and rule.name in ("", key.name)


def _steps(pointer: str) -> tuple[str, ...]:
    if not pointer.startswith("/") or len(pointer) > LONGEST_POINTER:
        return ()
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def _get(node: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if isinstance(node, Mapping) and step in node:
            node = node[step]
        elif isinstance(node, list) and _is_index(step, node):
            node = node[int(step)]
        else:
            return _ABSENT
    return node


def _put(node: Any, steps: tuple[str, ...], value: Any) -> None:
    """Set or remove one field; a list item that one side lacks is left alone."""
    *above, last = steps
    for step in above:
        if isinstance(node, dict):
            node = node.setdefault(step, {}) if value is not _ABSENT else node.get(step)
        else:
            node = node[int(step)] if isinstance(node, list) and _is_index(step, node) else None
    if isinstance(node, dict):
        if value is _ABSENT:
            node.pop(last, None)
        else:
            node[last] = value
    elif isinstance(node, list) and value is not _ABSENT and _is_index(last, node):
        node[int(last)] = value


def _is_index(step: str, items: list[Any]) -> bool:
    return step.isascii() and step.isdecimal() and len(step) < 6 and int(step) < len(items)

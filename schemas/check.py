"""A document against the published schema of its kind: accepted fast, explained slowly.

Accepting is one call into a compiled validator. Explaining is for documents that were not accepted:
it names every field that is wrong, in words for people. Both judge by the same schema files; a test
shows that they agree. What fields mean together is left to :mod:`schemas.semantics`.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Any

import jsonschema_rs
from jsonschema import Draft7Validator

from schemas.finding import Finding, Path, did_you_mean, first, shown
from schemas.open_objects import OPEN_FIELDS, settled_spec, without_nulls
from schemas.published import schemas

# jsonschema's ValidationError, whose fields are typed as possibly unset although they never are here.
_Error = Any

# A field of a schema that replaces WrongType and WrongValue by a code of its own.
CODE_KEYWORD = "x-moorage-code"

# More than are listed, so that sorting and repetitions leave enough.
_MOST_ERRORS = 1000

_NAMES = {
    bool: "a boolean", dict: "an object", float: "a number", int: "an integer",
    list: "a list", str: "a string", type(None): "nothing",
}  # fmt: skip
_TYPES = {
    "array": "a list", "boolean": "a boolean", "integer": "an integer", "null": "nothing",
    "number": "a number", "object": "an object", "string": "a string",
}  # fmt: skip


@cache
def _accepting() -> Mapping[str, jsonschema_rs.Draft7Validator]:
    return {kind: jsonschema_rs.Draft7Validator(dict(schema)) for kind, schema in schemas().items()}


@cache
def _explaining() -> Mapping[str, Draft7Validator]:
    return {kind: Draft7Validator(schema) for kind, schema in schemas().items()}


def accepts(kind: str, value: Any) -> bool:
    """True where ``value`` is valid as it stands."""
    return _accepting()[kind].is_valid(value)


@dataclass(frozen=True)
class Explanation:
    """Everything the schema has against a document. ``usable`` is the document without what is wrong,
    as far as its shape goes, where enough is left to look at its meaning; else None."""

    findings: tuple[Finding, ...]
    usable: Any


def explain(kind: str, value: Mapping[str, Any]) -> Explanation:
    """Why ``value`` was not accepted. Fields without a value are left out first, with a warning."""
    settled = without_empty_fields(value)
    errors = list(islice(_explaining()[kind].iter_errors(settled), _MOST_ERRORS))
    findings = dict.fromkeys(
        finding for error in errors for finding in islice(_findings(error), _MOST_ERRORS)
    )
    missing = {finding.path for finding in findings if finding.code == "MissingField"}
    nulls = (finding for finding in _null_findings(value) if finding.path not in missing)
    return Explanation(tuple(first(chain(findings, nulls))), _usable(kind, settled, errors))


def without_empty_fields(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` without fields that hold null, except inside open objects and status."""
    settled = {name: item for name, item in value.items() if item is not None}
    if "metadata" in settled:
        settled["metadata"] = without_nulls(settled["metadata"])
    if isinstance(settled.get("spec"), dict):
        settled["spec"] = settled_spec(settled["spec"])
    return settled


def _null_findings(value: Mapping[str, Any]) -> Iterator[Finding]:
    for name, item in value.items():
        if name == "spec" and isinstance(item, dict):
            for inner, part in item.items():
                if inner not in OPEN_FIELDS or part is None:
                    yield from _nulls(part, ("spec", inner))
        elif name != "status" and name != "metadata":
            yield from _nulls(item, (name,))


def _nulls(value: Any, path: Path) -> Iterator[Finding]:
    if value is None:
        message = f"{shown(str(path[-1]))} has no value and counts as absent"
        yield Finding("NullField", path, message, "give it a value or remove it", at_key=True)
    for step, item in _items(value):
        if item is not None or isinstance(step, str):
            yield from _nulls(item, (*path, step))


def _items(value: Any) -> Sequence[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _findings(error: _Error) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(error.instance.keys() - known.keys()):
            message = f"unknown field {shown(name)}"
            yield Finding("UnknownField", (*path, name), message, did_you_mean(name, known), at_key=True)
    elif error.validator == "required":
        for name in sorted(set(error.validator_value) - error.instance.keys()):
            yield Finding("MissingField", (*path, name), f"{name} is missing")
    else:
        code = error.schema.get(CODE_KEYWORD)
        kind, message, hint = _wrong(error)
        yield Finding(code or kind, path, message, hint)


def _wrong(error: _Error) -> tuple[str, str, str]:
    """Code, message and hint. Values are not repeated: a parameter may be a secret."""
    wanted = error.validator_value
    if error.validator == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        expected = " or ".join(_TYPES[name] for name in names)
        quotable = "string" in names and isinstance(error.instance, bool | int | float)
        hint = "put it in quotes" if quotable else ""
        return "WrongType", f"expected {expected}, got {_NAMES[type(error.instance)]}", hint
    if error.validator == "enum":
        text = str(error.instance)
        return "WrongValue", f"must be one of {', '.join(wanted)}", did_you_mean(text, list(wanted))
    if error.validator in ("minLength", "minItems"):
        return "WrongValue", "must not be empty", ""
    if error.validator in ("minimum", "maximum"):
        bound = "at least" if error.validator == "minimum" else "at most"
        return "WrongValue", f"must be {bound} {wanted}", ""
    if error.validator == "pattern":
        return "WrongValue", "is not written as it has to be", "a quantity such as 100Ki, 1.5G or 4000000"
    return "WrongValue", f"breaks the rule {error.validator!r} of the schema", ""


def _usable(kind: str, value: Mapping[str, Any], errors: Sequence[_Error]) -> Any:
    """``value`` in a shape that can be decoded; values out of range can stay."""
    usable = deepcopy(dict(value))
    for error in errors:
        if error.validator == "type":
            _leave_out(usable, tuple(error.absolute_path))
        elif error.validator == "additionalProperties":
            for name in error.instance.keys() - error.schema.get("properties", {}).keys():
                _leave_out(usable, (*error.absolute_path, name))
    left = _explaining()[kind].iter_errors(usable)
    return None if any(error.validator in {"required", "type"} for error in left) else usable


def _leave_out(value: Any, path: Path) -> None:
    """Remove a field; an item of a list becomes the empty string, so that its neighbours keep their place."""
    *around, last = path
    for step in around:
        value = value[step]
    if isinstance(last, int):
        value[last] = ""
    else:
        value.pop(last, None)  # a wrong field may be unknown as well

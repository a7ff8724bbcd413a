"""Frozen dataclasses to JSON values and back, in camelCase, and the canonical bytes that digests use.

One converter for every value that leaves the process (plans, live state, inventories, records), so
that a field has one spelling everywhere. It stops at plain JSON values: files and sockets are the
business of the callers.
"""

import dataclasses
import hashlib
import json
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

T = TypeVar("T")


def camel(name: str) -> str:
    """``storage_uri`` → ``storageUri``; a trailing underscore (reserved words) is dropped."""
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in tail)


def _renames(cls: type) -> dict[str, Any]:
    return {field.name: override(rename=camel(field.name)) for field in dataclasses.fields(cls)}


def _converter(omit_defaults: bool) -> Converter:
    converter = Converter(forbid_extra_keys=True)

    def structure(cls: type) -> Any:
        return make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **_renames(cls))

    def unstructure(cls: type) -> Any:
        return make_dict_unstructure_fn(
            cls, converter, _cattrs_omit_if_default=omit_defaults, **_renames(cls)
        )

    is_value = lambda cls: dataclasses.is_dataclass(cls)  # noqa: E731 (a predicate of one call)
    converter.register_structure_hook_factory(is_value, structure)
    converter.register_unstructure_hook_factory(is_value, unstructure)
    return converter


_FULL = _converter(omit_defaults=False)
_TERSE = _converter(omit_defaults=True)


def encode(value: Any) -> Any:
    """A frozen dataclass (or a container of them) as JSON values, defaults written out."""
    return _FULL.unstructure(value)


def encode_terse(value: Any) -> Any:
    """As :func:`encode`, leaving out fields that hold their default."""
    return _TERSE.unstructure(value)


def decode(cls: type[T], data: Any) -> T:
    """The value of type ``cls`` that ``data`` says; unknown keys raise cattrs' ``ClassValidationError``."""
    return _FULL.structure(data, cls)


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no blanks, no floats. Equal values give equal bytes everywhere."""
    data = encode(value)
    _refuse_floats(data)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """SHA-256 of :func:`canonical`, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _refuse_floats(data: Any) -> None:
    if isinstance(data, float):
        raise TypeError(f"{data!r}: floats have no canonical form; use integers or strings")
    if isinstance(data, dict):
        for item in data.values():
            _refuse_floats(item)
    elif isinstance(data, list | tuple):
        for item in data:
            _refuse_floats(item)

"""Frozen dataclasses to JSON values and back, in camelCase, and the canonical bytes that digests use.

One converter for every value that leaves the process (plans, live state, inventories, records), so
that a field has one spelling everywhere. A union of dataclasses (``LoadModel | UnloadModel``) carries
the class name in a field ``type``; a class whose own fields pick the type of another one registers
its pair of functions with :func:`register`, as :mod:`schemas.resource` does. Values are strict: a
string is never read as a number. A moment is ISO 8601 in UTC with milliseconds. It stops at plain JSON
values: files and sockets are the business of the callers.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

T = TypeVar("T")

TAG = "type"
_PLAIN = (str, int, bool, NoneType)


def camel(name: str) -> str:
    """``storage_uri`` → ``storageUri``; a trailing underscore (reserved words) is dropped."""
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in tail)


def _renames(cls: type) -> dict[str, Any]:
    return {field.name: override(rename=camel(field.name)) for field in dataclasses.fields(cls)}


def _members(cls: Any) -> tuple[Any, ...]:
    return get_args(cls) if get_origin(cls) in (Union, UnionType) else ()


def _is_plain_union(cls: Any) -> bool:
    members = _members(cls)
    return bool(members) and all(member in _PLAIN for member in members)


def _is_tagged_union(cls: Any) -> bool:
    values = [member for member in _members(cls) if member is not NoneType]
    return len(values) > 1 and all(dataclasses.is_dataclass(member) for member in values)


def _exactly(cls: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            raise TypeError(f"expected {cls.__name__}, got {type(value).__name__}")
        return value

    return structure


def _structure_plain_union(cls: Any) -> Callable[[Any, Any], Any]:
    members = _members(cls)

    def structure(value: Any, _: Any) -> Any:
        if type(value) not in members:
            raise TypeError(f"expected {cls}, got {type(value).__name__}")
        return value

    return structure


def _converter(omit_defaults: bool) -> Converter:
    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})

    def structure(cls: type) -> Any:
        return make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **_renames(cls))

    def unstructure(cls: type) -> Any:
        return make_dict_unstructure_fn(
            cls, converter, _cattrs_omit_if_default=omit_defaults, **_renames(cls)
        )

    def structure_tagged(cls: Any) -> Callable[[Any, Any], Any]:
        types = {member.__name__: member for member in _members(cls) if member is not NoneType}
        optional = NoneType in _members(cls)

        def read(value: Any, _: Any) -> Any:
            if value is None and optional:
                return None
            if not isinstance(value, Mapping) or value.get(TAG) not in types:
                raise TypeError(f"expected an object with {TAG!r} among {', '.join(sorted(types))}")
            fields = {name: item for name, item in value.items() if name != TAG}
            return converter.structure(fields, types[value[TAG]])

        return read

    def unstructure_tagged(_: Any) -> Callable[[Any], Any]:
        def write(value: Any) -> Any:
            if value is None:
                return None
            return {TAG: type(value).__name__, **converter.unstructure(value)}

        return write

    converter.register_structure_hook_factory(dataclasses.is_dataclass, structure)
    converter.register_unstructure_hook_factory(dataclasses.is_dataclass, unstructure)
    converter.register_structure_hook_factory(_is_plain_union, _structure_plain_union)
    converter.register_structure_hook_factory(_is_tagged_union, structure_tagged)
    converter.register_unstructure_hook_factory(_is_tagged_union, unstructure_tagged)
    for plain in (str, int, bool):
        converter.register_structure_hook(plain, _exactly(plain))
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
    """The value of type ``cls`` that ``data`` says.

    Raises cattrs' ``BaseValidationError`` (also for unknown keys) or, for a wrong plain value at the
    top, ``TypeError``.
    """
    return _FULL.structure(data, cls)


def register(
    cls: type[T],
    write: Callable[[T, Callable[[Any], Any]], Any],
    read: Callable[[Any, Callable[[Any, Any], Any]], T],
) -> None:
    """Use ``write(value, unstructure)`` and ``read(data, structure)`` for ``cls`` wherever it stands.

    The second argument is the converter's own function, so that terse stays terse.
    """
    for converter in (_FULL, _TERSE):
        _register(converter, cls, write, read)


def _register(converter: Converter, cls: type[T], write: Any, read: Any) -> None:
    converter.register_unstructure_hook(cls, lambda value: write(value, converter.unstructure))
    converter.register_structure_hook(cls, lambda data, _: read(data, converter.structure))


def _moment(text: Any) -> datetime:
    if not isinstance(text, str):
        raise TypeError(f"expected a moment, got {type(text).__name__}")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise TypeError(f"{text!r} has no time zone")
    return moment


register(
    datetime,
    lambda moment, _: moment.astimezone(UTC).isoformat(timespec="milliseconds"),
    lambda data, _: _moment(data),
)


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no blanks, no floats. Equal values give equal bytes everywhere."""
    data = encode(value)
    _refuse_floats(data)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """SHA-256 of :func:`canonical`, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def joined(digests: Iterable[str]) -> str:
    """One digest of many digests, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


class Digested:
    """A frozen dataclass that remembers its digest: planning asks for thousands of unchanged ones.

    ``not_digested`` names fields that only word what others say.
    """

    not_digested: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def digest(self) -> str:
        """Digest of what the value says."""
        said = encode(self)
        return digest({name: said[name] for name in said if name not in self.not_digested})


def _refuse_floats(data: Any) -> None:
    if isinstance(data, float):
        raise TypeError(f"{data!r}: floats have no canonical form; use integers or strings")
    if isinstance(data, dict):
        for item in data.values():
            _refuse_floats(item)
    elif isinstance(data, list | tuple):
        for item in data:
            _refuse_floats(item)

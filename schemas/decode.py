"""From the JSON value of a valid ``spec`` to its typed form.

What the schema allows in more than one spelling gets one here: a memory quantity becomes bytes, a
null counts as absent, and numbers with a fraction inside open objects become their decimal text
(Kubernetes quantities and Kafka settings take either, canonical JSON has none). Whether a spec is
valid is the business of :mod:`schemas.check`.
"""

from collections.abc import Mapping
from typing import Any, cast

from schemas import codec
from schemas.quantity import quantity_bytes
from schemas.specs import SPEC_TYPES, Spec

# Fields whose inside Kubernetes or Kafka owns: nulls there mean something and stay.
OPEN_FIELDS = frozenset(
    {
        "components",
        "config",
        "deploymentStrategy",
        "imageOverrides",
        "overrides",
        "podSpec",
        "statefulSetPersistentVolumeClaimRetentionPolicy",
        "volumeClaimTemplates",
    }
)


def decode_spec(kind: str, data: Mapping[str, Any]) -> Spec:
    """The spec of a resource of ``kind`` that schema and semantics have accepted.

    Raises what :func:`schemas.codec.decode` raises for anything else, ``KeyError`` for a kind that
    is not ours and ``ValueError`` for a memory quantity that is none.
    """
    fields = {name: _settled(name, value) for name, value in data.items() if value is not None}
    if kind == "Model" and "memory" in fields:
        fields["memory"] = quantity_bytes(fields["memory"])
    return cast("Spec", codec.decode(SPEC_TYPES[kind], fields))


def _settled(name: str, value: Any) -> Any:
    if not isinstance(value, dict | list):
        return value
    return _without_floats(value) if name in OPEN_FIELDS else without_nulls(value)


def without_nulls(value: Any) -> Any:
    """``value`` without the object fields that hold null, at any depth."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _without_floats(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: _without_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_floats(item) for item in value]
    return value

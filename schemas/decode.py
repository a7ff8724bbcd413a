"""From the JSON value of a valid ``spec`` to its typed form.

What the schema allows in more than one spelling gets one here: a memory quantity becomes bytes and
open objects lose their floats. Whether a spec is valid is the business of :mod:`schemas.check`.
"""

from collections.abc import Mapping
from typing import Any, cast

from schemas import codec
from schemas.open_objects import OPEN_FIELDS, without_floats
from schemas.quantity import quantity_bytes
from schemas.specs import SPEC_TYPES, Spec


def decode_spec(kind: str, data: Mapping[str, Any]) -> Spec:
    """The spec of a resource of ``kind`` that the schema has accepted.

    Raises ``ValueError`` for a memory quantity out of bounds; for data that the schema would refuse,
    what :func:`schemas.codec.decode` raises, and ``KeyError`` for a kind that is not ours.
    """
    fields = dict(data)
    if "memory" in fields:
        fields["memory"] = quantity_bytes(fields["memory"])
    for name in OPEN_FIELDS & fields.keys():
        fields[name] = without_floats(fields[name])
    return cast("Spec", codec.decode(SPEC_TYPES[kind], fields))

"""``docs/preview.schema.json``, made of the types: the document that people read by is what is written."""

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reconciler.preview.document import SCHEMA_ID
from reconciler.preview.preview import Preview
from schemas.codec import TAG, camel
from schemas.resource import Resource
from schemas.specs import ModelSpec

PAGE = Path(__file__).parents[2] / "docs" / "preview.schema.json"
PLAIN = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
OPEN = {
    Resource: "A manifest as it is to be applied: key, spec, origin, labels, annotations. Secrets are masked.",
    ModelSpec: "The spec of a Model, as docs/manifests/model.md has it. Values of parameters are masked.",
}
"""Types whose fields are documented with the manifests."""


def schema() -> dict[str, Any]:
    """The schema of the whole document."""
    definitions: dict[str, Any] = {}
    whole = _dataclass(Preview, definitions)
    whole["properties"] = {"$schema": {"const": SCHEMA_ID}, **whole["properties"]}
    whole["properties"]["schemaVersion"] = {"const": 1}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "Moorage preview: what the merge of a pull request will do",
        **whole,
        "definitions": dict(sorted(definitions.items())),
    }


def _dataclass(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return {
        "description": " ".join((cls.__doc__ or "").split()).replace("``", "`"),
        "type": "object",
        "additionalProperties": False,
        "required": [camel(field.name) for field in fields],
        "properties": {camel(field.name): _type(hints[field.name], definitions) for field in fields},
    }


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    if hint in OPEN:
        return {"type": "object", "description": OPEN[hint]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(each, definitions) for each in inner]}
    if origin is tuple:
        return _tuple(inner, definitions)
    if origin in (Mapping, dict):
        return {"type": "object", "additionalProperties": _type(inner[1], definitions)}
    assert dataclasses.is_dataclass(hint), hint
    return _reference(hint, definitions)


def _tuple(inner: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if inner[-1:] == (...,):
        return {"type": "array", "items": _type(inner[0], definitions)}
    return {"type": "array", "items": [_type(each, definitions) for each in inner]}


def _reference(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _dataclass(cls, definitions)
    assert TAG not in definitions[name].get("properties", {})
    return {"$ref": f"#/definitions/{name}"}

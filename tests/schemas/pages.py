"""The pages about manifests, taken apart: tables of fields, examples, and what they must give."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.published import schemas

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "manifests"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OPEN = "an open object"


@dataclass(frozen=True)
class Example:
    """A YAML block, and the lines of the text block behind it where it is a bad one."""

    text: str
    problems: tuple[str, ...]


def examples(page: str) -> list[Example]:
    """All examples of a page, in order."""
    found: list[Example] = []
    for language, body in _BLOCK.findall(page):
        if language == "yaml":
            found.append(Example(body, ()))
        elif language == "text" and found:
            found[-1] = Example(found[-1].text, tuple(body.splitlines()))
    return found


def field_rows(kind: str) -> list[str]:
    """The rows that the table of fields of ``kind`` has to consist of."""
    schema = schemas()[kind]
    spec = schema["properties"]["spec"]
    return list(_rows("spec", spec, schema.get("definitions", {})))


def _rows(path: str, part: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    required = part.get("required", [])
    for name, raw in part.get("properties", {}).items():
        field = definitions[raw["$ref"].rpartition("/")[2]] if "$ref" in raw else raw
        here = f"{path}[{name!r}]" if "." in name else f"{path}.{name}"
        star = " *" if name in required else ""
        default = _default(field["default"]) if "default" in field else ""
        yield f"| `{here}`{star} | {_type(field)} | {default} | {field['description'].replace('|', '/')} |"
        yield from _below(here, field, definitions)


def _below(path: str, field: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """The fields inside, except where Kubernetes owns them."""
    if field.get("additionalProperties") is False:
        yield from _rows(path, field, definitions)
    items = field.get("items", {})
    if items.get("additionalProperties") is False:
        yield from _rows(f"{path}[]", items, definitions)


def _default(value: object) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(field: dict[str, Any]) -> str:
    kind = field["type"]
    if isinstance(kind, list):
        return " or ".join(kind)
    if "enum" in field:
        return " \\| ".join(field["enum"])
    if kind == "array":
        return f"list of {field['items']['type']}s"
    inner = field.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return "map of strings" if inner["type"] == "string" else "map of strings and integers"
    return _OPEN if kind == "object" and inner is not False else kind

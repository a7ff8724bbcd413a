"""The page ``docs/configuration.md``, made of the schema and the example: what a setting is stands in one place."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.config_file import schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "gitops-example" / "moorage.yaml"

HEAD = """\
# Configuration

`moorage run --config FILE` reads one YAML file; without `--config` every command looks for `moorage.yaml`
in the current folder. Paths in it are relative to the file. It is read strictly: a setting that is not on
this page is refused with its place and the nearest name. `reconciler/config.schema.json` is the same in
JSON Schema, for editors.

This page is made from that schema; a test keeps it so (`MOORAGE_GOLDEN=1 pytest tests/config` writes it anew).

"""


def page() -> str:
    """The whole page."""
    rows = "".join(_row(path, node, required=required) for path, node, required in _settings("", schema()))
    table = f"| setting | type | default | what and why |\n|---|---|---|---|\n{rows}"
    example = f"\n## Example\n\n```yaml\n{EXAMPLE.read_text().rstrip()}\n```\n"
    return HEAD + table + example


def _settings(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Every setting below ``node`` in the schema's order."""
    inside, needed = path, set(node.get("required", ()))
    if node.get("type") == "array":
        node, inside = node["items"], f"{path}[]"
        needed = set(node.get("required", ()))
    elif isinstance(node.get("additionalProperties"), Mapping):
        node, inside = node["additionalProperties"], f"{path}.NAME"
        needed = set(node.get("required", ()))
    for name, child in node.get("properties", {}).items():
        full = f"{inside}.{name}".removeprefix(".")
        yield full, child, name in needed
        yield from _settings(full, child)


def _row(path: str, node: Mapping[str, Any], *, required: bool) -> str:
    return f"| `{path}` | {_type(node)} | {_default(node, required=required)} | {node['description']} |\n"


def _type(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if isinstance(node["type"], list):
        return str(node["type"][0])
    if node["type"] == "array":
        return f"list of {node['items'].get('type', 'object')}s"
    return str(node["type"])


def _default(node: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    if "default" not in node:
        return ""
    value = node["default"]
    return (
        "none" if value in (None, [], {}) else f"`{value if isinstance(value, str) else json.dumps(value)}`"
    )

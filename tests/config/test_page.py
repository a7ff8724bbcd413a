"""``docs/configuration.md`` says what the code says."""

import json
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from placement.policy import Policy
from reconciler.config import ApplicationConfig, Config
from reconciler.config_file import load_config, schema
from tests.config.page import EXAMPLE, PAGE, page


def test_the_page_is_made_of_the_schema() -> None:
    """Every setting with its type, default and reason; MOORAGE_GOLDEN=1 writes the page anew."""
    if os.environ.get("MOORAGE_GOLDEN"):
        PAGE.write_text(page())
    assert page() == PAGE.read_text()


def test_the_defaults_of_the_page_are_those_of_the_code(tmp_path: Path) -> None:
    """A file with every default written out is the same configuration as one with none."""
    least = "applications: [{name: a, repository: r}]\n"
    (tmp_path / "least.yaml").write_text(least)
    settings = {
        name: _defaults(node) for name, node in schema()["properties"].items() if name != "applications"
    }
    application = {
        "name": "a",
        "repository": "r",
        **_defaults(schema()["properties"]["applications"]["items"]),
    }

    (tmp_path / "whole.yaml").write_text(json.dumps({**settings, "applications": [application]}))
    assert load_config(tmp_path / "whole.yaml") == load_config(tmp_path / "least.yaml")


def test_every_value_of_the_configuration_has_a_setting(tmp_path: Path) -> None:
    """No field of the dataclasses is out of the file's reach: each has a setting in the page."""
    (tmp_path / "c.yaml").write_text("applications: [{name: a, repository: r}]\n")
    named = {
        (Config, "packages"): "serverConfigs",
        **{(ApplicationConfig, name): "sync" for name in ("auto", "prune", "interval")},
        (Policy, "name"): "policy",
    }
    for value, node in _parts(load_config(tmp_path / "c.yaml")):
        for field in fields(value):
            name = "".join(part.title() if i else part for i, part in enumerate(field.name.split("_")))
            assert named.get((type(value), name), name) in node["properties"], field.name


def test_the_example_configuration_is_valid() -> None:
    """The file that people copy."""
    assert [each.name for each in load_config(EXAMPLE).applications] == ["example"]


def test_the_example_names_every_setting() -> None:
    """The commented example leaves none out."""

    told = yaml.safe_load(EXAMPLE.read_text())
    assert set(told) == set(schema()["properties"])


def _defaults(node: Any) -> Any:
    if "default" in node:
        return node["default"]
    return {
        name: _defaults(child)
        for name, child in node.get("properties", {}).items()
        if "default" in child or _defaults(child)
    }


def _parts(config: Any) -> list[tuple[Any, Any]]:
    properties = schema()["properties"]
    parts = [(config, schema()), (config.applications[0], properties["applications"]["items"])]
    parts += [
        (getattr(config, name), properties[name]) for name in ("storage", "gateway", "api", "placement")
    ]
    assert all(is_dataclass(part) for part, _ in parts)
    return parts

"""``docs/cli.md`` and ``docs/api.md`` name what there is."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import Route

from reconciler.cli.main import app
from reconciler.cli.resources import COLUMNS, WIDE
from reconciler.web.api import make_app

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text()
API = (DOCS / "api.md").read_text()


def test_every_command_has_a_row() -> None:
    """In the page, and no other has one."""
    commands = {each.name or cast("Any", each.callback).__name__ for each in app.registered_commands}
    assert set(re.findall(r"^\| `moorage (\w+)", CLI, re.MULTILINE)) == commands


def test_the_columns_are_those_of_the_page() -> None:
    """Of every kind, in order."""
    for kind, columns in COLUMNS.items():
        shown, wide = (", ".join(name for name, _ in each) for each in (columns, WIDE[kind]))
        assert f"| {kind.lower()}s | {shown} | {wide} |" in CLI


def test_every_path_has_a_row() -> None:
    """With its method, and no other has one."""
    routes = [
        route
        for route in make_app(cast("Any", SimpleNamespace(controller=None))).routes
        if isinstance(route, Route)
    ]
    served = {
        f"{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path.replace(':int', '')}"
        for route in routes
    }
    assert {
        row.split("?")[0] for row in re.findall(r"^\| `((?:GET|POST) [^`]+)`", API, re.MULTILINE)
    } == served

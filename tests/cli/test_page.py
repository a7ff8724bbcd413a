"""``docs/cli.md`` and ``docs/api.md`` name what there is."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import Route
from typer import Typer

from reconciler.cli.main import app
from reconciler.cli.resources import COLUMNS, WIDE
from reconciler.web.api import make_app
from reconciler.web.previews import preview_routes
from reconciler.web.signals import signal_routes

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text()
API = (DOCS / "api.md").read_text()


def test_every_command_has_a_row() -> None:
    """In the page, and no other has one; those of a group by both words."""
    commands = names(app)
    for group in app.registered_groups:
        commands |= {f"{group.name} {name}" for name in names(cast("Any", group.typer_instance))}
    groups = "|".join(str(group.name) for group in app.registered_groups)
    rows = re.findall(rf"^\| `moorage ((?:(?:{groups}) )?\w+)", CLI, re.MULTILINE)
    assert set(rows) == commands


def names(group: Typer) -> set[str]:
    """The commands of a group."""
    return {each.name or cast("Any", each.callback).__name__ for each in group.registered_commands}


def test_the_columns_are_those_of_the_page() -> None:
    """Of every kind, in order."""
    for kind, columns in COLUMNS.items():
        shown, wide = (", ".join(name for name, _ in each) for each in (columns, WIDE[kind]))
        assert f"| {kind.lower()}s | {shown} | {wide} |" in CLI


def test_every_path_has_a_row() -> None:
    """With its method, and no other has one."""
    nobody: Any = SimpleNamespace(controller=None, metrics=None, board=None)
    further = [*signal_routes(nobody, nobody, nobody, ""), *preview_routes(nobody)]
    routes = [route for route in make_app(nobody, None, further).routes if isinstance(route, Route)]
    served = {
        f"{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path.replace(':int', '')}"
        for route in routes
    }
    assert {
        row.split("?")[0] for row in re.findall(r"^\| `((?:GET|POST) [^`]+)`", API, re.MULTILINE)
    } == served

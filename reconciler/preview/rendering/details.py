"""What a reader unfolds: the manifests' differences field by field, every move on server replicas, every route.

Pure; texts like those of :mod:`reconciler.preview.rendering.rows`, for the same renderers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from placement.inventory import ReplicaId
from placement.quantity import readable_bytes
from reconciler.planning.plan import Plan
from reconciler.preview.preview import ApplicationPreview, ResourceChange
from reconciler.preview.rendering.words import SHORT, Name, Phrase, joined, replica, route

MOVES: Final = ("What", "Model", "Version", "Server replica", "Memory", "Because")
ROUTES: Final = ("Name", "Before", "On the way", "After")
_EFFECTS: Final = {"Planned": "", "AlreadySo": "is so already: nothing is done", "Held": "held back"}
_DELETES_FIRST: Final = {"delete": 0, "update": 1, "create": 2}


@dataclass(frozen=True)
class Difference:
    """How one manifest differs: its heading, where it stands, what becomes of it, and signed lines."""

    action: str
    name: str
    place: str
    effect: str
    lines: tuple[tuple[str, str], ...]


def differences(application: ApplicationPreview) -> list[Difference]:
    """Changed manifests: what is held comes first, then deletes, updates, creates."""
    ordered = sorted(
        application.changes, key=lambda change: (change.effect != "Held", _DELETES_FIRST[change.action])
    )
    return [_difference(change) for change in ordered]


def _difference(change: ResourceChange) -> Difference:
    said = ": ".join(part for part in (_EFFECTS[change.effect], change.reason, change.message) if part)
    place = f"{change.file}:{change.line}" if change.line else change.file
    lines = tuple(_field_lines(change)) or (
        (("-", "the whole resource"),) if change.action == "delete" else ()
    )
    return Difference(change.action, str(change.key), place, said, lines)


def _field_lines(change: ResourceChange) -> Iterator[tuple[str, str]]:
    for field in change.fields:
        if field.before is not None:
            yield "-", f"{field.path}: {_value(field.path, field.before)}"
        if field.after is not None:
            yield "+", f"{field.path}: {_value(field.path, field.after)}"


def _value(path: str, value: Any) -> str:
    """As in the manifest; bytes of memory also as people write them."""
    said = json.dumps(value, ensure_ascii=False)
    return f"{said} ({readable_bytes(value)})" if path == "spec.memory" and isinstance(value, int) else said


def move_rows(plan: Plan) -> list[tuple[Phrase, ...]]:
    """Everything that happens on server replicas, in the columns of :data:`MOVES`."""
    starts = [
        _move(move.action, "", "", move.replica, move.template.memory if move.template is not None else 0, "")
        for move in plan.server_moves
    ]
    steps = [("load", load) for load in plan.loads] + [("unload", unload) for unload in plan.unloads]
    return starts + [
        _move(action, f"{s.namespace}/{s.model}", s.version[:SHORT], s.replica, s.memory, s.reason)
        for action, s in steps
    ]


def _move(what: str, model: str, version: str, at: ReplicaId, memory: int, why: str) -> tuple[Phrase, ...]:
    amount = readable_bytes(memory) if memory else ""
    return (what,), (Name(model),), (Name(version),), (Name(replica(at)),), (amount,), (why,)


def route_rows(plan: Plan) -> list[tuple[Phrase, ...]]:
    """Every route that changes, in the columns of :data:`ROUTES`."""
    return [
        (
            (Name(f"{change.namespace}/{change.name}"),),
            route(change.before),
            joined([route(stage) for stage in change.via], ", then "),
            route(change.after),
        )
        for change in plan.routes
    ]

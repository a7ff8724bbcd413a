"""Plans and differences as text. Sections with nothing in them are left out."""

import json
from collections.abc import Sequence
from typing import Any

from placement.quantity import readable_bytes, readable_pair
from reconciler.cli.output import line, table
from reconciler.cli.why import failures_table
from reconciler.planning.diff import all_fields
from reconciler.planning.plan import Capacity, Change, Held, Plan, PlanWarning
from runtime.routes import Route

SHORT = 12
"""Characters of a digest that are shown."""


def show_plan(plan: Plan, *, wide: bool = False) -> None:
    """Everything that one sync will do, section by section; many failures counted, but with ``wide``."""
    head = f"application {plan.application} at {plan.revision[:SHORT]}"
    verb = "nothing to do" if plan.empty else "plan"
    line(f"{head}: {verb} (plan {plan.digest[:SHORT]}, basis {plan.basis[:SHORT]})", style="bold")
    show_section("CHANGES", ("ACTION", "KIND", "NAMESPACE", "NAME", "FIELDS"), _changes(plan.changes))
    show_section("SERVERS", ("ACTION", "REPLICA", "MEMORY", "CAPABILITIES"), _servers(plan))
    show_section(
        "MODELS", ("ACTION", "NAMESPACE", "MODEL", "VERSION", "REPLICA", "MEMORY", "REASON"), _moves(plan)
    )
    show_section("ROUTES", ("NAMESPACE", "NAME", "BEFORE", "AFTER"), _routes(plan))
    show_section(
        "CAPACITY", ("REPLICA", "LIMIT", "BEFORE", "AFTER"), [_capacity(each) for each in plan.capacity]
    )
    show_section("FAILURES", *failures_table(plan.failures, wide=wide))
    show_section("HELD", ("KIND", "NAMESPACE", "NAME", "REASON", "MESSAGE"), _held(plan.held))
    show_section("WARNINGS", ("KIND", "NAMESPACE", "NAME", "REASON", "MESSAGE"), _held(plan.warnings))


def show_diff(plan: Plan, *, sections: bool = False) -> None:
    """The differing fields of every resource: ``-`` as applied, ``+`` as Git wants it. With ``sections`` each
    resource has a heading as Argo CD writes it."""
    for change in plan.changes:
        applied = "/dev/null" if change.action == "create" else f"applied {change.key}"
        wanted = "/dev/null" if change.after is None else f"{_place(change)} {change.key}"
        if sections:
            line(f"===== {change.key} ======", style="bold")
            if change.action == "delete":
                line("-deleted", style="red")
        else:
            line(f"--- {applied}", style="bold")
            line(f"+++ {wanted}", style="bold")
        _show_fields(change)
    for held in plan.held:
        line(f"held {held.key}: {held.reason}: {held.message}", style="yellow")


def _show_fields(change: Change) -> None:
    for field in change.fields or (all_fields(change.after) if change.after else ()):
        if field.before is not None:
            line(f"-{field.path}: {_value(field.before)}", style="red")
        if field.after is not None:
            line(f"+{field.path}: {_value(field.after)}", style="green")


def show_section(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table under its title, below a blank line; nothing where it has no rows."""
    if rows:
        line()
        line(title.capitalize(), style="bold")
        table(columns, rows)


def _changes(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    return [
        (change.action, change.key.kind, change.key.namespace, change.key.name, _fields(change))
        for change in changes
    ]


def _fields(change: Change) -> str:
    return "; ".join(f"{f.path}: {_value(f.before)} → {_value(f.after)}" for f in change.fields)


def _servers(plan: Plan) -> list[tuple[object, ...]]:
    return [
        (
            move.action,
            move.replica,
            readable_bytes(move.template.memory) if move.template else "",
            ",".join(move.template.capabilities) if move.template else "",
        )
        for move in plan.server_moves
    ]


def _moves(plan: Plan) -> list[tuple[object, ...]]:
    moves = [("load", load) for load in plan.loads] + [("unload", unload) for unload in plan.unloads]
    return [
        (
            action,
            move.namespace,
            move.model,
            move.version[:SHORT],
            move.replica,
            readable_bytes(move.memory),
            move.reason,
        )
        for action, move in moves
    ]


def _routes(plan: Plan) -> list[tuple[str, ...]]:
    """States on the way stand before the last one: ``none, then iris@…`` is an interruption."""
    return [
        (r.namespace, r.name, _route(r.before), ", then ".join(map(_route, (*r.via, r.after))))
        for r in plan.routes
    ]


def _route(route: Route | None) -> str:
    """``iris@1a2b3c4d5e6f[0,1]×50 + …``; what is mirrored comes last."""
    if route is None:
        return "none"
    parts = [
        f"{w.target.model}@{w.target.version[:SHORT]}[{','.join(str(r.index) for r in w.target.replicas)}]×{w.weight}"
        for w in route.targets
    ]
    mirror = route.mirror
    copy = (
        f", mirror {mirror.target.model}@{mirror.target.version[:SHORT]} {mirror.percent}%" if mirror else ""
    )
    return " + ".join(parts) + copy


def _capacity(capacity: Capacity) -> tuple[object, ...]:
    before, after = readable_pair(capacity.before, capacity.after)
    return capacity.replica, readable_bytes(capacity.limit), before, after


def _held(told: Sequence[Held | PlanWarning]) -> list[tuple[str, ...]]:
    return [(t.key.kind, t.key.namespace, t.key.name, t.reason, t.message) for t in told]


def _place(change: Change) -> str:
    origin = change.after.origin if change.after else None
    return f"{origin.file}:{origin.line}" if origin else ""


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value is not None else "absent"

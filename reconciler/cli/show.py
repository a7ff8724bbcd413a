"""``moorage status`` and ``moorage get``: what is there and how it is."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import (
    AllNamespacesOption,
    ApplicationArgument,
    ConfigOption,
    NamespaceOption,
    ServerOption,
    TableFormat,
)

if TYPE_CHECKING:
    from reconciler.status import ApplicationStatus


class Kind(StrEnum):
    """What can be listed; the short names are those that kubectl knows."""

    models = "models"
    servers = "servers"
    experiments = "experiments"
    pipelines = "pipelines"


class Format(StrEnum):
    """How resources are written."""

    table = "table"
    wide = "wide"
    json = "json"
    yaml = "yaml"
    name = "name"


_KINDS = {
    Kind.models: "Model",
    Kind.servers: "Server",
    Kind.experiments: "Experiment",
    Kind.pipelines: "Pipeline",
}
_ALIASES = {
    **{name: kind for kind in Kind for name in (kind.value, kind.value[:-1])},
    "mlm": Kind.models,
    "mls": Kind.servers,
    "mlx": Kind.experiments,
    "mlp": Kind.pipelines,
}


INVENTORY = "inventory"
"""No kind of resources, but what the engine looks at: every server replica of every namespace."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(status)
    app.command()(get)


def status(
    name: ApplicationArgument = None,
    output: Annotated[
        TableFormat, typer.Option("--output", "-o", help="How it is written.")
    ] = TableFormat.table,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Show applications: sync status, health, revision, last sync, and what is wrong."""
    from reconciler.cli.output import as_json
    from reconciler.cli.session import answers
    from schemas.codec import encode

    asked = answers(config, server)
    statuses = (asked.application(name),) if name else asked.applications()
    if output is TableFormat.json:
        as_json(encode(statuses[0]) if name else {"items": encode(statuses)})
    else:
        _show_statuses(statuses, details=name is not None or len(statuses) == 1)


def get(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="models, servers, experiments, pipelines or inventory.")
    ],
    name: Annotated[str | None, typer.Argument(help="One resource.", show_default=False)] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How it is written.")] = Format.table,
    namespace: NamespaceOption = "default",
    every: AllNamespacesOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """List applied resources with their state, or server replicas with what is loaded on them."""
    from reconciler.cli import resources
    from reconciler.cli.session import answers
    from schemas.errors import InputError

    if kind == INVENTORY and name is None:
        resources.show_inventory(answers(config, server).inventory(), output.value)
        return
    if kind not in _ALIASES:
        known = ", ".join((*Kind, INVENTORY))
        raise InputError("KindNotFound", f"unknown kind {kind!r}", f"one of: {known}")
    wanted = _KINDS[_ALIASES[kind]]
    found: list[dict[str, Any]] = list(answers(config, server).objects(wanted, None if every else namespace))
    if name is not None:
        found = [each for each in found if each["metadata"]["name"] == name]
        if not found:
            where = "any namespace" if every else f"namespace {namespace}"
            raise InputError("ResourceNotFound", f"no {wanted} {name!r} in {where}")
    resources.show(wanted, found, output.value, one=name is not None, every=every)


def _show_statuses(statuses: tuple["ApplicationStatus", ...], *, details: bool) -> None:
    from reconciler.cli.output import line, say, table
    from reconciler.cli.statuses import show_conditions, show_problems

    if not statuses:
        say("no applications")
        return
    columns = ("NAME", "SYNC", "HEALTH", "REVISION", "LAST SYNC", "REPOSITORY", "FOLLOWS")
    table(columns, [_application_row(each) for each in statuses])
    if not details:
        return
    for each in statuses:
        if each.resources:
            line()
            table(("KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "REASON", "MESSAGE"), _resource_rows(each))
        show_conditions(each.conditions)
        show_problems(each)


def _application_row(status: "ApplicationStatus") -> tuple[str, ...]:
    from reconciler.cli.statuses import to_the_second

    last = status.last_sync
    synced = f"{last.phase} {to_the_second(last.finished or last.started)}" if last else ""
    return (
        status.name,
        status.sync,
        status.health,
        status.revision[:10],
        synced,
        status.repository,
        status.follows,
    )


def _resource_rows(status: "ApplicationStatus") -> list[tuple[str, ...]]:
    return [
        (
            each.key.kind,
            each.key.namespace,
            each.key.name,
            each.sync,
            each.health.status,
            each.health.reason,
            each.health.message,
        )
        for each in status.resources
    ]

"""``moorage app``: applications in the words, columns and exit statuses of Argo CD's CLI; here what looks.

Without a controller ``list``, ``get``, ``diff`` and ``history`` answer from the repository and the record.
What changes something is in :mod:`reconciler.cli.app_sync` and :mod:`reconciler.cli.app_intent`.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import app_intent, app_sync
from reconciler.cli.asking import POLL_SECONDS, WatchOption, watch
from reconciler.cli.exits import NEGATIVE, OK, CommandError
from reconciler.cli.options import ApplicationArgument, ConfigOption, ServerOption
from reconciler.cli.show import Format

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.status import ApplicationStatus

FormatOption = Annotated[Format, typer.Option("--output", "-o", help="How it is written.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Applications: look at them, sync, pin, suspend.", no_args_is_help=True)
    group.command("list")(list_)
    for command in (get, diff, history, refresh, wait):
        group.command()(command)
    app_sync.register(group)
    app_intent.register(group)
    app.add_typer(group, name="app")


def list_(
    output: FormatOption = Format.table,
    again: WatchOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """List applications."""
    from reconciler.cli.session import answers

    asked = answers(config, server)
    if again:
        watch(asked.applications, lambda found: _show_list(found, output))
    else:
        _show_list(asked.applications(), output)


def get(
    name: ApplicationArgument = None,
    output: FormatOption = Format.table,
    again: WatchOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Show one application: what holds for it, its conditions and its resources."""
    from reconciler.cli.session import answers, application

    asked = answers(config, server)
    first = application(asked, name)
    if again:
        watch(lambda: asked.application(first.name), lambda found: _show_one(found, output))
    else:
        _show_one(first, output)


def diff(name: ApplicationArgument = None, config: ConfigOption = None, server: ServerOption = None) -> int:
    """Show where Git and what is applied differ. Exits with 0 where they do not, 1 where they do, 2 on errors."""
    from reconciler.cli.plans import show_diff
    from reconciler.cli.session import answers, application

    asked = answers(config, server)
    made = asked.plan(name or application(asked, None).name)
    show_diff(made, sections=True)
    return NEGATIVE if made.changes or made.held else OK


def history(
    name: ApplicationArgument = None,
    output: FormatOption = Format.table,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """List the syncs of an application, newest first."""
    from reconciler.cli.app_text import show_history
    from reconciler.cli.session import answers, application

    asked = answers(config, server)
    records = asked.history(name or application(asked, None).name)
    if output in (Format.json, Format.yaml):
        _write({"items": records}, output)
    elif output is Format.name:
        _names(str(record.id) for record in records)
    else:
        show_history(records)


def refresh(
    name: ApplicationArgument = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Accepted for Argo CD's users; every look reads everything anew.")
    ] = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Have the controller look at the source now."""
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    del hard  # what is kept between two looks is named by its content, so it cannot be stale
    asked = controller(config, server, "looks at sources")
    found = application(asked, name).name
    asked.ask_of(found, "refresh", {})
    line(f"{found} is being looked at")


def wait(
    name: ApplicationArgument = None,
    sync: Annotated[bool, typer.Option("--sync", help="Until it is Synced.")] = False,
    health: Annotated[bool, typer.Option("--health", help="Until it is Healthy.")] = False,
    operation: Annotated[bool, typer.Option("--operation", help="Until no sync is under way.")] = False,
    suspended: Annotated[bool, typer.Option("--suspended", help="Until it is suspended.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds to wait at most; 0 is for ever.")
    ] = 0,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Wait for an application; without an option until it is Synced, Healthy and no sync is under way.

    Exits with 1 where that takes longer than --timeout.
    """
    from reconciler.cli.session import application, controller

    asked = controller(config, server, "brings an application where it shall be")
    found = application(asked, name)
    wanted = {"sync": sync, "health": health, "operation": operation, "suspended": suspended}
    facts = frozenset(fact for fact, given in wanted.items() if given) or USUAL
    end = time.monotonic() + timeout if timeout else None
    while missing := sorted(facts - _facts(found)):
        if end is not None and time.monotonic() >= end:
            raise _timed_out(found, missing, timeout)
        time.sleep(POLL_SECONDS)
        found = asked.application(found.name)
    _show_list((found,), Format.table)
    return OK


USUAL = frozenset({"sync", "health", "operation"})
"""What Argo CD's users wait for where they name nothing."""


def _facts(status: "ApplicationStatus") -> frozenset[str]:
    """What can be waited for and is so."""
    facts = {
        "sync": status.sync == "Synced",
        "health": status.health == "Healthy",
        "operation": status.last_sync is None or status.last_sync.phase != "Running",
        "suspended": status.position.gate.reason == "Suspended",
    }
    return frozenset(fact for fact, so in facts.items() if so)


def _timed_out(status: "ApplicationStatus", missing: list[str], timeout: float) -> CommandError:
    from schemas.errors import WaitError

    how = f"{status.name} is {status.sync} and {status.health} after {timeout:g} s"
    error = WaitError("WaitTimeout", f"{how}; waited for {', '.join(missing)}", "moorage app get says more")
    return CommandError(error, NEGATIVE)


def _show_list(found: tuple["ApplicationStatus", ...], output: Format) -> None:
    from reconciler.cli.app_text import show_list

    if output in (Format.json, Format.yaml):
        _write({"items": found}, output)
    elif output is Format.name:
        _names(each.name for each in found)
    else:
        show_list(found, wide=output is Format.wide)


def _show_one(found: "ApplicationStatus", output: Format) -> None:
    from reconciler.cli.app_text import show_one

    if output in (Format.json, Format.yaml):
        _write(found, output)
    elif output is Format.name:
        _names([found.name])
    else:
        show_one(found)


def _names(names: "Iterable[str]") -> None:
    from reconciler.cli.output import line

    for name in names:
        line(name)


def _write(value: object, output: Format) -> None:
    from reconciler.cli.output import as_json, as_yaml
    from schemas.codec import encode

    (as_json if output is Format.json else as_yaml)(encode(value))

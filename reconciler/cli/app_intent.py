"""``moorage app pin``, ``rollback``, ``suspend``, ``resume``, ``confirm``, ``approve``, ``override``: what people
decide.

It is kept by the controller over restarts, apart from cache and history, with who said it and why.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.asking import POLL_SECONDS, NameArgument, ResourcesOption, WhyOption, named, wish
from reconciler.cli.options import ApplicationArgument, ConfigOption, ServerOption

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from reconciler.cli.client import ApiClient
    from reconciler.control.intent import Intent
    from reconciler.status import ApplicationStatus

PATIENCE = 30.0
"""Seconds for the controller to look at a source; one that cannot be read now is looked at again later."""
KEEPS = "keeps what people decide"


def register(group: typer.Typer) -> None:
    """Add these commands."""
    for command in (pin, rollback, suspend, resume, confirm, approve, override):
        group.command()(command)


def pin(
    name: NameArgument,
    revision: Annotated[
        str | None,
        typer.Argument(help="Branch, tag or commit. [default: what was compared last]", show_default=False),
    ] = None,
    unpin: Annotated[bool, typer.Option("--unpin", help="Follow Git again.")] = False,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Stay at a revision whatever is pushed, until unpinned."""
    from reconciler.cli.output import line
    from reconciler.cli.session import controller

    asked = controller(config, server, KEEPS)
    status = asked.application(name)
    if unpin:
        asked.ask_of(name, "unpin", wish(why))
        line(f"{name} follows {status.follows} again")
        return
    said = asked.ask_of(name, "pin", wish(why, revision=revision or status.revision))
    _tell_pin(asked, status, _intent(said))


def rollback(
    name: NameArgument,
    sync: Annotated[
        int | None,
        typer.Argument(
            metavar="[ID]",
            help="Of a sync in the history. [default: the last good one of another revision]",
            show_default=False,
        ),
    ] = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Go back to the revision of an earlier sync and stay there. Git is not changed, auto-sync stays on."""
    from reconciler.cli.session import controller

    asked = controller(config, server, KEEPS)
    status = asked.application(name)
    _tell_pin(asked, status, _intent(asked.ask_of(name, "rollback", wish(why, id=sync))))


def suspend(
    name: ApplicationArgument = None,
    resources: ResourcesOption = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Leave an application, or some of its resources, as they are until resumed."""
    _each("suspend", "suspended", name, resources, why, config, server)


def resume(
    name: ApplicationArgument = None,
    resources: ResourcesOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Let a suspended application, or some of its resources, follow again."""
    _each("resume", "resumed", name, resources, "", config, server)


def confirm(
    name: ApplicationArgument = None,
    resources: ResourcesOption = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=168, help="How long that holds.")] = 24,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Let deletes go that wait for a person: all of them, or some."""
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    asked = controller(config, server, KEEPS)
    status = application(asked, name)
    only = [named(each, status.namespace) for each in resources or ()]
    said = _intent(asked.ask_of(status.name, "confirm", wish(why, resources=only, hours=hours)))
    for each in said.deletes:
        line(f"{each.key} may be deleted until {_moment(each.until)}")
    _tell_sync(status)


def approve(
    plan: Annotated[
        str, typer.Option("--plan", metavar="DIGEST", help="The plan that is meant, as `plan` shows it.")
    ],
    name: ApplicationArgument = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=168, help="How long that holds.")] = 24,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Let a plan be executed that no pull request showed: this one, and no other."""
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    asked = controller(config, server, KEEPS)
    status = application(asked, name)
    said = _intent(asked.ask_of(status.name, "approve", wish(why, digest=plan, hours=hours)))
    for each in (each for each in said.plans if each.digest.startswith(plan)):
        line(f"plan {each.digest[:12]} of {status.name} may be executed until {_moment(each.until)}")
    _tell_sync(status)


def override(
    name: ApplicationArgument = None,
    minutes: Annotated[
        int, typer.Option("--minutes", min=0, max=10_080, help="For how long; 0 closes them again.")
    ] = 60,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Let syncs start although a sync window is closed."""
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    asked = controller(config, server, KEEPS)
    status = application(asked, name)
    said = _intent(asked.ask_of(status.name, "override", wish(why, minutes=minutes)))
    until = f"do not count until {_moment(said.override.until)}" if said.override else "count again"
    line(f"sync windows of {status.name} {until}")


def _each(
    verb: str,
    done: str,
    name: str | None,
    resources: list[str] | None,
    why: str,
    config: "Path | None",
    server: str | None,
) -> None:
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    asked = controller(config, server, KEEPS)
    status = application(asked, name)
    for text in resources or (None,):
        key = None if text is None else named(text, status.namespace)
        asked.ask_of(status.name, verb, wish(why, resource=key))
        line(f"{status.name if text is None else text} is {done}")


def _tell_pin(asked: "ApiClient", status: "ApplicationStatus", said: "Intent") -> None:
    """Say what holds now; once the controller compares with it, so that who waits next waits for that."""
    from reconciler.cli.output import line

    assert said.pin is not None
    end = time.monotonic() + PATIENCE
    while asked.application(status.name).revision != said.pin.revision and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    line(f"{status.name} stays at {said.pin.revision[:7]}: {said.pin.said.why or 'pinned'}")
    if status.position.gate.auto:
        line("auto-sync stays on and keeps it there")
    _tell_sync(status)
    line(f"moorage app pin {status.name} --unpin follows {status.follows} again")


def _tell_sync(status: "ApplicationStatus") -> None:
    """Nothing happens by itself where something stands in the way."""
    from reconciler.cli.output import line

    gate = status.position.gate
    if not gate.auto:
        line(f"not synced by itself: {gate.message}", style="yellow")


def _intent(said: object) -> "Intent":
    from reconciler.control.intent import Intent
    from schemas.codec import decode

    return decode(Intent, said)


def _moment(moment: "datetime") -> str:
    from reconciler.cli.statuses import to_the_second

    return to_the_second(moment.isoformat(timespec="milliseconds"))

"""``moorage app sync``, ``terminate`` and ``delete``: what a controller is to do now, and how that ended."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.asking import NameArgument, ResourcesOption, WhyOption, named, wish
from reconciler.cli.exits import NEGATIVE, OK, say_error
from reconciler.cli.options import ApplicationArgument, ConfigOption, ServerOption

if TYPE_CHECKING:
    from reconciler.cli.client import ApiClient
    from reconciler.control.requests import SyncAnswer
    from reconciler.status import ApplicationStatus


def register(group: typer.Typer) -> None:
    """Add these commands."""
    for command in (sync, terminate, delete):
        group.command()(command)


def sync(
    name: ApplicationArgument = None,
    revision: Annotated[
        str, typer.Option("--revision", help="Another branch, tag or commit than is followed.")
    ] = "",
    resources: ResourcesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    wait_not: Annotated[bool, typer.Option("--async", help="Do not wait for the end.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what left Git without asking again.")
    ] = False,
    digest: Annotated[
        str, typer.Option("--plan", metavar="DIGEST", help="Refuse any other plan than this one.")
    ] = "",
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Sync an application and wait for the end. Exits with 0 where it succeeded, 1 where it ended otherwise."""
    from reconciler.cli.output import line, say
    from reconciler.cli.plans import show_plan
    from reconciler.cli.session import application, controller

    asked = controller(config, server, "syncs")
    status = application(asked, name)
    only = [named(each, status.namespace) for each in resources] if resources else None
    wanted = wish(
        why, revision=revision, only=only, digest=digest, dryRun=dry_run, prune=prune, **{"async": wait_not}
    )
    if wait_not and not dry_run:
        asked.ask_of(status.name, "sync", wanted)
        line(f"sync of {status.name} asked for; moorage app history tells how it went")
        return OK
    answer = asked.sync(status.name, wanted)
    if dry_run and answer.plan is not None and answer.phase != "Denied":
        show_plan(answer.plan)
        return OK
    if revision and status.position.auto and status.position.pin is None:
        say(f"auto-sync goes back to {status.follows}; moorage app pin keeps {revision}")
    return _told(status.name, answer)


def terminate(
    name: ApplicationArgument = None, config: ConfigOption = None, server: ServerOption = None
) -> None:
    """End the sync under way. What it left to do waits for a new revision, or for `app sync`."""
    from reconciler.cli.output import line
    from reconciler.cli.session import application, controller

    asked = controller(config, server, "ends a sync")
    found = application(asked, name).name
    asked.ask_of(found, "terminate", wish())
    line(f"the sync of {found} is being ended")


def delete(
    name: NameArgument,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Delete everything that the application owns.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Delete everything that an application owns (--cascade), and suspend it so that it stays deleted."""
    from reconciler.cli.session import controller

    if not cascade:
        message = f"{name} is followed because the configuration says so; nothing was deleted"
        hint = "take it out of the configuration, which leaves its resources; --cascade deletes these"
        say_error("InvalidCommand", message, hint)
        return NEGATIVE
    asked = controller(config, server, "deletes")
    status = asked.application(name)
    shown = asked.sync(name, wish(cascade=True, dryRun=True), "delete")
    if not yes and not _confirmed(status, shown):
        return NEGATIVE
    return _delete(asked, name, shown)


def _delete(asked: "ApiClient", name: str, shown: "SyncAnswer") -> int:
    """Delete just what was shown."""
    from reconciler.cli.output import say

    digest = shown.plan.digest if shown.plan else ""
    answer = asked.sync(name, wish(cascade=True, digest=digest), "delete")
    status = _told(name, answer)
    if answer.phase != "Denied":
        say(f"{name} is suspended now: moorage app resume {name} applies again what Git says")
    return status


def _confirmed(status: "ApplicationStatus", shown: "SyncAnswer") -> bool:
    """Show what would go, and have the name typed."""
    from reconciler.cli.output import say
    from reconciler.cli.plans import show_plan

    if shown.plan is None:
        return _told(status.name, shown) == OK
    show_plan(shown.plan)
    print(f"type {status.name} to delete all this: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == status.name:
        return True
    say("nothing was deleted")
    return False


def _told(name: str, answer: "SyncAnswer") -> int:
    from reconciler.cli.app_text import show_answer

    show_answer(name, answer)
    if answer.reason:
        say_error(answer.reason, answer.message)
    return OK if answer.phase in ("Succeeded", "NothingToDo") else NEGATIVE

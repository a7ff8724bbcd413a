"""``moorage rollback``: back to an earlier sync, by a pin or, with ``--git``, by a commit that is pushed.

The commit is made by this command, with the rights of whoever runs it or the configured credentials; the
controller only sees it come, as any other push.
"""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from reconciler.cli.asking import NameArgument, WhyOption
from reconciler.cli.options import ConfigOption, ServerOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.answers import Answers
    from reconciler.config import ApplicationConfig
    from reconciler.source.pushing import Branches
    from reconciler.source.restore import Restoration, Restored
    from reconciler.status import ApplicationStatus, SyncRecord

SHOWN = 20
"""Files that are listed."""
BY_COMMIT = "With --git"
"""Heading of its options in the command's help."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(rollback)


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
    git: Annotated[
        bool, typer.Option("--git", help="Push a commit that restores the application's folder; no pin.")
    ] = False,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch",
            help="Commit to this branch. [default: the one that is followed]",
            show_default=False,
            rich_help_panel=BY_COMMIT,
        ),
    ] = None,
    message: Annotated[
        str, typer.Option("--message", "-m", help="First of the commit's words.", rich_help_panel=BY_COMMIT)
    ] = "",
    author: Annotated[
        str,
        typer.Option(
            "--author",
            metavar="'NAME <MAIL>'",
            help="[default: git's user.name and user.email]",
            show_default=False,
            rich_help_panel=BY_COMMIT,
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be restored.", rich_help_panel=BY_COMMIT)
    ] = False,
    why: WhyOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Go back to an earlier sync: stay at its revision until unpinned, or restore it in Git."""
    from reconciler.cli import app_intent
    from schemas.errors import InputError

    if git:
        _restore(name, sync, Words(branch, message or why, author), dry_run, config, server)
        return
    if branch or message or author or dry_run:
        what = "--branch, --message, --author and --dry-run"
        raise InputError("InvalidCommand", f"{what} are about a commit", "add --git")
    app_intent.rollback(name, sync, why, config, server)


def _restore(
    name: str,
    sync: int | None,
    words: "Words",
    dry_run: bool,
    config: Path | None,
    server: str | None,
) -> None:
    from datetime import datetime

    from reconciler.cli.logs import quiet_logs
    from reconciler.cli.session import answers
    from reconciler.control.rollback import sync_to_restore
    from reconciler.source.restore import Restoration, branch_to_restore, restore

    quiet_logs()
    app = _application(name, config)
    asked = answers(config, server)
    status = asked.application(name)
    record = sync_to_restore(name, asked.history(name), status.revision, sync)
    with _branches(app, config) as opened:
        branch = branch_to_restore(opened, words.branch or app.revision)
        own = opened.default() if app.revision == "HEAD" else app.revision.removeprefix("refs/heads/")
        followed = branch == own
        if followed:
            _require_unsigned(app)
        message = _message(words.message, app, record)
        wish = Restoration(branch, _folder(app), record.revision, message, words.author)
        done = restore(opened, wish, datetime.now().astimezone(), dry_run=dry_run)
    _tell(wish, record, done, dry_run=dry_run)
    if done.commit is not None:
        _tell_next(asked, status, branch, followed=followed)


class Words(NamedTuple):
    """What a person says of the commit; empty or None where nothing."""

    branch: str | None
    message: str
    author: str


def _application(name: str, config: Path | None) -> "ApplicationConfig":
    """As the configuration has it: that says whom a repository knows us by."""
    from reconciler.cli.session import configuration
    from schemas.errors import InputError

    told = configuration(config)
    found = told.application(name)
    if found is None:
        known = ", ".join(sorted(each.name for each in told.applications))
        raise InputError("ApplicationNotFound", f"no application {name!r} follows Git", f"known: {known}")
    return found


@contextmanager
def _branches(app: "ApplicationConfig", config: Path | None) -> "Iterator[Branches]":
    from reconciler.cli.session import configuration
    from reconciler.source.fetching import know_hosts
    from reconciler.source.pushing import branches

    told = configuration(config)
    with TemporaryDirectory(prefix="moorage-") as folder:
        know_hosts(told.known_hosts, Path(folder))
        with branches(app.repository, app.credentials, told.state / "mirrors" / app.name) as opened:
            yield opened


def _require_unsigned(app: "ApplicationConfig") -> None:
    from schemas.errors import InputError

    if app.verify.mode != "off":
        message = f"{app.name} takes signed commits only, and this command does not sign"
        hint = "leave --git away, or commit to another branch with --branch and sign what you merge"
        raise InputError("UnverifiedRevision", message, hint)


def _folder(app: "ApplicationConfig") -> str:
    path = app.path.strip("/")
    return "" if path == "." else path


def _message(first: str, app: "ApplicationConfig", record: "SyncRecord") -> str:
    subject = first or f"Roll {app.name} back to {record.revision[:7]}"
    what = f"{_folder(app)}/" if _folder(app) else "everything"
    return f"{subject}\n\nRestores {what} as of {record.revision}, sync {record.id} of {app.name}.\n"


def _tell(wish: "Restoration", record: "SyncRecord", done: "Restored", *, dry_run: bool) -> None:
    from reconciler.cli.output import line

    what = f"{wish.path or 'everything'} on {wish.branch}"
    then = f"{wish.revision[:7]} (sync {record.id})"
    if not done.paths:
        line(f"nothing to restore: {what} is as it was at {then}")
        return
    line(f"{what} {'would be' if dry_run else 'is'} again as it was at {then}:")
    for path, kept in done.paths[:SHOWN]:
        line(f"  {'restore' if kept else 'delete'} {path}")
    if len(done.paths) > SHOWN:
        line(f"  and {len(done.paths) - SHOWN} files more")
    if done.commit is None:
        line("nothing was committed")
    else:
        line(f"committed as {done.commit[:7]} on top of {done.head[:7]}")


def _tell_next(asked: "Answers", status: "ApplicationStatus", branch: str, *, followed: bool) -> None:
    from reconciler.cli.client import ApiClient
    from reconciler.cli.output import line

    name, position = status.name, status.position
    if not followed:
        line(f"{name} follows {status.follows}: merge {branch} there")
    elif position.pin is not None:
        pinned = position.pin.revision[:7]
        line(f"{name} stays pinned at {pinned}: moorage app pin {name} --unpin follows the new commit")
    elif not position.gate.auto:
        line(f"not synced by itself: {position.gate.message}")
    elif isinstance(asked, ApiClient):
        asked.ask_of(name, "refresh", {})
        line("the controller looks at it now and syncs it")
    else:
        line("no controller runs: the next one syncs it")

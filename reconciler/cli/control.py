"""``moorage run``, ``stop`` and ``version``: the controller's life."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import ConfigOption

STOP_PATIENCE = 120.0
"""Seconds that a controller has to end itself after ``moorage stop``."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.command()(stop)
    app.command()(version)


def run(
    config: ConfigOption = None,
    repo: Annotated[
        str | None,
        typer.Option(
            "--repo", help="Follow this repository, without a configuration file.", show_default=False
        ),
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="Branch, tag or commit.")] = "HEAD",
    path: Annotated[str, typer.Option("--path", help="Folder inside the repository.")] = ".",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Look, plan and show; sync nothing.")
    ] = False,
) -> None:
    """Run a controller until it is told to end (SIGTERM, Ctrl-C)."""
    from reconciler import compose
    from reconciler.cli.logs import configure_logs
    from reconciler.config_file import DEFAULT_FILE, load_config, repository_config

    configure_logs()
    file = config or Path(DEFAULT_FILE)
    told = load_config(file) if repo is None else repository_config(repo, revision, path, Path.cwd())
    if read_only:
        told = replace(told, read_only=True)
    asyncio.run(compose.run(told, file.absolute() if repo is None else None))


def stop(config: ConfigOption = None) -> None:
    """End serving: the controller if one runs, inference servers and gateway either way."""
    from reconciler import ending
    from reconciler.cli.output import say
    from reconciler.cli.session import state_folder

    state = state_folder(config)
    if ending.end_controller(state, STOP_PATIENCE):
        say("the controller has ended")
    ended = asyncio.run(ending.end_serving(state))
    say(f"processes ended: {ended}" if ended else "nothing was serving")


def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    from reconciler.cli.output import line

    line(installed("moorage"))

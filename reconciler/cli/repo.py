"""``moorage repo check``: whether repositories can be reached and read as an application would, and if not, why.

It reads just as the controller does, into a folder of its own that is thrown away, so that nothing of a
running controller is touched.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import NEGATIVE, OK
from reconciler.cli.options import ApplicationArgument, ConfigOption

if TYPE_CHECKING:
    from reconciler.config import ApplicationConfig, Config
    from reconciler.desired import Desired
    from schemas.errors import MoorageError

CHECKS = ("repository", "credentials", "revision", "path")
"""In the order in which they can fail."""
_FAILS_AT = {
    "CredentialUnreadable": "credentials",
    "FetchDenied": "credentials",
    "AllowedSignersInvalid": "revision",
    "RevisionNotFound": "revision",
    "UnverifiedRevision": "revision",
    "VerificationKeyUnreadable": "revision",
    "PathNotFound": "path",
    "TooManyFiles": "path",
    "TreeTooDeep": "path",
}
"""At which of them a reason ends it; every other one at the first."""

Row = tuple[str, str, str, str]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Repositories.", no_args_is_help=True)

    @group.callback()
    def repositories() -> None:
        """Repositories: can they be reached and read?"""

    group.command()(check)
    app.add_typer(group, name="repo")


def check(
    name: ApplicationArgument = None,
    repo: Annotated[
        str | None,
        typer.Option("--repo", help="This repository, without a configuration file.", show_default=False),
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="With --repo: branch, tag or commit.")] = "HEAD",
    path: Annotated[str, typer.Option("--path", help="With --repo: folder inside it.")] = ".",
    config: ConfigOption = None,
) -> int:
    """Try to read what applications follow: repository, credentials, revision and path, a line for each."""

    from reconciler.cli.logs import quiet_logs
    from reconciler.cli.output import table
    from reconciler.cli.session import configuration
    from reconciler.config_file import repository_config

    quiet_logs()
    told = configuration(config) if repo is None else repository_config(repo, revision, path, Path.cwd())
    rows = [row for application in _meant(told, name, repo) for row in _checked(application, told)]
    table(("APP", "CHECK", "RESULT", "MESSAGE"), rows)
    return OK if all(row[2] == "ok" for row in rows) else NEGATIVE


def _meant(config: "Config", name: str | None, repo: str | None) -> "tuple[ApplicationConfig, ...]":
    from schemas.errors import InputError

    if name is None or repo is not None:
        return config.applications
    found = config.application(name)
    if found is None:
        known = ", ".join(sorted(each.name for each in config.applications))
        raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
    return (found,)


def _checked(application: "ApplicationConfig", config: "Config") -> Iterator[Row]:
    from reconciler.source.application import GitApplication
    from reconciler.source.fetching import know_hosts
    from schemas.errors import MoorageError

    with tempfile.TemporaryDirectory(prefix="moorage-") as folder:
        know_hosts(config.known_hosts, Path(folder) / "ssh")
        try:
            source = GitApplication(application, Path(folder) / "mirrors", config.servers)
            yield from _readable(application, source.read())
        except MoorageError as error:
            yield from _failed(application, error)


def _readable(application: "ApplicationConfig", desired: "Desired") -> Iterator[Row]:
    from reconciler.source.urls import local_path, redacted

    remote = local_path(application.repository) is None
    errors = sum(problem.severity == "error" for problem in desired.problems)
    messages = (
        redacted(application.repository),
        "not refused" if remote else "none needed",
        f"{application.revision} is {desired.revision[:7]}",
        f"{application.path or '.'} has {len(desired.resources)} resources, {errors} errors in manifests",
    )
    for each, message in zip(CHECKS, messages, strict=True):
        yield application.name, each, "ok", message


def _failed(application: "ApplicationConfig", error: "MoorageError") -> Iterator[Row]:
    """What came before it was passed, what comes after it was not reached."""
    place = CHECKS.index(_FAILS_AT.get(error.reason, CHECKS[0]))
    hint = f" ({error.hint})" if error.hint else ""
    for number, each in enumerate(CHECKS):
        result = "ok" if number < place else "failed" if number == place else "not checked"
        message = f"{error.reason}: {error.message}{hint}" if number == place else ""
        yield application.name, each, result, message

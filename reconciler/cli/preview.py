"""``moorage preview``: what a pull request will do. From a running controller, or in CI without one.

With ``--provider`` nothing but the provider and Git is asked: the pull request is fetched as objects, planned
as a controller would, shown, and told on the pull request unless ``--dry-run``. The configuration is what the
caller gives; in CI that has to be the base's, not the pull request's (docs/previews.md).
"""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.exits import NEGATIVE, OK
from reconciler.cli.options import ConfigOption, FromInventoryOption, PathOption, ServerOption

if TYPE_CHECKING:
    from reconciler.config import Config
    from reconciler.preview.preview import Preview
    from reconciler.preview.pulls.settings import PreviewSettings


class Provider(StrEnum):
    """Whose API is spoken."""

    bitbucket = "bitbucket"
    gitea = "gitea"
    github = "github"
    gitlab = "gitlab"


class PreviewFormat(StrEnum):
    """How a preview is written."""

    table = "table"
    wide = "wide"
    markdown = "markdown"
    html = "html"
    json = "json"


FormatOption = Annotated[PreviewFormat, typer.Option("--output", "-o", help="How it is written.")]
CI = "In CI"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(preview)


def preview(
    number: Annotated[
        int | None,
        typer.Option(
            "--pr", min=1, help="Number of the pull request. [default: list them]", show_default=False
        ),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option("--repo", help="Address of the repository. [default: the only one]", show_default=False),
    ] = None,
    output: FormatOption = PreviewFormat.table,
    provider: Annotated[
        Provider | None,
        typer.Option(
            "--provider", help="Ask this provider; no controller.", rich_help_panel=CI, show_default=False
        ),
    ] = None,
    api: Annotated[
        str, typer.Option("--api", help="Address of its API, where it does not follow.", rich_help_panel=CI)
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            "--token-env", metavar="NAME", help="Variable that holds the token.", rich_help_panel=CI
        ),
    ] = "MOORAGE_TOKEN",  # noqa: S107 (the name of a variable)
    path: PathOption = ".",
    inventory: FromInventoryOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show it and write nothing.", rich_help_panel=CI)
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="VERDICT",
            help="Verdicts that fail. [default: CannotBePlaced, InvalidManifests, StopsServing]",
            rich_help_panel=CI,
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Show what the merge of a pull request will do; without --pr list what is previewed.

    With --provider exits with 1 where its verdict is one of --fail-on.
    """
    if provider is None:
        return _of_controller(repository, number, output, config, server)
    from reconciler.preview.pulls.settings import PreviewSettings
    from reconciler.source.secrets import SecretFrom
    from schemas.errors import InputError

    if number is None:
        raise InputError("InvalidCommand", "which pull request is meant?", "name it with --pr")
    told = _configuration(config, repository, path)
    settings = PreviewSettings(
        repository or told.applications[0].repository,
        provider.value,
        SecretFrom(env=token),
        api=api,
        fail_on=_verdicts(fail_on),
    )
    return asyncio.run(_in_ci(told, settings, number, inventory, output, dry_run=dry_run))


async def _in_ci(
    told: "Config",
    settings: "PreviewSettings",
    number: int,
    inventory: Path | None,
    output: PreviewFormat,
    *,
    dry_run: bool,
) -> int:
    from reconciler.cli.pulls import preview_pull

    refusal, made = await preview_pull(told, settings, number, inventory, dry_run=dry_run)
    if made is None:
        from reconciler.cli.output import line

        assert refusal is not None
        line(f"{refusal.reason}: {refusal.message}", style="yellow")
        return NEGATIVE
    show(made, output)
    return NEGATIVE if made.verdict in settings.fail_on else OK


def show(made: "Preview", output: PreviewFormat) -> None:
    """Write a preview."""
    from reconciler.cli import output as out

    match output:
        case PreviewFormat.json:
            from reconciler.preview.document import written

            out.as_json(written(made))
        case PreviewFormat.html:
            from reconciler.preview.rendering.page import page

            out.text_block(page(made, "Moorage preview"))
        case PreviewFormat.markdown:
            from reconciler.preview.pulls.publishing import MARKER
            from reconciler.preview.rendering.markdown import comment

            out.text_block(comment(made, marker=MARKER))
        case _:
            from reconciler.cli.previews import show_preview

            show_preview(made, wide=output is PreviewFormat.wide)


def _of_controller(
    repository: str | None, number: int | None, output: PreviewFormat, config: Path | None, server: str | None
) -> int:
    from reconciler.cli.output import as_json, table
    from reconciler.cli.session import controller
    from reconciler.preview.preview import Preview
    from schemas.codec import decode

    asked = controller(config, server, "previews pull requests")
    items = asked.previews()
    if number is None:
        if output is PreviewFormat.json:
            as_json({"items": items})
        else:
            table(("REPOSITORY", "PR", "STATE", "VERDICT", "PLAN", "TITLE"), [_row(each) for each in items])
        return OK
    whole: dict[str, Any] = asked.preview(_only(items, repository, number), number)["preview"]
    show(decode(Preview, {name: value for name, value in whole.items() if name != "$schema"}), output)
    return OK


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    pull = item["pull"]
    said = item["verdict"] or f"{item['reason']}: {item['message']}"
    return item["repository"], pull["number"], pull["state"], said, item["digest"][:12], pull["title"][:60]


def _only(items: list[dict[str, Any]], repository: str | None, number: int) -> str:
    from schemas.errors import InputError

    found = sorted({each["repository"] for each in items if each["pull"]["number"] == number})
    if repository is not None or len(found) == 1:
        return repository or found[0]
    known = ", ".join(found) or "none"
    raise InputError(
        "PreviewNotFound", f"which repository's #{number} is meant?", f"with --repo, one of: {known}"
    )


def _configuration(config: Path | None, repository: str | None, path: str) -> "Config":
    """The one that is named; without one a single application, followed at the branch that is asked for."""
    from reconciler.cli.session import configuration
    from reconciler.config_file import DEFAULT_FILE, repository_config

    if config is None and repository is not None and not Path(DEFAULT_FILE).exists():
        return repository_config(repository, "HEAD", path, Path.cwd())
    return configuration(config)


def _verdicts(said: list[str] | None) -> Any:
    from reconciler.preview.preview import MILDEST_FIRST
    from reconciler.preview.pulls.settings import FAIL_ON
    from schemas.errors import InputError

    unknown = sorted(set(said or ()) - set(MILDEST_FIRST))
    if unknown:
        raise InputError(
            "InvalidCommand", f"no verdict {unknown[0]!r}", f"one of: {', '.join(MILDEST_FIRST)}"
        )
    return FAIL_ON if said is None else tuple(said)

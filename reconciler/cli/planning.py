"""``moorage plan``, ``diff`` and ``explain``: what a sync would do, and why; and what if.

Where something is supposed, or the inventory comes from a file, the plan is made here, by the planner
that the controller has. It is shown and nothing else: only the controller executes, and only its own.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.exits import FAILED, NEGATIVE, OK, errors_exit_with
from reconciler.cli.options import (
    ApplicationArgument,
    BaseOption,
    CapabilitiesOption,
    ConfigOption,
    FromInventoryOption,
    HeadOption,
    MaxMovesOption,
    MemoryOption,
    MergeOption,
    NamespaceOption,
    NoInventoryOption,
    OvercommitOption,
    PathOption,
    PolicyOption,
    ReplicasOption,
    RepositoryOption,
    RevisionOption,
    ServerOption,
    TableFormat,
    WithoutServerOption,
    WithServerOption,
)

if TYPE_CHECKING:
    from reconciler.cli.supposing import Options

CHANGES_EXIT = 2
"""With ``--detailed-exitcode``, as terraform has it: 0 nothing to do, 1 error, 2 something to do."""


class PlanFormat(StrEnum):
    """How a plan is written; Markdown and HTML are for comparisons."""

    table = "table"
    wide = "wide"
    markdown = "markdown"
    html = "html"
    json = "json"


PlanOutputOption = Annotated[
    PlanFormat, typer.Option("--output", "-o", help="How it is written; wide lists every failure.")
]
AllOption = Annotated[bool, typer.Option("--all", help="List the verdict on every replica.")]
OutputOption = Annotated[TableFormat, typer.Option("--output", "-o", help="How it is written.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(plan)
    app.command()(diff)
    app.command()(explain)


def plan(
    name: ApplicationArgument = None,
    output: PlanOutputOption = PlanFormat.table,
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit with 2 where there is something to do, 1 on errors."),
    ] = False,
    namespace: NamespaceOption = "default",
    inventory: FromInventoryOption = None,
    repo: RepositoryOption = None,
    revision: RevisionOption = "HEAD",
    path: PathOption = ".",
    with_server: WithServerOption = None,
    replicas: ReplicasOption = None,
    memory: MemoryOption = None,
    capabilities: CapabilitiesOption = None,
    overcommit: OvercommitOption = None,
    without_server: WithoutServerOption = None,
    policy: PolicyOption = None,
    max_moves: MaxMovesOption = None,
    base: BaseOption = None,
    head: HeadOption = None,
    merge: MergeOption = False,
    no_inventory: NoInventoryOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Show what a sync would do now: changes, moves, routes, capacity, and what cannot be placed.

    With --base and --head: what HEAD adds to that, as a pull request's preview.
    """
    from reconciler.cli.output import as_json
    from reconciler.cli.plans import show_plan
    from reconciler.cli.session import answers, application
    from reconciler.cli.supposing import Options, supposition
    from reconciler.planning import planner
    from reconciler.secrecy import shown_plan
    from schemas.codec import encode

    asked = Options(
        namespace, inventory, repo, revision, path, with_server, replicas, memory, capabilities, overcommit,
        tuple(without_server or ()), policy and policy.value, max_moves,
    )  # fmt: skip
    words: tuple[str, ...] = ()
    with errors_exit_with(NEGATIVE if detailed_exitcode else FAILED):
        if base is not None or head is not None or merge or no_inventory:
            return _compare(
                asked, name, config, server, output, (base, head, merge, no_inventory), detailed_exitcode
            )
        require_plan_format(output)
        if asked.given:
            found = supposition(asked, name, config, server)
            words, world = found.words, found.world
            made = shown_plan(planner.plan(world.desired, world.live, world.policy, found.reason))
        else:
            answering = answers(config, server)
            made = answering.plan(name or application(answering, None).name)
    if output is PlanFormat.json:
        as_json(_marked(encode(made), words))
    else:
        _show_words(words)
        show_plan(made, wide=output is PlanFormat.wide)
    return CHANGES_EXIT if detailed_exitcode and not made.empty else OK


def _compare(
    asked: "Options",
    name: str | None,
    config: Path | None,
    server: str | None,
    output: PlanFormat,
    said: tuple[str | None, str | None, bool, bool],
    detailed: bool,
) -> int:
    """``said`` are base, head, whether the merge is meant, and whether no inventory counts."""
    from reconciler.cli.comparing import Revisions, compared
    from reconciler.cli.preview import PreviewFormat, show
    from schemas.errors import InputError

    base, head, merge, empty = said
    if base is None or head is None:
        hint = "name both with --base and --head"
        raise InputError("InvalidCommand", "a comparison is of two revisions", hint)
    if empty and asked.inventory is not None:
        raise InputError("InvalidCommand", "--no-inventory and --from-inventory exclude each other")
    made = compared(asked, Revisions(base, head, merge), name, config, server, inventory=not empty)
    show(made, PreviewFormat(output.value))
    return CHANGES_EXIT if detailed and made.verdict != "NoChange" else OK


def require_plan_format(output: PlanFormat) -> None:
    """Raise InputError ``InvalidCommand`` for what only a comparison is written as."""
    from schemas.errors import InputError

    if output in (PlanFormat.markdown, PlanFormat.html):
        hint = "compare two revisions with --base and --head"
        raise InputError("InvalidCommand", f"a plan of now is not written as {output.value}", hint)


def diff(name: ApplicationArgument = None, config: ConfigOption = None, server: ServerOption = None) -> int:
    """Show where Git and what is applied differ. Exits with 0 where they do not, 1 where they do."""
    from reconciler.cli.plans import show_diff
    from reconciler.cli.session import answers, application

    asked = answers(config, server)
    made = asked.plan(name or application(asked, None).name)
    show_diff(made)
    return NEGATIVE if made.changes or made.held else OK


def explain(
    what: Annotated[str, typer.Argument(metavar="model/NAME", help="The model in question.")],
    app: Annotated[
        str | None,
        typer.Option("--app", help="Application. [default: the one that wants it]", show_default=False),
    ] = None,
    every: AllOption = False,
    output: OutputOption = TableFormat.table,
    namespace: NamespaceOption = "default",
    inventory: FromInventoryOption = None,
    repo: RepositoryOption = None,
    revision: RevisionOption = "HEAD",
    path: PathOption = ".",
    with_server: WithServerOption = None,
    replicas: ReplicasOption = None,
    memory: MemoryOption = None,
    capabilities: CapabilitiesOption = None,
    overcommit: OvercommitOption = None,
    without_server: WithoutServerOption = None,
    policy: PolicyOption = None,
    max_moves: MaxMovesOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Say why a model is where it is: the nearest servers, their verdicts, and what would help."""
    from reconciler.answers import application_of
    from reconciler.cli.output import as_json
    from reconciler.cli.session import answers
    from reconciler.cli.supposing import Options, supposition
    from reconciler.cli.why import show_explanation
    from reconciler.planning import planner
    from schemas.codec import encode
    from schemas.errors import InputError
    from schemas.resource import key

    kind, slash, name = what.partition("/")
    if kind not in ("model", "models", "mlm") or not slash or not name:
        raise InputError("InvalidCommand", f"{what!r} is no model", "name it as model/NAME")
    model = key("Model", namespace, name)
    asked = Options(
        namespace, inventory, repo, revision, path, with_server, replicas, memory, capabilities, overcommit,
        tuple(without_server or ()), policy and policy.value, max_moves,
    )  # fmt: skip
    words: tuple[str, ...] = ()
    if asked.given:
        supposed = supposition(asked, app, config, server)
        words, world = supposed.words, supposed.world
        found = planner.explain(world.desired, world.live, world.policy, model)
    else:
        answering = answers(config, server)
        found = answering.explain(app or application_of(answering, model), model)
    if output is TableFormat.json:
        as_json(_marked(encode(found), words))
    else:
        _show_words(words)
        show_explanation(found, every=every)


def _marked(said: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    """With a field that no real plan has, so that nothing takes a supposed one for one."""
    return {"whatIf": list(words), **said} if words else said


def _show_words(words: tuple[str, ...]) -> None:
    from reconciler.cli.output import line

    for each in words:
        line(f"what if: {each}", style="yellow")

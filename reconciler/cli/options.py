"""Options that several commands share, each declared once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file. [default: moorage.yaml in this folder]",
        show_default=False,
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="MOORAGE_SERVER", help="URL of a running controller's API.", show_default=False
    ),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="Namespace to look in.")]
AllNamespacesOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look in every namespace.")]
ApplicationArgument = Annotated[
    str | None,
    typer.Argument(metavar="[APP]", help="Application. [default: the only one]", show_default=False),
]


class TableFormat(StrEnum):
    """How a plan or a status is written."""

    table = "table"
    json = "json"


class PolicyName(StrEnum):
    """The placement policies."""

    reference = "reference"
    pack = "pack"


SUPPOSE = "What if"
"""Heading of the options below in a command's help."""

FromInventoryOption = Annotated[
    Path | None,
    typer.Option(
        "--from-inventory",
        help="Plan from this inventory file (`get inventory -o json`); no live system is asked.",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
RepositoryOption = Annotated[
    str | None,
    typer.Option(
        "--repo",
        help="Plan what this repository wants, without a configuration file.",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
RevisionOption = Annotated[
    str, typer.Option("--revision", help="With --repo: branch, tag or commit.", rich_help_panel=SUPPOSE)
]
PathOption = Annotated[
    str, typer.Option("--path", help="With --repo: folder inside it.", rich_help_panel=SUPPOSE)
]
WithServerOption = Annotated[
    str | None,
    typer.Option(
        "--with-server",
        metavar="NAME",
        help="Suppose one more server, or this one with other numbers.",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        min=0,
        max=1000,
        help="Of --with-server. [default: 1, or as it is]",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="QUANTITY",
        help="Of --with-server, each replica, such as 4Gi.",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
CapabilitiesOption = Annotated[
    str | None,
    typer.Option(
        "--capabilities",
        metavar="A,B",
        help="Of --with-server. [default: none, or as it is]",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
OvercommitOption = Annotated[
    int | None,
    typer.Option(
        "--overcommit",
        metavar="PERCENT",
        min=0,
        max=9999,
        help="Of --with-server. [default: 10, or as it is]",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
WithoutServerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without-server",
        metavar="NAME[/INDEX]",
        help="Suppose that this server is gone, or that replica lost. May be repeated.",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]
PolicyOption = Annotated[
    PolicyName | None,
    typer.Option(
        "--policy", help="Suppose this placement policy.", show_default=False, rich_help_panel=SUPPOSE
    ),
]
MaxMovesOption = Annotated[
    int | None,
    typer.Option(
        "--max-moves",
        min=0,
        max=1_000_000,
        help="With --policy pack: how many served replicas may move. [default: 0]",
        show_default=False,
        rich_help_panel=SUPPOSE,
    ),
]

COMPARE = "Compare"
"""Heading of the options of a comparison in a command's help."""

BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="REV",
        help="Compare with this revision.",
        show_default=False,
        rich_help_panel=COMPARE,
    ),
]
HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="REV",
        help="What this revision adds to --base.",
        show_default=False,
        rich_help_panel=COMPARE,
    ),
]
MergeOption = Annotated[
    bool,
    typer.Option(
        "--merge", help="Plan the merge of --head into --base, not --head itself.", rich_help_panel=COMPARE
    ),
]
NoInventoryOption = Annotated[
    bool,
    typer.Option(
        "--no-inventory", help="As if --base ran, and nothing else; nobody is asked.", rich_help_panel=COMPARE
    ),
]

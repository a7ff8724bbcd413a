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

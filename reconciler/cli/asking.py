"""What the commands of ``moorage app`` share: who asks, how resources are named, and looking again and again."""

import getpass
import os
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from reconciler.cli.output import line
from schemas.codec import encode
from schemas.errors import InputError
from schemas.resource import KINDS, ResourceKey, key

T = TypeVar("T")

POLL_SECONDS = 0.5
"""Between two looks of a command that waits or watches."""
LONGEST_NAME = 100

NameArgument = Annotated[str, typer.Argument(metavar="APP", help="Application.", show_default=False)]
WhyOption = Annotated[str, typer.Option("--why", help="What is shown and kept as the reason.")]
ResourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resource",
        metavar="KIND:[NAMESPACE/]NAME",
        help="Only this resource. May be repeated.",
        show_default=False,
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Show it again whenever it changes.")]


def who() -> str:
    """The user's login name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have it
        name = f"uid {os.getuid()}"
    return name[:LONGEST_NAME]


def wish(why: str = "", **fields: Any) -> dict[str, Any]:
    """A request's body: who asks, why, and ``fields`` as :mod:`reconciler.web.control` reads them."""
    return {"who": who(), "why": why, **fields}


def named(text: str, namespace: str) -> dict[str, Any]:
    """The resource that ``KIND:NAME`` or ``KIND:NAMESPACE/NAME`` names, as the API reads it."""
    return dict(encode(resource(text, namespace)))


def resource(text: str, namespace: str) -> ResourceKey:
    """The key of what ``text`` names. InputError ``InvalidCommand`` or ``KindNotFound``."""
    kind, colon, rest = text.partition(":")
    first, slash, second = rest.partition("/")
    if not colon or not first or (slash and not second):
        raise InputError("InvalidCommand", f"{text!r} names no resource", "name it as Model:iris")
    known = next((each for each in KINDS if each.lower() == kind.lower()), None)
    if known is None:
        raise InputError("KindNotFound", f"unknown kind {kind!r}", f"one of: {', '.join(KINDS)}")
    return key(known, first, second) if slash else key(known, namespace, first)


def watch(ask: Callable[[], T], show: Callable[[T], None], pause: float = POLL_SECONDS) -> None:
    """Show what ``ask`` answers, and again whenever that changes, until interrupted."""
    shown = ask()
    show(shown)
    while True:
        time.sleep(pause)
        found = ask()
        if found != shown:
            line()
            show(found)
            shown = found

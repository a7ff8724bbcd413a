"""``moorage infer`` and ``moorage logs``: a request through the gateway, and what a server said."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import NEGATIVE, OK
from reconciler.cli.options import ConfigOption, NamespaceOption, ServerOption

INFER_TIMEOUT = 300.0
"""Seconds for one request; some models are slow."""
MAX_REQUEST = 64 << 20
"""Bytes of a request that is read from a file or stdin."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(infer)
    app.command()(logs)


def infer(
    name: Annotated[str, typer.Argument(help="Model, or EXPERIMENT.experiment.")],
    request: Annotated[str, typer.Argument(metavar="JSON", help="Request body, @FILE, or - for stdin.")],
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", help="URL of the gateway. [default: the namespace's]", show_default=False),
    ] = None,
    namespace: NamespaceOption = "default",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> int:
    """Send an inference request (Open Inference Protocol, REST) through the gateway and print the answer."""
    from reconciler.cli.inference import ask
    from reconciler.cli.output import as_json_line, say

    body = _body(request)
    url = gateway or _gateway(namespace, config, server)
    answer = ask(url, name, body, INFER_TIMEOUT)
    if answer.model:
        say(f"answered by {answer.model}")
    as_json_line(answer.value)
    return OK if answer.ok else NEGATIVE


def logs(
    what: Annotated[str, typer.Argument(metavar="server/NAME/INDEX", help="The server replica.")],
    tail: Annotated[int, typer.Option("--tail", min=0, max=10_000, help="Lines from the end.")] = 200,
    namespace: NamespaceOption = "default",
    config: ConfigOption = None,
    server: ServerOption = None,
) -> None:
    """Print the end of a server replica's log."""
    from placement.inventory import ReplicaId
    from reconciler.cli.session import answers
    from reconciler.cli.text import plain_lines
    from schemas.errors import InputError

    parts = what.split("/")
    if len(parts) != 3 or parts[0] not in ("server", "servers", "mls") or not parts[2].isdecimal():
        raise InputError("InvalidCommand", f"{what!r} is no server replica", "name it as server/NAME/INDEX")
    text = answers(config, server).log(ReplicaId(namespace, parts[1], int(parts[2])), tail)
    sys.stdout.write(plain_lines(text))


def _body(request: str) -> object:
    import json

    from schemas.errors import InputError

    try:
        if request == "-":
            request = sys.stdin.read(MAX_REQUEST)
        elif request.startswith("@"):
            with Path(request[1:]).open(encoding="utf-8") as file:
                request = file.read(MAX_REQUEST)
        return json.loads(request)
    except OSError as error:
        raise InputError("FileNotReadable", f"{request[1:]}: {error.strerror}") from error
    except ValueError as error:
        raise InputError("InvalidRequest", f"the request is no JSON: {error}") from error


def _gateway(namespace: str, config: Path | None, server: str | None) -> str:
    from reconciler.cli.session import answers
    from schemas.errors import InputError

    listeners = answers(config, server).listeners()
    if namespace not in listeners:
        hint = "give it a port under gateway.listeners"
        raise InputError("NamespaceNotServed", f"the gateway has no port for namespace {namespace}", hint)
    return listeners[namespace]

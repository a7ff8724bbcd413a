"""The HTTP server of the controller's API: a loopback socket and uvicorn on it.

The socket is bound before anything else is started, so that a busy port costs nothing. Signals are the
composition root's business, not uvicorn's.
"""

import asyncio
import contextlib
import socket as sockets
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from schemas.errors import StopError

DRAIN_SECONDS = 2
"""How long a request that is under way may keep the controller from ending."""


def bind(host: str, port: int) -> sockets.socket:
    """A bound socket; port 0 takes a free one. StopError ``PortInUse``."""
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    socket = sockets.socket(family, sockets.SOCK_STREAM)
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    try:
        socket.bind((host, port))
    except OSError as error:
        socket.close()
        hint = "end what listens there, or set api.port to another (0 takes a free one)"
        raise StopError(
            "PortInUse", f"the API cannot listen on {host}:{port}: {error.strerror}", hint
        ) from error
    return socket


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class ApiServer:
    """Serves an application on a bound socket until cancelled."""

    def __init__(self, socket: sockets.socket) -> None:
        self._socket = socket

    async def serve(self, app: ASGIApp) -> None:
        """Answer requests; when cancelled, finish those under way first, within :data:`DRAIN_SECONDS`."""
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                ws="none",
                limit_concurrency=64,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving

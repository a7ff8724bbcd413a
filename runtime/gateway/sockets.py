"""What can be known about ports and sockets before Envoy is started or told to listen."""

import errno
import os
import socket
from pathlib import Path
from typing import Final

from schemas.errors import StopError

_LONGEST_SOCKET_PATH: Final = 107  # bytes; sockaddr_un of Linux less its terminator


def require_free(host: str, port: int) -> None:
    """StopError ``PortInUse`` where nobody could listen on ``host``:``port`` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Envoy does: TIME_WAIT is no owner
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise _unavailable(host, port, error) from error


def _unavailable(host: str, port: int, error: OSError) -> StopError:
    if error.errno == errno.EADDRINUSE:
        return StopError(
            "PortInUse",
            f"port {port} on {host} is taken by another program",
            "end that program or configure another gateway port",
        )
    return StopError("PortNotAvailable", f"cannot listen on port {port} of {host}: {error.strerror}")


def require_short(path: Path) -> None:
    """StopError ``PathTooLong`` where ``path`` cannot be the address of a Unix socket."""
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise StopError(
            "PathTooLong",
            f"{path} has more than the {_LONGEST_SOCKET_PATH} bytes that a Unix socket's path may have",
            "choose a state folder with a shorter path",
        )


def somebody_answers(path: Path) -> bool:
    """True where a process listens on the Unix socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True

"""Where the controller of a state folder answers: a small file that the commands read.

The file may outlive its controller. So it carries an instance id, which the API repeats: an answer
without it comes from somebody else who got the port.
"""

import json
import os
import secrets
import socket as sockets
from dataclasses import dataclass
from pathlib import Path

FILE = "controller.json"


@dataclass(frozen=True)
class Address:
    """One running controller. ``instance`` is new with every start."""

    url: str
    pid: int
    instance: str

    @staticmethod
    def of(socket: sockets.socket) -> "Address":
        """The address of this process behind a bound socket."""
        host, port = socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return Address(f"http://{shown}:{port}", os.getpid(), secrets.token_hex(16))


def write_address(state: Path, address: Address) -> None:
    """Say where to ask; whoever reads sees the old file or the new one."""
    new = state / f"{FILE}.new"
    new.write_text(json.dumps({"url": address.url, "pid": address.pid, "instance": address.instance}))
    new.chmod(0o600)
    new.replace(state / FILE)


def read_address(state: Path) -> Address | None:
    """What the last controller said, whether it still runs or not; None where nobody did."""
    try:
        value = json.loads((state / FILE).read_bytes())
        return Address(str(value["url"]), int(value["pid"]), str(value["instance"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def withdraw(state: Path) -> None:
    """Nobody answers any more."""
    (state / FILE).unlink(missing_ok=True)

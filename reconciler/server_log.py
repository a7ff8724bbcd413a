"""The end of a server replica's log file, bounded in lines and bytes."""

import re
from pathlib import Path

from placement.inventory import ReplicaId
from runtime.local.servers import server_log
from schemas.errors import InputError

MAX_LINES = 10_000
MAX_BYTES = 4 << 20

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def read_log(state: Path, replica: ReplicaId, lines: int) -> str:
    """The last ``lines`` lines, of at most :data:`MAX_BYTES` bytes. InputError ``LogNotFound``."""
    missing = InputError(
        "LogNotFound", f"no log of server replica {str(replica)[:200]!r}", "see `moorage get servers`"
    )
    names = (replica.namespace, replica.server)
    if not all(_NAME.fullmatch(name) and ".." not in name for name in names) or replica.index < 0:
        raise missing
    log = server_log(state, replica)
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MAX_BYTES))
            text = file.read(MAX_BYTES).decode(errors="replace")
    except OSError as error:
        raise missing from error
    return "".join(text.splitlines(keepends=True)[-max(0, min(lines, MAX_LINES)) :] if lines > 0 else [])

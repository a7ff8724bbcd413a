"""The files that Envoy reads: written beside their place, then renamed into it.

Envoy sees only a rename (inotify ``MOVED_TO``). A file is a whole table with its version, so what is
on disk is also the memory of the gateway: a restarted Envoy and a new controller both go on from it.
"""

import os
from pathlib import Path
from typing import Final

from runtime.gateway.envelopes import Envelope, Written
from schemas.errors import TransientError

_ABSENT: Final = Written(0, b"")


class ConfigFile:
    """One table in the file ``stem`` + the envelope's suffix.

    ``subject`` is how Envoy's statistics name what follows the file. ``written`` is what was written
    last; version 0 without resources where there is no whole table of ours.
    """

    def __init__(self, stem: Path, subject: str, envelope: Envelope) -> None:
        self.path = stem.with_name(stem.name + envelope.suffix)
        self.subject = subject
        self._envelope = envelope
        self.written = self._read()

    def write(self, version: int, resources: bytes) -> None:
        """Replace the table. TransientError ``TableNotWritten`` where the disk refuses."""
        written = Written(version, resources)
        write_file(self.path, self._envelope.wrap(written))
        self.written = written

    def _read(self) -> Written:
        try:
            content = self.path.read_bytes()
        except OSError:
            return _ABSENT
        return self._envelope.unwrap(content) or _ABSENT


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` by a rename, readable by this user only.

    Not synced: after a power failure no process is left that relied on it, and a torn file does not
    pass for a table. TransientError ``TableNotWritten`` where the disk refuses.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    except OSError as error:
        raise TransientError("TableNotWritten", f"{path}: {error.strerror}", "see the disk") from error

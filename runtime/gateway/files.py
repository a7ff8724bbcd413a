"""The files that Envoy reads: written beside their place, then renamed into it.

Envoy sees only a rename (inotify ``MOVED_TO``). A file is a whole table with its version, so what is
on disk is also the memory of the gateway: a restarted Envoy and a new controller both go on from it.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from schemas.errors import TransientError

_ENVELOPE: Final = re.compile(r'\A\{"version_info":"(\d+)","resources":(\[.*\])\}\Z', re.DOTALL)


class ConfigFile:
    """One file of resources. ``subject`` is how Envoy's statistics name what follows the file.

    ``version`` and ``resources`` (JSON text) are what was written last, 0 and ``""`` where the file
    is absent or was not written by us.
    """

    def __init__(self, path: Path, subject: str) -> None:
        self.path = path
        self.subject = subject
        self.version, self.resources = _read(path)

    def write(self, version: int, resources: str) -> None:
        """Replace the file. TransientError ``TableNotWritten`` where the disk refuses."""
        write_file(self.path, f'{{"version_info":"{version}","resources":{resources}}}')
        self.version, self.resources = version, resources

    def decoded(self) -> list[dict[str, Any]]:
        """The resources that the file holds."""
        resources: list[dict[str, Any]] = json.loads(self.resources or "[]")
        return resources


def to_text(value: Any) -> str:
    """``value`` as JSON text; equal values give equal text."""
    return json.dumps(value, separators=(",", ":"))


def write_file(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` by a rename, readable by this user only.

    Not synced: after a power failure no process is left that relied on it, and a torn file does not
    pass for a table.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        raise TransientError("TableNotWritten", f"{path}: {error.strerror}", "free the disk") from error


def _read(path: Path) -> tuple[int, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return 0, ""
    found = _ENVELOPE.match(text)
    if found is None or not _is_json(found[2]):
        return 0, ""
    return int(found[1]), found[2]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True

"""Taking an artifact in: bytes from anywhere into a fresh folder, bounded, hashed and checked.

Whatever the source is, its paths and sizes are hostile: a path stays inside the folder, nothing but
plain files arises, and the bounds hold for what was really read, not for what was announced.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from runtime.serving.storage import StorageRules
from runtime.serving.text import one_line
from schemas.errors import InputError, TransientError

_CHUNK = 1024 * 1024  # bytes
_PATH_LIMIT = 1024  # characters


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch is. ``uri`` is fit to be shown; ``total`` bytes are None where not announced."""

    uri: str
    files: int
    bytes_: int
    total: int | None


@dataclass(frozen=True, order=True)
class Entry:
    """One file that was taken in."""

    path: str
    size: int
    sha256: str


class Intake:
    """Takes files in below ``folder``. Used by one thread; ``cancelled`` may be set by another."""

    def __init__(
        self,
        folder: Path,
        rules: StorageRules,
        cancelled: threading.Event,
        progress: Callable[[int, int], None],
    ) -> None:
        self.entries: list[Entry] = []
        self._folder = folder
        self._rules = rules
        self._cancelled = cancelled
        self._progress = progress
        self._bytes = 0

    def add(self, path: str, stream: IO[bytes]) -> None:
        """Take one file in. InputError ``ArtifactEscapes``, ``ArtifactTooLarge``; TransientError
        ``FetchTimeout``, ``CacheUnwritable``; errors of ``stream`` pass."""
        target = self._folder / safe_path(path)
        if len(self.entries) >= self._rules.max_files:
            raise InputError("ArtifactTooLarge", f"more than {self._rules.max_files} files")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("xb")
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError("ArtifactEscapes", f"{one_line(path, 200)} is there twice") from error
        except OSError as error:
            raise _unwritable(error) from error
        with file:
            size, digest = self._copied(stream, file)
        self.entries.append(Entry(path, size, digest))

    def hold(self, stream: IO[bytes]) -> Path:
        """Keep a stream beside the folder, outside the artifact; its bytes do not count afterwards.
        Errors as of :meth:`add`."""
        place = self._folder.parent / "held"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place.open("wb")
        except OSError as error:
            raise _unwritable(error) from error
        with file:
            self._copied(stream, file)
        self._bytes = 0
        return place

    def _copied(self, stream: IO[bytes], file: IO[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            self._bytes += len(chunk)
            self._check()
            digest.update(chunk)
            try:
                file.write(chunk)
            except OSError as error:
                raise _unwritable(error) from error
            self._progress(len(self.entries), self._bytes)
        return size, digest.hexdigest()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise TransientError("FetchTimeout", "given up")
        if self._bytes > self._rules.max_bytes:
            raise InputError("ArtifactTooLarge", f"more than {self._rules.max_bytes} bytes")


def _unwritable(error: OSError) -> TransientError:
    return TransientError("CacheUnwritable", f"the artifact cache: {error.strerror}", "check the disk")


def safe_path(path: str) -> str:
    """``path`` if it names a place inside a folder; InputError ``ArtifactEscapes`` otherwise."""
    parts = PurePosixPath(path).parts
    fine = (
        parts
        and len(path) <= _PATH_LIMIT
        and path.isprintable()
        and not path.startswith("/")
        and ".." not in parts
        and all(len(part.encode()) <= 255 for part in parts)
        and str(PurePosixPath(path)) == path
    )
    if not fine:
        raise InputError("ArtifactEscapes", f"{one_line(repr(path), 200)} is no path inside an artifact")
    return path

"""The artifact cache: one read-only folder per content, named by the digest over paths and bytes.

An artifact appears whole, by one rename. Model repositories link into it, so the number of links of
a file tells whether a model still uses it. The digest is SHA-256 over the sorted ``[path, SHA-256 of
the bytes]`` pairs as JSON; modes and times are not content.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.ports import Artifact
from runtime.serving.intake import Entry
from schemas.errors import TransientError

_FILES = "files"
_MANIFEST = "manifest.json"
_STAGING = ".staging"
_STALE = 24 * 3600  # seconds after which a folder that a crashed fetch left is removed
_REST = 3600  # seconds since its last use that an artifact is safe from eviction: a load is under way


def digest_of(entries: Sequence[Entry]) -> str:
    """The digest of an artifact that consists of ``entries``, in whatever order."""
    pairs = json.dumps([[entry.path, entry.sha256] for entry in sorted(entries)], ensure_ascii=True)
    return hashlib.sha256(pairs.encode()).hexdigest()


class ArtifactCache:
    """The cache below ``folder``; ``limit`` in bytes. Safe for threads and processes side by side."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A fresh folder to take an artifact in; gone afterwards unless :meth:`admit` took it."""
        area = self._folder / _STAGING
        try:
            area.mkdir(parents=True, exist_ok=True)
            _remove_stale(area)
            place = Path(tempfile.mkdtemp(dir=area))
        except OSError as error:
            message = f"the artifact cache cannot be written: {error.strerror}"
            raise TransientError("CacheUnwritable", message, "check the disk") from error
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def admit(self, staged: Path, entries: Sequence[Entry]) -> Artifact:
        """Make ``staged``, which holds the files of ``entries`` in ``files/``, an artifact of the cache."""
        digest = digest_of(entries)
        known = self.get(digest)
        if known is not None:
            return known
        listed = [_sealed(staged / _FILES, entry) for entry in sorted(entries)]
        (staged / _MANIFEST).write_text(json.dumps(listed), encoding="utf-8")
        place = self._folder / digest
        self._drop(place)  # what is there is not intact
        try:
            staged.rename(place)
        except OSError as error:
            other = self.get(digest)
            if other is not None:  # another process was first
                return other
            message = f"the artifact cache cannot be written: {error.strerror}"
            raise TransientError("CacheUnwritable", message, "check the disk") from error
        self._evict(keep=digest)
        return Artifact(digest, place / _FILES)

    def get(self, digest: str) -> Artifact | None:
        """The artifact if every file of it is there with the size and time it was sealed with."""
        place = self._folder / digest
        try:
            listed = json.loads((place / _MANIFEST).read_bytes())
            intact = all(_unchanged(place / _FILES / path, size, mtime) for path, size, mtime in listed)
            if not intact:
                return None
            os.utime(place / _MANIFEST)  # its last use
        except (OSError, ValueError):
            return None
        return Artifact(digest, place / _FILES)

    def _drop(self, place: Path) -> None:
        """Remove an artifact so that it is never seen half removed."""
        if place.exists():
            aside = Path(tempfile.mkdtemp(dir=self._folder / _STAGING))
            with contextlib.suppress(FileNotFoundError):  # another process did it
                place.rename(aside / place.name)
            shutil.rmtree(aside, ignore_errors=True)

    def _evict(self, keep: str) -> None:
        """Remove artifacts that no model uses, the least recently used first, until the limit holds."""
        sizes = {place: _size(place) for place in self._folder.iterdir() if place.name != _STAGING}
        excess = sum(sizes.values()) - self._limit
        for place in sorted(sizes, key=_last_use):
            if excess <= 0:
                return
            if place.name != keep and time.time() - _last_use(place) > _REST and not _in_use(place):
                self._drop(place)
                excess -= sizes[place]


def _sealed(root: Path, entry: Entry) -> list[str | int]:
    path = root / entry.path
    path.chmod(0o444)
    return [entry.path, entry.size, path.stat().st_mtime_ns]


def _unchanged(path: Path, size: int, mtime: int) -> bool:
    status = path.lstat()
    return status.st_size == size and status.st_mtime_ns == mtime


def _size(place: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return sum(size for _, size, _ in json.loads((place / _MANIFEST).read_bytes()))
    return 0


def _last_use(place: Path) -> float:
    with contextlib.suppress(OSError):
        return (place / _MANIFEST).stat().st_mtime
    return 0.0


def _in_use(place: Path) -> bool:
    return any(path.lstat().st_nlink > 1 for path in (place / _FILES).rglob("*") if path.is_file())


def _remove_stale(area: Path) -> None:
    for entry in area.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - entry.lstat().st_mtime > _STALE:
                shutil.rmtree(entry, ignore_errors=True)

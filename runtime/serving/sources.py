"""Where artifacts come from: a local folder or file, or anything fsspec can open.

A source pours its files into an :class:`~runtime.serving.intake.Intake`; a single file that is an
archive is unpacked. Everything here blocks and runs in a thread. Errors of backends pass; they are
wrapped in :mod:`runtime.serving.artifacts`.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fsspec

from runtime.serving.archives import ARCHIVES, unpack
from runtime.serving.intake import Intake, safe_path
from runtime.serving.storage import Location, StorageRules
from schemas.errors import InputError

_EXTRAS = {"gcs": "gs", "gs": "gs", "http": "http", "https": "http", "s3": "s3"}
_BLOCK = 8 * 1024 * 1024  # bytes per request to an object store


@dataclass(frozen=True)
class SourceFile:
    """One file of a source; ``size`` is what is announced, None where nothing is."""

    path: str
    size: int | None
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Source:
    """The files of an artifact, or its one file (``single``)."""

    files: tuple[SourceFile, ...]
    single: bool

    @property
    def total(self) -> int | None:
        """Announced bytes of all files."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def pour(source: Source, intake: Intake, rules: StorageRules) -> None:
    """Take every file of ``source`` in. Errors of :class:`Intake`, and InputError ``ArtifactNotFound``."""
    if not source.files:
        raise InputError("ArtifactNotFound", "the folder is empty")
    total = source.total
    if len(source.files) > rules.max_files or (total is not None and total > rules.max_bytes):
        message = f"{len(source.files)} files, {total} bytes: over {rules.max_files} or {rules.max_bytes}"
        raise InputError("ArtifactTooLarge", message)
    for file in source.files:
        with file.open() as stream:
            if source.single and file.path.lower().endswith(ARCHIVES):
                _pour_archive(file.path, stream, intake, rules)
            else:
                intake.add(file.path, stream)
    if not intake.entries:
        raise InputError("ArtifactNotFound", "the archive is empty")


def _pour_archive(name: str, stream: IO[bytes], intake: Intake, rules: StorageRules) -> None:
    held = intake.hold(stream)
    unpack(name, held, intake, rules)
    held.unlink()


def local_source(location: Location, rules: StorageRules) -> Source:
    """What is at a local path, if it may be read.

    InputError ``StorageNotAllowed``, ``ArtifactEscapes``; OSError of the file system passes. A link
    inside the artifact is followed as long as it stays inside.
    """
    path = Path(location.uri)
    roots = rules.roots if location.root is None else (*rules.roots, location.root)
    real = path.resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        hint = "allow a root above it, or map its prefix, in the configuration"
        raise InputError("StorageNotAllowed", f"{location.shown} is not below an allowed root", hint)
    mode = real.stat().st_mode
    if stat.S_ISREG(mode):
        return Source((_local_file(path.name, real, real.parent),), single=True)
    if not stat.S_ISDIR(mode):
        raise InputError("ArtifactEscapes", f"{location.shown} is neither file nor folder")
    return Source(tuple(_local_files(real, rules)), single=False)


def _local_files(root: Path, rules: StorageRules) -> Iterator[SourceFile]:
    count = 0
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders.sort()
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        if linked:
            raise InputError("ArtifactEscapes", f"{linked[0]} is a link to a folder")
        for name in sorted(names):
            count += 1
            if count > rules.max_files:
                raise InputError("ArtifactTooLarge", f"more than {rules.max_files} files")
            path = Path(folder) / name
            yield _local_file(path.relative_to(root).as_posix(), path, root)


def _raise(error: OSError) -> None:
    raise error


def _local_file(name: str, path: Path, root: Path) -> SourceFile:
    real = path.resolve(strict=True)
    status = real.stat()
    if not real.is_relative_to(root) or not stat.S_ISREG(status.st_mode):
        raise InputError("ArtifactEscapes", f"{name} is no plain file inside the artifact")
    return SourceFile(safe_path(name), status.st_size, lambda: real.open("rb"))


def remote_source(protocol: str, uri: str, options: Mapping[str, Any], rules: StorageRules) -> Source:
    """What fsspec finds at ``uri``. InputError ``StorageBackendMissing``; errors of backends pass."""
    try:
        if protocol in ("http", "https"):
            options = {"client_kwargs": {"timeout": _http_timeout()}, **options}
        # no caches: they would outlive a rotated secret and hide a changed listing
        system = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        hint = f"pip install 'moorage[{extra}]'" if extra else f"install the fsspec backend of {protocol}"
        raise InputError("StorageBackendMissing", f"{protocol}:// needs an optional package", hint) from error
    path = str(system._strip_protocol(uri)).rstrip("/")  # noqa: SLF001 (fsspec's documented hook for this)
    if protocol in ("http", "https"):
        return Source((_http_file(system, path),), single=True)
    info = system.info(path)
    if info["type"] == "file":
        return Source((_remote_file(system, path, path.rpartition("/")[2], info),), single=True)
    return Source(tuple(_remote_files(system, path, rules)), single=False)


def _http_timeout() -> Any:
    """aiohttp's own limit is 5 minutes for a whole download; the fetch has its own limit."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)


def _http_file(system: Any, url: str) -> SourceFile:
    """One GET, streamed: not every server knows HEAD or ranges. A size of any kind makes fsspec skip
    its own inquiry, which would turn every refusal into "not found"."""
    name = url.partition("?")[0].rpartition("/")[2]
    return SourceFile(safe_path(name), None, lambda: _opened(system, url, block_size=0, size=-1))


def _remote_files(system: Any, root: str, rules: StorageRules) -> Iterator[SourceFile]:
    """Every file below ``root``. Not fsspec's ``find``: it leaves out folders whose listing failed."""
    folders, count = [root], 0
    while folders:
        folder = folders.pop()
        for path, info in _listing(system, folder):
            count += 1
            if count > 4 * rules.max_files:  # folders count here, and are not kept
                raise InputError("ArtifactTooLarge", f"more than {4 * rules.max_files} entries")
            if info["type"] == "directory":
                folders.append(path)
            else:
                yield _remote_file(system, path, path.removeprefix(f"{root}/"), info)


def _listing(system: Any, folder: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Paths directly below ``folder``, sorted, without the marker that object stores keep of it."""
    found = {info["name"].rstrip("/"): info for info in system.ls(folder, detail=True)}
    return [(path, found[path]) for path in sorted(found) if path != folder]


def _remote_file(system: Any, path: str, name: str, info: Mapping[str, Any]) -> SourceFile:
    return SourceFile(safe_path(name), info.get("size"), lambda: _opened(system, path, block_size=_BLOCK))


def _opened(system: Any, path: str, **how: Any) -> IO[bytes]:
    stream: IO[bytes] = system.open(path, "rb", **how)
    return stream

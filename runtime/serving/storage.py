"""What the configuration says about storage, and where a ``storageUri`` points under those rules.

Pure string work: mapping of prefixes, schemes, and which folder a local path must stay in. Whether
something is there is found out by :mod:`runtime.serving.sources`.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from runtime.serving.text import one_line, without_credentials
from schemas.errors import InputError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.S)
_URI_LIMIT = 4096  # characters


@dataclass(frozen=True)
class PrefixMapping:
    """URIs below ``source`` are read below ``target`` instead, as registry mirrors do it."""

    source: str
    target: str


@dataclass(frozen=True)
class StorageRules:
    """What may be fetched, from where, and how much of it."""

    roots: tuple[Path, ...] = ()
    """Local paths are read only below these folders; none by default, manifests are not trusted."""
    mappings: tuple[PrefixMapping, ...] = ()
    """The longest matching prefix wins. A target is allowed by standing here."""
    schemes: tuple[str, ...] = ("file", "gs", "http", "https", "s3")
    """Protocols that may be used, as fsspec names them."""
    secrets: Path | None = None
    """Folder of ``<namespace>/<secretName>`` files, or ``<secretName>`` for every namespace."""
    ambient_credentials: bool = False
    """Use the controller's own cloud credentials where a model names no secret. Off: such access is
    anonymous, or anybody who writes a manifest could read what the controller can."""
    max_bytes: int = 20 * 1024**3
    """Bytes of one artifact, unpacked."""
    max_files: int = 10_000
    """Files of one artifact."""
    time_limit: float = 7200.0
    """Seconds for one fetch; the reference's limit of a load (120 min)."""
    cache_bytes: int = 100 * 1024**3
    """Bytes of the whole cache; the least recently used artifacts that no model uses go first."""


@dataclass(frozen=True)
class Location:
    """Where an artifact is read. ``root`` is set for local paths mapped by the configuration."""

    uri: str
    scheme: str
    root: Path | None = None

    @property
    def shown(self) -> str:
        """The URI without what may be secret in it."""
        return shown(self.uri)


def shown(uri: str) -> str:
    """A URI as it may stand in logs and errors."""
    return one_line(without_credentials(uri), 300)


def locate(storage_uri: str, rules: StorageRules) -> Location:
    """Where ``storage_uri`` points. InputError ``InvalidStorageUri``."""
    _check(storage_uri)
    mapping = max(
        (m for m in rules.mappings if _below(storage_uri, m.source)),
        key=lambda m: len(m.source),
        default=None,
    )
    if mapping is None:
        uri, root = storage_uri, None
    else:
        uri = _joined(mapping.target, storage_uri[len(mapping.source) :])
        root = _local_path(mapping.target)
    if (local := _local_path(uri)) is not None:
        return Location(str(local), "file", root)
    match = _SCHEME.fullmatch(uri)
    if match is None:
        raise InputError("InvalidStorageUri", f"{shown(uri)!r}: neither an absolute path nor scheme://…")
    return Location(uri, match[1].lower())


def _check(uri: str) -> None:
    if not uri or len(uri) > _URI_LIMIT or not uri.isprintable():
        raise InputError("InvalidStorageUri", f"{shown(uri)!r} is empty, too long or not printable")
    if ".." in PurePosixPath(unquote(uri)).parts:
        raise InputError("InvalidStorageUri", f"{shown(uri)!r} has '..' in it", "name the place itself")


def _below(uri: str, prefix: str) -> bool:
    """Prefixes end at a path's boundary: ``s3://models`` is not a prefix of ``s3://models-old/x``."""
    rest = uri[len(prefix) :]
    return uri.startswith(prefix) and (not rest or rest.startswith("/") or prefix.endswith("/"))


def _joined(target: str, rest: str) -> str:
    return f"{target.rstrip('/')}/{rest.lstrip('/')}" if rest.strip("/") else target


def _local_path(uri: str) -> Path | None:
    if uri.startswith("/"):
        return Path(uri)
    if uri.lower().startswith("file://"):
        path = uri[len("file://") :].removeprefix("localhost")
        if not path.startswith("/"):
            raise InputError("InvalidStorageUri", f"{shown(uri)!r}: a local path must be absolute")
        return Path(path)
    return None

"""The artifact store: a ``storageUri`` becomes a folder in the content-addressed cache.

Fetching blocks, so it runs in threads, bounded in time and number; two who ask for the same at once
share one fetch. What backends raise becomes one of our errors here, and no secret passes: neither
in a message nor, where the text held one, in the cause.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runtime.ports import Artifact
from runtime.serving.artifact_cache import ArtifactCache
from runtime.serving.intake import FetchProgress, Intake
from runtime.serving.sources import Source, local_source, pour, remote_source
from runtime.serving.storage import Location, StorageRules, locate
from runtime.serving.storage_secrets import StorageSecret, fsspec_options, read_secret
from runtime.serving.text import one_line, without_credentials
from schemas.errors import InputError, MoorageError, TransientError

_AT_ONCE = 4  # fetches; more would only share one line
_DENIED_STATUS = (401, 403)
_DENIED_NAMES = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError")

Progress = Callable[[FetchProgress], None]


class FsspecArtifactStore:
    """An :class:`~runtime.ports.ArtifactStore`. ``progress`` is called from the fetching thread."""

    def __init__(self, cache: Path, rules: StorageRules, progress: Progress = lambda _: None) -> None:
        self._cache = ArtifactCache(cache, rules.cache_bytes)
        self._rules = rules
        self._progress = progress
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
        self._under_way: dict[tuple[str, str | None, str], asyncio.Task[Artifact]] = {}

    async def fetch(self, storage_uri: str, secret_name: str | None, namespace: str) -> Artifact:
        """Fetch into the cache.

        InputError ``InvalidStorageUri``, ``StorageNotAllowed``, ``StorageBackendMissing``,
        ``ArtifactNotFound``, ``ArtifactTooLarge``, ``ArtifactEscapes``, ``InvalidArchive``,
        ``StorageDenied`` and those of :func:`~runtime.serving.storage_secrets.read_secret`;
        TransientError ``StorageUnreachable``, ``FetchTimeout``, ``CacheUnwritable``.
        """
        asked = (storage_uri, secret_name, namespace)
        task = self._under_way.get(asked)
        if task is None:
            task = asyncio.create_task(self._fetch(*asked))
            self._under_way[asked] = task
            task.add_done_callback(lambda done: self._forget(asked, done))
        return await asyncio.shield(task)

    def cached(self, digest: str) -> Artifact | None:
        """The artifact of that digest, if the cache still holds it intact (sizes and times, no hashing)."""
        return self._cache.get(digest)

    def _forget(self, asked: tuple[str, str | None, str], done: asyncio.Task[Artifact]) -> None:
        self._under_way.pop(asked, None)
        if not done.cancelled():
            done.exception()  # whoever asked may be gone by now

    async def _fetch(self, storage_uri: str, secret_name: str | None, namespace: str) -> Artifact:
        location = locate(storage_uri, self._rules)
        cancelled = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, self._fetch_blocking, location, secret_name, namespace, cancelled
        )
        try:
            async with asyncio.timeout(self._rules.time_limit):
                return await work
        except TimeoutError as error:
            message = f"{location.shown}: not fetched within {self._rules.time_limit:g} s"
            raise TransientError("FetchTimeout", message) from error
        finally:
            cancelled.set()

    def _fetch_blocking(
        self, location: Location, secret_name: str | None, namespace: str, cancelled: threading.Event
    ) -> Artifact:
        local = location.scheme == "file"
        secret = (
            None if local or not secret_name else read_secret(self._rules.secrets, secret_name, namespace)
        )
        with _border(location, secret), self._cache.staging() as staged:
            source = self._source(location, secret)
            intake = Intake(staged / "files", self._rules, cancelled, self._report(location, source))
            pour(source, intake, self._rules)
            return self._cache.admit(staged, intake.entries)

    def _source(self, location: Location, secret: StorageSecret | None) -> Source:
        named = secret is not None and secret.name == location.scheme
        protocol = secret.protocol if secret is not None and named else location.scheme
        if protocol not in self._rules.schemes:
            hint = f"the configuration allows {', '.join(self._rules.schemes)}"
            raise InputError("StorageNotAllowed", f"{location.scheme}:// is not allowed", hint)
        if protocol == "file":
            return local_source(location, self._rules)
        options = fsspec_options(protocol, secret, self._rules.ambient_credentials)
        uri = f"{protocol}{location.uri[len(location.scheme) :]}"
        return remote_source(protocol, uri, options, self._rules)

    def _report(self, location: Location, source: Source) -> Callable[[int, int], None]:
        total, uri = source.total, location.shown
        return lambda files, done: self._progress(FetchProgress(uri, files, done, total))


@contextlib.contextmanager
def _border(location: Location, secret: StorageSecret | None) -> Iterator[None]:
    """Turn what backends raise into our errors; name the URI in all of them."""
    try:
        yield
    except MoorageError as error:
        if location.shown in error.message:
            raise
        raise type(error)(error.reason, f"{location.shown}: {error.message}", error.hint) from error
    except Exception as error:  # noqa: BLE001 (every backend has exceptions of its own)
        said = str(error)
        leaks = secret is not None and secret.scrub(said) != said
        raise _wrapped(location, secret, error) from (None if leaks else error)


def _wrapped(location: Location, secret: StorageSecret | None, error: Exception) -> MoorageError:
    said = secret.scrub(str(error)) if secret else str(error)
    text = one_line(without_credentials(said), 300) or type(error).__name__
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputError("ArtifactNotFound", f"{location.shown}: nothing is there", "check storageUri")
    if _is_denial(error):
        hint = "check secretName and what it may read"
        return InputError("StorageDenied", f"{location.shown}: {text}", hint)
    return TransientError("StorageUnreachable", f"{location.shown}: {text}")


def _is_denial(error: Exception) -> bool:
    status = getattr(error, "status", None) or getattr(error, "code", None)
    return (
        isinstance(error, PermissionError)
        or status in _DENIED_STATUS
        or type(error).__name__ in _DENIED_NAMES
    )

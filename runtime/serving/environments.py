"""Environments of inference servers: one folder per (Python, packages, constraints), built once by uv.

An environment is named by the digest of what it is made of, so two servers with the same package
list share it and a changed list never touches a running one. It is built in its final place, because
a virtual environment cannot be moved, and counts only once its marker file is there; a lock file lets
one builder in at a time, whichever process it belongs to. Nothing here knows what the packages do.
See ``docs/decisions/0004-mlserver-environment.md``.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from uv import find_uv_bin

from runtime.capabilities import distribution_name
from runtime.serving.text import one_line, without_credentials
from schemas.errors import InputError, MoorageError, TransientError

DEFAULT_MLSERVER_PACKAGES = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22")
"""uvloop 0.23 was seen to crash MLServer's inference workers; 0.21 was seen to work."""

Progress = Callable[[str], None]

_MARKER = "complete.json"
_LOCKS = {frozenset(DEFAULT_MLSERVER_PACKAGES): "mlserver.txt"}
_POLL = 0.2  # seconds between two looks at a lock that another builder holds
_SHOWN_LINES = 12  # of what uv says when it fails
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_PREFIXES = ("UV_", "XDG_", "LC_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Recipe:
    """What an environment is made of. ``requirements`` is the text of a requirements file."""

    python: str
    requirements: str
    hashed: bool

    @property
    def digest(self) -> str:
        """Names the environment's folder."""
        parts = json.dumps([self.python, self.requirements, self.hashed])
        return hashlib.sha256(parts.encode()).hexdigest()[:32]


def recipe(packages: Sequence[str]) -> Recipe:
    """The recipe of a package list for the running Python: locked with hashes where one is shipped.

    InputError ``InvalidPackage`` for an entry that is no requirement (options of an installer are
    none).
    """
    for package in packages:
        if distribution_name(package) is None or "\n" in package:
            shown = one_line(without_credentials(package), 100)
            raise InputError("InvalidPackage", f"{shown!r} is no requirement", "write it as name==version")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = _LOCKS.get(frozenset(packages))
    if lock:
        return Recipe(python, (files(__package__) / "locks" / lock).read_text(encoding="utf-8"), hashed=True)
    return Recipe(python, "".join(f"{package}\n" for package in sorted(set(packages))), hashed=False)


class Environments:
    """The folder of environments. ``progress`` gets one line at a time, on the event loop's thread."""

    def __init__(self, folder: Path, progress: Progress, build_limit: float = 3600.0) -> None:
        self._folder = folder
        self._progress = progress
        self._build_limit = build_limit  # seconds; big runtimes are gigabytes of download

    def python(self, wanted: Recipe) -> Path:
        """The interpreter of that environment, whether it is built or not."""
        return self._place(wanted) / "bin" / "python"

    def ready(self, wanted: Recipe) -> bool:
        """True where the environment is built to its end."""
        return (self._place(wanted) / _MARKER).is_file() and self.python(wanted).exists()

    async def build(self, wanted: Recipe) -> None:
        """Build the environment unless it is there; waits where another builder is at it.

        InputError ``PackagesUnsolvable`` or ``PackageHashMismatch``; TransientError
        ``PackageIndexUnreachable``, ``EnvironmentBuildFailed`` or ``EnvironmentBuildTimeout``.
        """
        if self.ready(wanted):
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            async with _locked(self._folder / f"{wanted.digest}.lock", self._progress) as lock:
                if not self.ready(wanted):
                    await self._build_locked(wanted, lock)
        except OSError as error:
            message = f"the folder of environments: {error.strerror}"
            raise TransientError("EnvironmentBuildFailed", message, "check the disk") from error

    async def _build_locked(self, wanted: Recipe, lock: int) -> None:
        place = self._place(wanted)
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        self._progress(f"building environment {wanted.digest[:12]} (Python {wanted.python})")
        await self._uv(lock, "venv", "--python", sys.executable, str(place))
        requirements = place / "requirements.txt"
        requirements.write_text(wanted.requirements, encoding="utf-8")
        # wheels only: with hashes, nothing of the locked list runs code while it is installed
        strict = ("--require-hashes", "--only-binary", ":all:") if wanted.hashed else ()
        into = ("--python", str(self.python(wanted)))
        await self._uv(lock, "pip", "install", *into, *strict, "-r", str(requirements))
        marker = place / f"{_MARKER}.new"
        marker.write_text(json.dumps({"python": wanted.python}), encoding="utf-8")
        marker.rename(place / _MARKER)
        self._progress(f"environment {wanted.digest[:12]} is complete")

    def _place(self, wanted: Recipe) -> Path:
        return self._folder / wanted.digest

    async def _uv(self, lock: int, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            find_uv_bin(),
            *arguments,
            "--no-progress",
            cwd=self._folder,  # no project configuration of the working folder applies
            env=_builder_environment(os.environ),
            pass_fds=(lock,),  # a uv that outlives a killed controller keeps the next builder out
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1024 * 1024,  # bytes in one line
        )
        try:
            async with asyncio.timeout(self._build_limit):
                said = await self._follow(process)
                status = await process.wait()
        except TimeoutError as error:
            message = f"uv {arguments[0]}: not finished within {self._build_limit:g} s"
            raise TransientError("EnvironmentBuildTimeout", message) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status:
            raise _build_error(said)

    async def _follow(self, process: asyncio.subprocess.Process) -> list[str]:
        said: list[str] = []
        assert process.stdout is not None
        async for raw in process.stdout:
            line = one_line(without_credentials(raw.decode(errors="replace")), 300)
            if line:
                self._progress(line)
                said = [*said[-_SHOWN_LINES:], line]
        return said


@contextlib.asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncIterator[int]:
    """Hold an exclusive lock file; gives its descriptor. Polled, not waited for: a blocked thread could not be cancelled."""
    with path.open("w") as file:
        waiting = False
        while not _try_lock(file.fileno()):
            if not waiting:
                progress("waiting for another build of the same environment")
            waiting = True
            await asyncio.sleep(_POLL)
        yield file.fileno()  # closing the file gives the lock back


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _builder_environment(whole: Mapping[str, str]) -> dict[str, str]:
    """What uv needs to reach the package index. A package's build script sees no more than this."""
    return {
        name: value
        for name, value in whole.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES) or name.upper() in _PROXIES
    }


_UNREACHABLE = re.compile(r"failed to (fetch|download)|error sending request|connect|timed out|dns", re.I)
_UNSOLVABLE = re.compile(r"no solution found|not found in the|was not found|no matching", re.I)
_MISMATCH = re.compile(r"hash mismatch", re.I)


def _build_error(said: Sequence[str]) -> MoorageError:
    """What uv said, as an error of ours. uv names the package in its message."""
    text = one_line(" ".join(said), 1200)
    if _MISMATCH.search(text):
        hint = "the package index serves other files than the locked ones; check the index"
        return InputError("PackageHashMismatch", text, hint)
    if _UNSOLVABLE.search(text):
        return InputError("PackagesUnsolvable", text, "change the package list of this ServerConfig")
    if _UNREACHABLE.search(text):
        return TransientError("PackageIndexUnreachable", text, "check the network and UV_DEFAULT_INDEX")
    return TransientError("EnvironmentBuildFailed", text, "the lines above it in the log say more")

"""``make testbed``: builds the real parts that tests need and that are not on this machine yet.

Each part is built in a folder of its own and renamed when it is whole, so a cache never holds half a
part; a second call waits for the first. What a recipe prints goes to a log beside the part.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from scripts.parts import Part, PartError, parts

PROGRESS_SECONDS = 10.0
"""How often a build that goes on says so."""
LAST_LINES = 15
"""Lines of a failed build that are shown."""


def say(line: str) -> None:
    """Tell the person who watches."""
    print(f"testbed: {line}", flush=True)


def provide(part: Part) -> Path:
    """The part's program, built where it is missing. Raises PartError."""
    found = part.find()
    if found is None:
        with _only_one(part):
            found = part.find() or _built(part)
    say(f"{part.name}: {found}")
    return found


def _built(part: Part) -> Path:
    _require_tools(part)
    kept = part.kept()
    half, log = kept.with_name(f"{kept.name}.building"), kept.with_name(f"{kept.name}.log")
    shutil.rmtree(half, ignore_errors=True)  # of a build that was killed
    half.mkdir()
    say(f"{part.name}: building {part.version}, some minutes the first time; everything it says: {log}")
    began = time.monotonic()
    status = _run(part, half, log)
    if status != 0 or not (half / part.program).is_file():
        raise PartError(f"{part.name}: the build failed with status {status}:\n{_end(log)}\nall of it: {log}")
    shutil.rmtree(kept, ignore_errors=True)  # where somebody took the program out of it
    half.rename(kept)
    say(f"{part.name}: built in {time.monotonic() - began:.0f} s")
    return kept / part.program


def _require_tools(part: Part) -> None:
    missing = [tool for tool in part.tools if shutil.which(tool) is None]
    if missing:
        names = " and ".join(missing)
        raise PartError(
            f"{part.name} is built with {names}, not found on PATH: install that, "
            f"or name a {part.name} of your own in {part.variable}"
        )


def _run(part: Part, folder: Path, log: Path) -> int:
    """Exit status of the recipe. It ends with us, and so does whatever it started."""
    with log.open("wb") as output:
        build = subprocess.Popen(
            [part.recipe / "build", folder],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _watched(part, build, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(build.pid, signal.SIGKILL)
            build.wait()


def _watched(part: Part, build: subprocess.Popen[bytes], log: Path) -> int:
    began = time.monotonic()
    while True:
        try:
            return build.wait(PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            lines = log.read_text(errors="replace").splitlines()
            last = lines[-1] if lines else ""
            say(f"{part.name}: {time.monotonic() - began:.0f} s, {len(lines)} steps, now {last[:70]}")


@contextlib.contextmanager
def _only_one(part: Part) -> Iterator[None]:
    kept = part.kept()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_name(f"{kept.name}.lock").open("w") as lock:
        _lock(part, lock)
        yield


def _lock(part: Part, lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{part.name}: another call builds it, waiting")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def main() -> int:
    """Provide every part; 0 where all are there. One that cannot be had does not keep back the others."""
    failed = False
    for part in parts().values():
        try:
            provide(part)
        except PartError as error:
            say(str(error))
            failed = True
    return int(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("ended; nothing half-built is left to be found")
        sys.exit(130)

"""One controller per state folder: an advisory lock that ends with its process, however it ends."""

import fcntl
import os
from pathlib import Path

from schemas.errors import StopError


class StateLock:
    """Holds ``<folder>/lock`` until :meth:`release`; the file names the holder for people."""

    def __init__(self, folder: Path) -> None:
        """Raises StopError ``StateLocked`` where another process holds it."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = self._holder()
            self._file.close()
            raise StopError(
                "StateLocked",
                f"the state folder {folder} is held by process {holder}",
                "stop that controller, or give this one a state folder of its own",
            ) from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next controller in. Again is no error."""
        self._file.close()

    def _holder(self) -> str:
        self._file.seek(0)
        return self._file.read(20).strip() or "unknown"

"""Ending what a state folder's controller serves, from another process.

A signal, not a request: whoever may send it is the operating system's business, and a web page cannot.
"""

import os
import select
import signal
from pathlib import Path

from runtime.local.ending import stop_all
from runtime.local.lock import StateLock
from schemas.errors import StopError, WaitError

LOCK = "lock"
"""The file that the holder of a state folder keeps locked; it holds its process id."""


def end_controller(state: Path, patience: float) -> bool:
    """Tell the controller that holds ``state`` to end and wait until it has; False where none runs.

    WaitError ``ControllerStillRunning`` after ``patience`` seconds.
    """
    holder = _holder(state)
    if holder is None:
        return False
    try:
        process = os.pidfd_open(holder)
    except ProcessLookupError:
        return True
    try:
        if _holder(state) == holder:  # the id was not given to another process in between
            signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], patience)[0]:
            raise WaitError("ControllerStillRunning", f"process {holder} has not ended", "look at its log")
    finally:
        os.close(process)
    return True


async def end_serving(state: Path) -> int:
    """End every process that was left serving; how many there were. StopError ``StateLocked``."""
    return await stop_all(state)


def _holder(state: Path) -> int | None:
    """The process that holds the state folder, by the lock's own word; None where nobody does."""
    if not (state / LOCK).exists():
        return None
    try:
        StateLock(state).release()
    except StopError:
        said = (state / LOCK).read_text()
        return int(said) if said.isdecimal() else None
    return None

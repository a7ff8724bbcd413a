"""Ending what a state folder's controller serves, from another process.

A signal, not a request: whoever may send it is the operating system's business, and a web page cannot.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from reconciler.address import read_address
from runtime.local.ending import stop_all
from runtime.local.lock import StateLock
from schemas.errors import StopError, WaitError

POLL = 0.1
"""Seconds between two looks at whether the controller has gone."""


def end_controller(state: Path, patience: float) -> bool:
    """Tell the controller that holds ``state`` to end and wait until it has; False where none runs.

    WaitError ``ControllerStillRunning`` after ``patience`` seconds.
    """
    if not state.is_dir() or not _held(state):
        return False
    address = read_address(state)
    if address is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(address.pid, signal.SIGTERM)
    end = time.monotonic() + patience
    while _held(state):
        if time.monotonic() > end:
            raise WaitError(
                "ControllerStillRunning", f"the controller of {state} has not ended", "look at its log"
            )
        time.sleep(POLL)
    return True


async def end_serving(state: Path) -> int:
    """End every process that was left serving; how many there were. StopError ``StateLocked``."""
    return await stop_all(state)


def _held(state: Path) -> bool:
    try:
        StateLock(state).release()
    except StopError:
        return True
    return False

"""Exit statuses, and how an error becomes one line and a status: here and nowhere else."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.cli.text import plain
from schemas.errors import MoorageError

OK = 0
NEGATIVE = 1
"""The command worked and the answer is no: problems found, states differ."""
FAILED = 2
"""The command could not do its work."""
INTERRUPTED = 130


class CommandError(Exception):
    """An error with an exit status of its own."""

    def __init__(self, error: MoorageError, status: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status


@contextmanager
def errors_exit_with(status: int) -> Iterator[None]:
    """Errors inside end the command with ``status`` instead of :data:`FAILED`."""
    try:
        yield
    except MoorageError as error:
        raise CommandError(error, status) from error


def report(error: BaseException) -> int:
    """Say what happened in one line on stderr, and give the exit status."""
    if isinstance(error, CommandError):
        report(error.error)
        return error.status
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be said there
        return FAILED
    if isinstance(error, MoorageError):
        say_error(error.reason, error.message, error.hint)
    else:
        say_error("InternalError", f"{type(error).__name__}: {error}", "MOORAGE_TRACEBACK=1 shows where")
    return FAILED


def say_error(reason: str, message: str, hint: str = "") -> None:
    """``moorage: Reason: message (hint)``."""
    tail = f" ({hint})" if hint else ""
    print(plain(f"moorage: {reason}: {message}{tail}"), file=sys.stderr)

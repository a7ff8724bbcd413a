"""The one exception tree of Moorage.

    MoorageError
    ├── InputError        fix    a manifest, a revision, the configuration or a command is wrong
    ├── TransientError    retry  the same call may succeed later without anybody doing anything
    ├── WaitError         wait   something else has to happen first; the message names it
    └── StopError         stop   this process cannot go on

Every error carries a CamelCase ``reason``: the same word appears in status, events, metrics and
docs. Errors of third parties are wrapped in one of these at the border of the adapter that met
them, with the original as ``__cause__``.
"""

from typing import ClassVar, Literal

Action = Literal["fix", "retry", "wait", "stop"]


class MoorageError(Exception):
    """An error that a person or the controller can act on.

    ``reason`` is a CamelCase word, ``message`` says what happened (never a secret), ``hint`` says
    what to do about it, or is empty.
    """

    action: ClassVar[Action] = "stop"

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(f"{reason}: {message}" + (f" ({hint})" if hint else ""))
        self.reason = reason
        self.message = message
        self.hint = hint


class InputError(MoorageError):
    """Somebody has to change a manifest, the configuration or the command."""

    action = "fix"


class TransientError(MoorageError):
    """The same call may succeed later."""

    action = "retry"


class WaitError(MoorageError):
    """Something else has to happen first."""

    action = "wait"


class StopError(MoorageError):
    """This process cannot go on."""

    action = "stop"

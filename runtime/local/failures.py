"""The failures that supervision lives with; everything else, StopError above all, ends the controller."""

from schemas.errors import InputError, TransientError, WaitError

RECOVERABLE = (InputError, TransientError, WaitError)

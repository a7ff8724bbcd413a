"""Pauses between restarts: doubled each time, begun anew after a long run."""


class Backoff:
    """``first`` and ``longest`` pause in seconds; a run of ``stable`` seconds or more resets it."""

    def __init__(self, first: float, longest: float, stable: float) -> None:
        self._first = first
        self._longest = longest
        self._stable = stable
        self._next = first

    def pause(self) -> float:
        """How long to wait now."""
        now, self._next = self._next, min(self._longest, self._next * 2)
        return now

    def ran(self, seconds: float) -> None:
        """Take note of how long the process ran."""
        if seconds >= self._stable:
            self._next = self._first

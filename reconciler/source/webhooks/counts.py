"""How many deliveries came, by provider and by what became of them: numbers for whoever measures."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Received:
    """``count`` deliveries of ``provider`` (``unknown`` where none was recognised) ended as ``result``:
    ``Hinted``, ``NotFollowed``, ``Ignored``, or the reason of their refusal."""

    provider: str
    result: str
    count: int


class Counts:
    """Counts since the controller started. Both words come from us, so there are few of them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, provider: str, result: str) -> None:
        """One more."""
        self._counts[provider, result] += 1

    def received(self) -> tuple[Received, ...]:
        """By provider, then result."""
        return tuple(Received(*key, count) for key, count in sorted(self._counts.items()))

"""Which strategy decides, and how much it may think and move. A value that configuration can name."""

from dataclasses import dataclass
from typing import Literal

PolicyName = Literal["reference", "pack"]


@dataclass(frozen=True)
class Policy:
    """``reference`` decides as Seldon Core 2; ``pack`` places as many models as possible, then their
    replicas, then uses few server replicas.

    ``steps`` bounds the search of ``pack``; a step is one look for room or one removal, so the same
    budget gives the same answer on every machine. ``max_moves`` is how many served replicas one run
    may move so that what waits finds room; 0 leaves everything served where ``reference`` keeps it.
    """

    name: PolicyName
    steps: int = 0
    max_moves: int = 0

    def __post_init__(self) -> None:
        if self.name not in ("reference", "pack"):
            raise ValueError(f"policy {self.name!r} is unknown (known: reference, pack)")
        if self.steps < 0 or self.max_moves < 0:
            raise ValueError(f"steps and max_moves of policy {self.name} must not be negative")


REFERENCE = Policy("reference")
PACK = Policy("pack", steps=100_000)

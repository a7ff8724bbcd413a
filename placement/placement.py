"""What the engine answers: assignments, and verdicts that say why.

An assignment says where one model version shall be; its order is the order in which the engine
decided. A verdict says why one server, or one of its replicas, was accepted or rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["Scheduled", "PartiallyScheduled", "ScheduleFailed", "ScaledDown"]

VerdictReason = Literal[
    "Accepted",
    # of a server, in the order in which they are asked
    "NoReplicas",
    "NotRequestedServer",
    "NotShared",
    "ScaledToZero",
    "NotEnoughReplicas",
    # of a server replica, in the order in which they are asked
    "ReplicaLost",
    "MissingCapabilities",
    "InsufficientMemory",
    "InsufficientResources",
    "NoExplainerRuntime",
    "Draining",
    "Restarting",
    "LoadFailed",
]


@dataclass(frozen=True)
class Verdict:
    """Why ``server`` (``index`` None) or one of its replicas was accepted or rejected for a model.

    ``numbers`` holds the facts as integers or strings (bytes, counts, capability lists); ``message``
    is the sentence made of them.
    """

    server: str
    index: int | None
    reason: VerdictReason
    message: str
    numbers: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """True where nothing spoke against it."""
        return self.reason == "Accepted"


@dataclass(frozen=True)
class Assignment:
    """Where one model version shall be. ``indices`` are sorted; empty for the last two outcomes."""

    namespace: str
    model: str
    version: str
    server: str | None
    indices: tuple[int, ...]
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class Placement:
    """The engine's answer, assignments in order of decision: served first, then namespace and name."""

    assignments: tuple[Assignment, ...] = ()

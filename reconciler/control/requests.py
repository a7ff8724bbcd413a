"""What people ask of a running controller, and what they are answered. Plain values."""

from dataclasses import dataclass
from typing import Literal

from reconciler.planning.plan import Plan
from schemas.resource import ResourceKey

AnswerPhase = Literal["Succeeded", "Failed", "Terminated", "NothingToDo", "Denied"]


@dataclass(frozen=True)
class SyncRequest:
    """A sync that a person asks for. ``revision`` is another one than is followed, or empty; ``only``
    limits it to some resources (sorted); ``digest`` is how that of the plan begins that was shown: any other
    plan is refused. ``dry_run`` plans and executes nothing. ``prune`` lets go what left Git without asking
    again; ``delete`` lets everything go that the application owns, whatever its source says."""

    who: str
    revision: str = ""
    only: tuple[ResourceKey, ...] | None = None
    digest: str = ""
    dry_run: bool = False
    why: str = ""
    prune: bool = False
    delete: bool = False

    @property
    def by(self) -> str:
        """Who asks, and why, as the history tells it."""
        return f"{self.who}: {self.why}" if self.why else self.who


@dataclass(frozen=True)
class SyncAnswer:
    """How a request ended. ``reason`` and ``message`` say why nothing was executed; ``failed`` are steps
    and why they failed, in plan order."""

    phase: AnswerPhase
    plan: Plan | None = None
    reason: str = ""
    message: str = ""
    failed: tuple[tuple[str, str], ...] = ()

"""Since when an application is out of sync, and who moved it: Git or the live state. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Mover = Literal["Git", "Live"]


@dataclass(frozen=True)
class Drift:
    """Out of sync since then; ``mover`` is who moved away from what agreed before."""

    since: datetime
    mover: Mover


def follow_drift(
    known: Drift | None, *, synced: bool, revision: str, agreed: str, now: datetime
) -> Drift | None:
    """The drift after another look. ``agreed`` is the revision at which Git and live agreed last, empty
    where they never did. Who moved first stays named until both agree again."""
    if synced:
        return None
    if known is not None:
        return known
    return Drift(now, "Live" if revision == agreed else "Git")

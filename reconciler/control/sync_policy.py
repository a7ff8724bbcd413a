"""When an application is synced, how often it is tried, and what a sync may delete: as values.

Pure. Defaults are those that Argo CD's users know where it has one (retry 5 × from 5 s doubling to
3 min, self-heal from 2 s tripling to 300 s); the differences stand with the setting.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from reconciler.control.windows import SyncWindow

Prune = Literal["on", "off", "confirm"]

FOR_EVER: Final = -1


@dataclass(frozen=True)
class PrunePolicy:
    """What may be deleted that left Git. ``confirm`` asks a person for every delete. ``most_percent`` of
    what the application owns may go in one sync unasked; ``allow_empty`` lets a revision without any
    resource delete everything."""

    mode: Prune = "on"
    allow_empty: bool = False
    most_percent: int = 30


@dataclass(frozen=True)
class Backoff:
    """Seconds to wait before attempt n (from 1): ``first`` × ``factor``ⁿ⁻¹, at most ``most``. After
    ``limit`` attempts there is no further one; :data:`FOR_EVER` never ends."""

    first: float
    factor: float
    most: float
    limit: int = FOR_EVER

    def delay(self, attempt: int) -> float | None:
        """Seconds to wait before attempt number ``attempt``; None where there is none any more."""
        if self.limit != FOR_EVER and attempt > self.limit:
            return None
        # Past 64 doublings nothing but ``most`` is left, and floats would overflow.
        return min(self.first * self.factor ** min(attempt - 1, 64), self.most)


RETRY = Backoff(first=5, factor=2, most=180)
"""For ever, unlike Argo CD's five: an artifact that appears after five minutes is nothing that a controller
could be told of."""
HEAL = Backoff(first=2, factor=3, most=300)


@dataclass(frozen=True)
class IgnoredDifference:
    """Fields that are nobody's drift: ``pointers`` (RFC 6901, into the manifest) of resources of ``kind``;
    ``namespace`` and ``name`` narrow it, empty means all."""

    kind: str
    pointers: tuple[str, ...]
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class SyncPolicy:
    """How one application is synced.

    ``auto`` executes plans by itself, ``self_heal`` also those that mend live drift; ``timeout`` is
    seconds for one sync, None for ever; ``roll_back_after`` is seconds of failed health after which the
    last healthy revision is pinned, None never. ``depends_on`` names applications that have to be
    synced and healthy first. ``require_previewed_plan`` holds plans that no pull request showed.
    """

    auto: bool = True
    self_heal: bool = True
    prune: PrunePolicy = field(default_factory=PrunePolicy)
    retry: Backoff = RETRY
    heal: Backoff = HEAL
    timeout: float | None = None
    windows: tuple[SyncWindow, ...] = ()
    ignore: tuple[IgnoredDifference, ...] = ()
    depends_on: tuple[str, ...] = ()
    roll_back_after: float | None = None
    suspended: bool = False
    require_previewed_plan: bool = False


DEFAULT_SYNC: Final[SyncPolicy] = SyncPolicy()
"""What an application without a ``sync`` section has."""

"""How often the same thing is tried, and when drift is mended again. Pure accounting.

Two counts that must not be mixed: attempts at a plan that leaves itself to do (something fails), and
mends of live drift (somebody keeps changing what was settled). Times are seconds of any clock that
does not go back.
"""

from dataclasses import dataclass, replace

from reconciler.control.sync_policy import HEAL, RETRY, Backoff

PATIENCE = 5
"""Syncs in a row that left something to do, after which every further plan of that revision waits, also
one that differs from the last."""
CALM = 30.0
"""Seconds beyond the longest heal backoff after which drift is new drift, and not the same again."""


@dataclass(frozen=True)
class Rules:
    """How an application is retried and healed."""

    retry: Backoff = RETRY
    heal: Backoff = HEAL
    self_heal: bool = True


@dataclass(frozen=True)
class Attempts:
    """``tried`` is the digest of the last sync (or empty, after a plan that could not be made) for as long
    as something is left to do: the same plan again is of no use before ``retry_at``, whether or not its
    steps said that they were done; None there means that no further attempt is allowed. ``tried_at`` is
    when that sync ended; where a person ended it (``ended``), what it left to do, which is another plan, is not
    begun again either. ``heals`` counts mends of drift in a row, the last of which began at
    ``healed_at``."""

    tried: str | None = None
    count: int = 0
    tried_at: float = 0.0
    retry_at: float | None = None
    heals: int = 0
    healed_at: float | None = None
    ended: bool = False

    def after_sync(self, digest: str, now: float, rules: Rules, *, terminated: bool = False) -> "Attempts":
        """A sync of that plan ended. Who ended it by hand does not want it tried again."""
        count = self.count + 1
        delay = None if terminated else rules.retry.delay(count)
        retry_at = None if delay is None else now + delay
        return replace(self, tried=digest, count=count, tried_at=now, retry_at=retry_at, ended=terminated)

    def settled(self) -> "Attempts":
        """Nothing is left to try."""
        return replace(self, tried=None, count=0, retry_at=None, ended=False)

    def renewed(self) -> "Attempts":
        """A new revision: a plan that differs from the last one is tried at once."""
        return replace(self, count=0, ended=False)

    def start_at(self, digest: str, now: float, rules: Rules) -> float | None:
        """When a plan may be executed; None where this very plan was tried as often as it may be, or
        a person ended the last sync."""
        if self.ended:
            return None
        if self.tried is None:
            return now
        if digest == self.tried:
            return self.retry_at
        if self.count < PATIENCE:
            return now
        return self.tried_at + rules.retry.most if self.retry_at is None else self.retry_at

    def heal_at(self, now: float, rules: Rules) -> float | None:
        """When drift that is seen now may be mended; None where it has been mended too often."""
        calm = self._calmed(now, rules)
        if calm.healed_at is None:
            return now
        delay = rules.heal.delay(calm.heals)
        return None if delay is None else calm.healed_at + delay

    def after_heal(self, now: float, rules: Rules) -> "Attempts":
        """Mending drift begins."""
        calm = self._calmed(now, rules)
        return replace(calm, heals=calm.heals + 1, healed_at=now)

    def _calmed(self, now: float, rules: Rules) -> "Attempts":
        if self.healed_at is None or now - self.healed_at <= rules.heal.most + CALM:
            return self
        return replace(self, heals=0, healed_at=None)

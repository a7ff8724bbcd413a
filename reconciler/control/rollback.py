"""Where an application goes back to: to the sync that a person names, or by policy to what was healthy last.

Pure. Of every application is kept how what it wants now has fared (:class:`Trial`), by tree and not by
commit: a commit that changes nothing of the application is no other revision here. Pinning is done in
:mod:`reconciler.control.work`; a commit that restores, in :mod:`reconciler.source.restore`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.health import HealthStatus
from reconciler.status import ApplicationStatus, SyncRecord
from schemas.errors import InputError

LONGEST_PROOF = timedelta(seconds=60)
"""How long a revision has to be Synced and Healthy to be worth going back to, at most; less where failed
health is answered sooner."""
MAX_ABANDONED = 50
"""Trees that are remembered as gone back from."""
AUTOMATIC = "automatic rollback"
"""Who pins by policy, and who started the sync that follows."""


@dataclass(frozen=True)
class Seen:
    """What was seen of an application. ``idle`` is True where nothing is to be done; ``sync`` is the last
    sync's id, 0 where there is none; ``trouble`` says what fails, first of all."""

    revision: str
    tree: str
    health: HealthStatus
    synced: bool
    idle: bool
    sync: int
    failed: bool
    trouble: str = ""

    @property
    def ails(self) -> bool:
        """It is Degraded, or could not be brought about."""
        return self.health == "Degraded" or self.failed


@dataclass(frozen=True)
class Good:
    """A revision that was Synced and Healthy for long enough."""

    revision: str
    tree: str


@dataclass(frozen=True)
class Trial:
    """How the tree fares that is wanted now.

    ``before`` is the last sync before it came, ``tried`` whether it has been executed since; ``ailing`` and
    ``healthy`` since when it is so, None where it is not. Short recoveries that end before everything is
    Healthy do not count as one. ``older`` is True where what ails did so before this tree came, and not
    because of the one between; ``good`` is what was healthy last, ``abandoned`` what was gone back from.
    """

    tree: str
    before: int
    tried: bool = False
    ailing: datetime | None = None
    healthy: datetime | None = None
    older: bool = False
    good: Good | None = None
    abandoned: tuple[str, ...] = ()


@dataclass(frozen=True)
class RollBack:
    """Pin ``revision``, and why."""

    revision: str
    reason: str


@dataclass(frozen=True)
class Until:
    """Nothing before ``at``, as far as time alone is concerned."""

    at: datetime


Verdict = RollBack | Until | None


def seen(status: ApplicationStatus, tree: str, *, idle: bool) -> Seen:
    """What a status says of going back; ``tree`` is that of the revision that it is about."""
    last = status.last_sync
    failed = last is not None and last.phase == "Failed" and not idle
    sync = last.id if last is not None else 0
    synced = status.sync == "Synced"
    trouble = _trouble(status) if failed or status.health == "Degraded" else ""
    return Seen(status.revision, tree, status.health, synced, idle, sync, failed, trouble)


def follow(trial: Trial | None, found: Seen, after: float, now: datetime) -> Trial:
    """The trial after what was found; ``after`` is the policy's seconds."""
    trial = Trial(found.tree, found.sync) if trial is None else trial
    if found.tree != trial.tree:
        trial = _next(trial, found)
    trial = replace(trial, tried=trial.tried or found.idle or found.sync > trial.before)
    trial = _follow_health(trial, found, now)
    if trial.healthy is None or now - trial.healthy < _proof(after):
        return trial
    return replace(trial, good=Good(found.revision, found.tree))


def _next(trial: Trial, found: Seen) -> Trial:
    """Another tree is wanted. It is to blame for what ails from now on, unless that began at the good one."""
    blameless = trial.good is None or trial.tree == trial.good.tree
    older = trial.older or (trial.ailing is not None and blameless)
    return Trial(found.tree, found.sync, older=older, good=trial.good, abandoned=trial.abandoned)


def _follow_health(trial: Trial, found: Seen, now: datetime) -> Trial:
    if found.ails:
        since = trial.ailing or (now if trial.tried else None)
        return replace(trial, ailing=since, healthy=None)
    if found.health != "Healthy":
        return replace(trial, healthy=None)
    if not trial.tried:  # what is healthy stood there before
        return trial
    return replace(trial, ailing=None, healthy=(trial.healthy or now) if found.synced else None, older=False)


def decide(trial: Trial, found: Seen, after: float, now: datetime) -> Verdict:
    """What the policy does now: go back, wait, or nothing before something else happens.

    Whoever is pinned, suspended or may not sync by itself is not asked about.
    """
    if trial.healthy is not None:
        proven = trial.healthy + _proof(after)
        return Until(proven) if proven > now else None
    if trial.ailing is None or not found.ails or trial.older or trial.good is None:
        return None
    if trial.tree == trial.good.tree or trial.tree in trial.abandoned:
        return None
    due = trial.ailing + timedelta(seconds=after)
    if due > now:
        return Until(due)
    how = "Degraded" if found.health == "Degraded" else "sync failed"
    return RollBack(
        trial.good.revision, f"{how} for {after:g} s at {found.revision[:7]}: {found.trouble}"[:500]
    )


def abandon(trial: Trial) -> Trial:
    """It was gone back from; not a second time."""
    kept = [tree for tree in trial.abandoned if tree != trial.tree]
    return replace(trial, abandoned=(*kept, trial.tree)[-MAX_ABANDONED:])


def _proof(after: float) -> timedelta:
    return min(timedelta(seconds=after), LONGEST_PROOF)


def _trouble(status: ApplicationStatus) -> str:
    """The first resource that is Degraded and why, else the first step that failed."""
    for each in status.resources:
        if each.health.status == "Degraded":
            return f"{each.key} {each.health.reason}"
    last = status.last_sync
    return " ".join(next(iter(last.results), ())) if last is not None else ""


def sync_to_restore(
    application: str, syncs: Iterable[SyncRecord], current: str, sync: int | None = None
) -> SyncRecord:
    """The sync of that id; without one the newest that succeeded with another revision than ``current``.
    ``syncs`` are newest first. Raises InputError ``HistoryEntryNotFound``."""
    for each in syncs:
        if each.id == sync or (sync is None and each.phase == "Succeeded" and each.revision != current):
            return each
    which = f"sync {sync}" if sync is not None else "earlier sync that succeeded"
    hint = "moorage app history lists them"
    raise InputError("HistoryEntryNotFound", f"{application} has no {which}", hint)

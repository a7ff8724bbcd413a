"""Notices: what of all that happens is worth telling people, and the rule for each. Pure.

A notice comes from how an application stood when people were told last and how it stands now, so that a
kind and its opposite always take turns. Where notices go is the business of the outlets.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, Condition, Phase, SyncRecord

Kind = Literal[
    "SyncStarted",
    "SyncSucceeded",
    "SyncFailed",
    "SyncTerminated",
    "BecameOutOfSync",
    "BecameSynced",
    "HealthDegraded",
    "HealthRecovered",
    "ComparisonFailed",
    "ComparisonRecovered",
    "DriftOld",
]

BAD: Final = frozenset({"SyncFailed", "HealthDegraded", "ComparisonFailed", "DriftOld"})
"""Kinds that somebody may have to act on."""

TAKES_BACK: Final[Mapping[Kind, frozenset[Kind]]] = {
    "SyncSucceeded": frozenset({"SyncFailed", "SyncTerminated"}),
    "SyncFailed": frozenset({"SyncSucceeded"}),
    "BecameSynced": frozenset({"BecameOutOfSync", "DriftOld"}),
    "BecameOutOfSync": frozenset({"BecameSynced"}),
    "HealthRecovered": frozenset({"HealthDegraded"}),
    "HealthDegraded": frozenset({"HealthRecovered"}),
    "ComparisonRecovered": frozenset({"ComparisonFailed"}),
    "ComparisonFailed": frozenset({"ComparisonRecovered"}),
}
"""What is no longer so once that kind is told."""

MOST_MESSAGE = 2_000
"""Characters of a message; what servers and Git say can be long."""

_PHASES: Final[Mapping[Phase, Kind]] = {
    "Succeeded": "SyncSucceeded",
    "Failed": "SyncFailed",
    "Terminated": "SyncTerminated",
}


@dataclass(frozen=True)
class Notice:
    """``reason`` is the CamelCase word of its cause, ``digest`` that of the plan where one is meant.
    ``after`` is how many seconds old a drift had to become; 0 for every other kind."""

    kind: Kind
    application: str
    at: datetime
    reason: str
    message: str
    revision: str = ""
    digest: str = ""
    after: float = 0


@dataclass(frozen=True)
class Told:
    """What people know of an application: what is wrong with it, and how old they know its drift to be."""

    drifting: bool = False
    degraded: bool = False
    failing: bool = False
    drift_seconds: float = 0


def notices(told: Told, status: ApplicationStatus, now: datetime) -> tuple[Told, tuple[Notice, ...]]:
    """What is to be told of a status, and what people know then.

    Comparison first, then sync, then health. While nothing can be compared, a drift is as it was.
    """
    found = tuple(_notices(told, status, now))
    for notice in found:
        told = _learn(told, notice.kind)
    return told, found


def _learn(told: Told, kind: Kind) -> Told:
    match kind:
        case "ComparisonFailed" | "ComparisonRecovered":
            return replace(told, failing=kind == "ComparisonFailed")
        case "HealthDegraded" | "HealthRecovered":
            return replace(told, degraded=kind == "HealthDegraded")
        case "BecameOutOfSync":
            return replace(told, drifting=True)
        case "BecameSynced":
            return replace(told, drifting=False, drift_seconds=0)
    return told


Say = Callable[[Kind, str, str], Notice]
"""A notice of that kind, reason and message."""


def _notices(told: Told, status: ApplicationStatus, now: datetime) -> Iterator[Notice]:
    def notice(kind: Kind, reason: str, message: str) -> Notice:
        return Notice(kind, status.name, now, reason, _bounded(message), status.revision)

    if status.sync == "Unknown":
        yield from _comparison(told, status, notice)
    else:
        yield from _sync(told, status, notice)
    yield from _health(told, status, notice)


def _comparison(told: Told, status: ApplicationStatus, notice: Say) -> Iterator[Notice]:
    if not told.failing:
        why = next(iter(status.conditions), Condition(status.sync, "there is nothing to compare with"))
        yield notice("ComparisonFailed", why.reason, why.message)


def _sync(told: Told, status: ApplicationStatus, notice: Say) -> Iterator[Notice]:
    if told.failing:
        yield notice("ComparisonRecovered", status.sync, "Git and live can be compared again")
    drift = status.position.drift
    if drift is not None and not told.drifting:
        yield notice("BecameOutOfSync", drift.mover, f"moved by {drift.mover}")
    if drift is None and told.drifting:
        yield notice("BecameSynced", status.sync, "Git and live agree")


def _health(told: Told, status: ApplicationStatus, notice: Say) -> Iterator[Notice]:
    """Progress is neither: it ends as one of the two."""
    if status.health == "Degraded" and not told.degraded:
        bad = [each for each in status.resources if each.health.status == "Degraded"]
        reason = bad[0].health.reason if bad else status.health
        shown = "; ".join(f"{each.key}: {each.health.reason} {each.health.message}".strip() for each in bad)
        yield notice("HealthDegraded", reason, shown)
    if status.health == "Healthy" and told.degraded:
        yield notice("HealthRecovered", status.health, "every resource is healthy")


def old_drift(
    told: Told, status: ApplicationStatus, after: float, now: datetime
) -> tuple[Told, tuple[Notice, ...]]:
    """A notice where a drift has become ``after`` seconds old and people do not know yet."""
    drift = status.position.drift
    if drift is None or told.drift_seconds >= after or (now - drift.since).total_seconds() < after:
        return told, ()
    message = f"out of sync since {drift.since:%Y-%m-%d %H:%M} UTC, moved by {drift.mover}"
    notice = Notice("DriftOld", status.name, now, drift.mover, message, status.revision, after=after)
    return replace(told, drift_seconds=after), (notice,)


def started(plan: Plan, who: str, now: datetime) -> Notice:
    """That a plan is about to be executed."""
    message = f"started by {who}"
    return Notice("SyncStarted", plan.application, now, plan.reason, message, plan.revision, plan.digest)


def ended(record: SyncRecord, now: datetime) -> Notice | None:
    """How a sync ended; None where it has not. Its failure's reason is that of the first step."""
    kind = _PHASES.get(record.phase)
    if kind is None:
        return None
    failed = [f"{step} {why}" for step, why in record.results]
    message = _bounded("; ".join(failed)) or "every step was done"
    first = record.results[0][1].partition(":")[0] if record.results else record.reason
    return Notice(kind, record.application, now, first, message, record.revision, record.digest)


def _bounded(message: str) -> str:
    return message if len(message) <= MOST_MESSAGE else f"{message[: MOST_MESSAGE - 1]}…"

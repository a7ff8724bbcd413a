"""Words for tests of what is told: statuses, records and plans in one line each."""

from datetime import UTC, datetime, timedelta

from reconciler.control.drift import Drift, Mover
from reconciler.health import HealthStatus
from reconciler.planning.plan import Failure, Plan
from reconciler.resource_status import SyncStatus
from reconciler.status import ApplicationStatus, Condition, Phase, Position, SyncRecord
from schemas.resource import key

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """That long after noon."""
    return NOON + timedelta(seconds=seconds)


def status(
    name: str = "shop",
    sync: SyncStatus = "Synced",
    health: HealthStatus = "Healthy",
    *,
    mover: Mover | None = None,
    since: float = 0,
    auto: bool = True,
    why: Condition | None = None,
) -> ApplicationStatus:
    """What people see of an application; ``mover`` makes it drift since then."""
    drift = Drift(after(since), mover) if mover else None
    conditions = (why,) if why else ()
    position = Position(auto=auto, drift=drift)
    return ApplicationStatus(
        name, "r", "main", ".", "default", sync, health, "abc", conditions=conditions, position=position
    )


def record(name: str = "shop", phase: Phase = "Succeeded", *results: tuple[str, str]) -> SyncRecord:
    """A sync that ended."""
    return SyncRecord(1, name, "abc", "Ada", "Add", "NewRevision", "", "", phase, "d1", "b1", results)


def plan(name: str = "shop", *reasons: str, reason: str = "NewRevision") -> Plan:
    """A plan that fails one model per reason."""
    failed = tuple(Failure(key("Model", "default", f"m{i}"), r, "") for i, r in enumerate(reasons))
    return Plan(name, "abc", reason, failures=failed, digest="d1")

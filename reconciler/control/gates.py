"""What stands between a plan and its execution: suspension, dependencies, sync windows, auto-sync.

Pure, and the one place for it: the controller asks before it executes, status and API show the same
answer. A gate never stops looking, planning or repair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.control.intent import Intent
from reconciler.control.sync_policy import SyncPolicy
from reconciler.control.windows import WindowVerdict, judge_windows
from reconciler.health import HealthStatus


@dataclass(frozen=True)
class Gate:
    """Whether a sync may start by itself and by hand; ``reason`` is empty where it may by itself.
    ``until`` is when time alone may change the answer, None where it does not."""

    auto: bool
    manual: bool
    reason: str = ""
    message: str = ""
    until: datetime | None = None


OPEN = Gate(True, True)


@dataclass(frozen=True)
class Standing:
    """What a dependent application needs to know of another one. ``source`` is what it follows, None where it is
    pinned; ``read`` is the revision that it read there last, ``compared`` the one that ``synced`` is about."""

    synced: bool
    health: HealthStatus
    source: tuple[str, str] | None = None
    read: str = ""
    compared: str = ""


def judge_gates(
    policy: SyncPolicy,
    intent: Intent,
    others: Mapping[str, Standing],
    now: datetime,
    mine: Standing | None = None,
    *,
    read_only: bool = False,
) -> Gate:
    """The first thing that stands in the way, hardest first. ``others`` are all applications by name, ``mine`` is
    how the application itself stands."""
    if read_only:
        return Gate(False, False, "ReadOnly", "this controller runs read-only")
    if intent.suspended is not None:
        why = f": {intent.suspended.why}" if intent.suspended.why else ""
        return Gate(False, False, "Suspended", f"suspended by {intent.suspended.who}{why}")
    if policy.suspended:
        return Gate(False, False, "Suspended", "suspended by the configuration")
    windows = _windows(policy, intent, now)
    if not windows.auto:
        return Gate(False, windows.manual, "SyncWindowClosed", windows.message, windows.until)
    waiting = _waited_for(policy, others, mine)
    if waiting:
        return Gate(False, True, "DependencyNotReady", f"waits for {waiting}", windows.until)
    if not policy.auto:
        message = "sync.auto is off: moorage app sync starts a sync"
        return Gate(False, True, "AutoSyncOff", message, windows.until)
    return Gate(True, True, until=windows.until)


def _windows(policy: SyncPolicy, intent: Intent, now: datetime) -> WindowVerdict:
    if intent.override is not None and intent.overrides(now):
        return WindowVerdict(True, True, "", intent.override.until)
    return judge_windows(policy.windows, now)


def _waited_for(policy: SyncPolicy, others: Mapping[str, Standing], mine: Standing | None) -> str:
    """The first dependency that is not ready, and how it is. One push to both is synced there first: that it is
    synced at what was pushed before says nothing."""
    for name in sorted(policy.depends_on):
        other = others.get(name)
        if other is None:
            return f"application {name}, which does not exist"
        if not other.synced:
            return f"application {name}, which is not synced"
        if other.health not in ("Healthy", "Suspended"):
            return f"application {name}, which is {other.health}"
        if mine is not None and mine.source == other.source is not None and mine.read != other.compared:
            return f"application {name}, which was not compared with {mine.read[:7]} yet"
    return ""

"""The ``sync`` section of an application: from checked YAML values to a :class:`SyncPolicy`.

The schema says what may stand there; this says what it means, and refuses what only a look at the value
shows (a cron expression that never fires, a pointer that leads nowhere).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from reconciler.control.sync_policy import (
    FOR_EVER,
    HEAL,
    RETRY,
    Backoff,
    IgnoredDifference,
    Prune,
    PrunePolicy,
    SyncPolicy,
)
from reconciler.control.windows import SyncWindow, check_window
from reconciler.planning.ignored import check_pointer

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def sync_policy(value: Mapping[str, Any]) -> SyncPolicy:
    """What a ``sync`` section says; every setting has the default that the schema states.

    Raises InputError ``InvalidSyncWindow`` or ``InvalidPointer``.
    """
    return SyncPolicy(
        auto=value.get("auto", True),
        self_heal=value.get("selfHeal", True),
        prune=_prune(value),
        retry=_retry(value.get("retry", {})),
        heal=HEAL,
        timeout=_optional_seconds(value.get("timeout")),
        windows=tuple(_window(each) for each in value.get("windows", ())),
        ignore=tuple(_ignored(each) for each in value.get("ignoreDifferences", ())),
        depends_on=tuple(sorted(value.get("dependsOn", ()))),
        roll_back_after=_optional_seconds(value.get("rollBackAfter")),
        suspended=value.get("suspended", False),
        require_previewed_plan=value.get("requirePreviewedPlan", False),
    )


def seconds(text: str) -> float:
    """``500ms``, ``30s``, ``5m``, ``2h``, ``1d`` in seconds."""
    number = text.rstrip("mshd")
    return int(number) * _SECONDS[text[len(number) :]]


def _optional_seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def _prune(value: Mapping[str, Any]) -> PrunePolicy:
    said = value.get("prune", True)
    mode: Prune = "confirm" if said == "confirm" else "on" if said else "off"
    return PrunePolicy(mode, value.get("allowEmpty", False), value.get("maxPrune", 30))


def _retry(value: Mapping[str, Any]) -> Backoff:
    return Backoff(
        first=seconds(value["delay"]) if "delay" in value else RETRY.first,
        factor=value.get("factor", RETRY.factor),
        most=seconds(value["maxDelay"]) if "maxDelay" in value else RETRY.most,
        limit=value.get("limit", FOR_EVER),
    )


def _window(value: Mapping[str, Any]) -> SyncWindow:
    window = SyncWindow(
        kind=value["kind"],
        schedule=value["schedule"],
        duration=timedelta(seconds=seconds(value["duration"])),
        time_zone=value.get("timeZone", "UTC"),
        manual=value.get("manualSync", False),
    )
    check_window(window)
    return window


def _ignored(value: Mapping[str, Any]) -> IgnoredDifference:
    for pointer in value["jsonPointers"]:
        check_pointer(pointer)
    pointers = tuple(sorted(value["jsonPointers"]))
    return IgnoredDifference(value["kind"], pointers, value.get("namespace", ""), value.get("name", ""))

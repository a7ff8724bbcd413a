"""Sync windows: when an application may be synced by itself, and when by hand.

Pure. A window opens whenever its cron expression fires in its time zone and stays open for its
duration. The rules are Argo CD's: an open deny window closes; where there are allow windows, one of
them has to be open. The expression is read by cronsim, which follows Debian's cron over changes of
daylight saving time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from schemas.errors import InputError

LONGEST = timedelta(days=7)
"""A window is open for this long at most: what is longer is a policy, not a window."""
_LONGEST_EXPRESSION = 100
_FIELDS = 5  # cronsim also reads seconds; nobody means them


@dataclass(frozen=True)
class SyncWindow:
    """A recurring time in which syncs are allowed or denied; ``manual`` lets people sync all the same."""

    kind: Literal["allow", "deny"]
    schedule: str
    duration: timedelta
    time_zone: str = "UTC"
    manual: bool = False


@dataclass(frozen=True)
class WindowVerdict:
    """Whether a sync may start now, by itself and by hand; ``until`` is when to ask again, None where
    time changes nothing. ``message`` names the window that decided."""

    auto: bool
    manual: bool
    message: str = ""
    until: datetime | None = None


def check_window(window: SyncWindow) -> None:
    """Raise InputError ``InvalidSyncWindow`` where a window can never be asked."""
    try:
        ZoneInfo(window.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _invalid(f"unknown time zone {window.time_zone[:64]!r}", "name it as Europe/Berlin") from error
    if not timedelta(0) < window.duration <= LONGEST:
        raise _invalid(f"duration {window.duration}", "give a duration of at most 7 days")
    if len(window.schedule) > _LONGEST_EXPRESSION or len(window.schedule.split()) != _FIELDS:
        raise _invalid(f"schedule {window.schedule[:64]!r}", "write five cron fields, as in 0 22 * * 1-5")
    try:
        next(CronSim(window.schedule, datetime(2024, 1, 1)))  # noqa: DTZ001 (any moment shows whether it fires)
    except (CronSimError, StopIteration) as error:
        raise _invalid(f"schedule {window.schedule!r} never fires", "see crontab(5)") from error


def _invalid(message: str, hint: str) -> InputError:
    return InputError("InvalidSyncWindow", message, hint)


ALWAYS_OPEN = WindowVerdict(True, True, "", None)


def judge_windows(windows: Sequence[SyncWindow], now: datetime) -> WindowVerdict:
    """What the windows say at ``now`` (with a time zone).

    A deny window that is open closes both ways, unless it lets people; without an open allow window
    people may sync where every one of the closed ones lets them.
    """
    if not windows:  # mostly so, and every application is judged after every event
        return ALWAYS_OPEN
    spans = [(window, _opening(window, now)) for window in windows]
    until = min((_change(window, opened, now) for window, opened in spans), default=None)
    denying = [window for window, opened in spans if opened is not None and window.kind == "deny"]
    if denying:
        return WindowVerdict(False, all(w.manual for w in denying), _named(denying, "is open"), until)
    allowing = [window for window in windows if window.kind == "allow"]
    if allowing and not any(opened is not None for window, opened in spans if window.kind == "allow"):
        return WindowVerdict(False, all(w.manual for w in allowing), _named(allowing, "is not open"), until)
    return WindowVerdict(True, True, "", until)


def _opening(window: SyncWindow, now: datetime) -> datetime | None:
    """When the window that is open at ``now`` opened, or None. The end does not belong to it."""
    local = now.astimezone(ZoneInfo(window.time_zone))
    # One second later, because cronsim goes back to what lies strictly before.
    opened = next(CronSim(window.schedule, local + timedelta(seconds=1), reverse=True), None)
    return opened if opened is not None and _end(window, opened) > now else None


def _end(window: SyncWindow, opened: datetime) -> datetime:
    """Duration is elapsed time, also over a change of daylight saving time."""
    return opened.astimezone(ZoneInfo("UTC")) + window.duration


def _change(window: SyncWindow, opened: datetime | None, now: datetime) -> datetime:
    if opened is not None:
        return _end(window, opened)
    following = next(CronSim(window.schedule, now.astimezone(ZoneInfo(window.time_zone))))
    return following.astimezone(ZoneInfo("UTC"))


def _named(windows: Iterable[SyncWindow], state: str) -> str:
    window = next(iter(windows))
    return f"{window.kind} window {window.schedule} ({window.time_zone}, {window.duration}) {state}"

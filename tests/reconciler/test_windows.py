"""Sync windows: when a sync may start, judged against a brute-force clock where that can be had."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.windows import SyncWindow, check_window, judge_windows
from schemas.errors import InputError

HOUR = timedelta(hours=1)
NIGHT = SyncWindow("allow", "0 22 * * *", 2 * HOUR)
FREEZE = SyncWindow("deny", "0 22 * * *", 2 * HOUR)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, second, tzinfo=UTC)


def test_without_windows_a_sync_may_start_at_any_time() -> None:
    """No window, no gate, and nothing to wait for."""
    verdict = judge_windows((), at(3))
    assert (verdict.auto, verdict.manual, verdict.until) == (True, True, None)


def test_an_allow_window_closes_every_other_time() -> None:
    """Outside the only allow window nothing is synced."""
    verdict = judge_windows((NIGHT,), at(21, 59))
    assert (verdict.auto, verdict.manual) == (False, False)


def test_a_closed_gate_says_when_it_opens() -> None:
    """``until`` is the next opening."""
    assert judge_windows((NIGHT,), at(21, 59)).until == at(22)


def test_an_open_gate_says_when_it_closes() -> None:
    """``until`` is the end of the window."""
    assert judge_windows((NIGHT,), at(22)).until == at(22) + 2 * HOUR


def test_the_first_moment_belongs_to_the_window() -> None:
    """A window is open from the very second in which it fires."""
    assert judge_windows((NIGHT,), at(22)).auto


def test_the_last_moment_does_not_belong_to_the_window() -> None:
    """At its end a window is closed."""
    assert not judge_windows((NIGHT,), at(22) + 2 * HOUR).auto


def test_deny_beats_allow() -> None:
    """Where both are open nothing is synced."""
    verdict = judge_windows((NIGHT, FREEZE), at(23))
    assert not verdict.auto
    assert verdict.message == "deny window 0 22 * * * (UTC, 2:00:00) is open"


def test_people_may_sync_in_a_window_that_lets_them() -> None:
    """``manual`` opens a closed window to people alone."""
    lenient = SyncWindow("deny", "0 22 * * *", 2 * HOUR, manual=True)
    verdict = judge_windows((lenient,), at(23))
    assert (verdict.auto, verdict.manual) == (False, True)


def test_one_strict_deny_window_is_enough_to_stop_people() -> None:
    """Two open deny windows: both have to let people."""
    lenient = SyncWindow("deny", "0 22 * * *", 2 * HOUR, manual=True)
    assert not judge_windows((lenient, FREEZE), at(23)).manual


def test_a_time_zone_moves_the_window() -> None:
    """22:00 in Berlin is 21:00 UTC in winter."""
    berlin = SyncWindow("allow", "0 22 * * *", HOUR, "Europe/Berlin")
    assert judge_windows((berlin,), at(21, 30)).auto
    assert not judge_windows((berlin,), at(22, 30)).auto


def test_a_window_lasts_as_long_in_the_night_of_the_clock_change() -> None:
    """Three elapsed hours are three hours, although the clock shows four."""
    berlin = SyncWindow("allow", "0 1 * * *", 3 * HOUR, "Europe/Berlin")
    opened = datetime(2026, 3, 28, 0, 0, tzinfo=UTC) + timedelta(days=1)  # 01:00, the clock jumps at 02:00
    assert judge_windows((berlin,), opened + timedelta(hours=2, minutes=59)).auto
    assert not judge_windows((berlin,), opened + 3 * HOUR).auto


@pytest.mark.parametrize(
    "window",
    [
        SyncWindow("deny", "0 0 30 2 *", HOUR),
        SyncWindow("deny", "* * * * * *", HOUR),
        SyncWindow("deny", "0 22 * *", HOUR),
        SyncWindow("deny", "*/0 * * * *", HOUR),
        SyncWindow("deny", "0 22 * * *" + ",1" * 60, HOUR),
        SyncWindow("deny", "0 22 * * *", timedelta(0)),
        SyncWindow("deny", "0 22 * * *", timedelta(days=8)),
        SyncWindow("deny", "0 22 * * *", HOUR, "Mars/Olympus"),
        SyncWindow("deny", "0 22 * * *", HOUR, "../../etc/passwd"),
    ],
)
def test_a_window_that_can_never_be_asked_is_refused(window: SyncWindow) -> None:
    """Expressions, durations and zones are checked before they are kept."""
    with pytest.raises(InputError, match="InvalidSyncWindow"):
        check_window(window)


@given(st.text(max_size=120))
def test_any_text_as_schedule_is_taken_or_refused(text: str) -> None:
    """No expression ends in another error, or in none at all and a window that fails later."""
    window = SyncWindow("allow", text, HOUR)
    try:
        check_window(window)
    except InputError:
        return
    judge_windows((window,), at(12))


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    minutes=st.integers(1, 7 * 24 * 60),
    offset=st.integers(0, 3 * 24 * 3600),
)
def test_a_daily_window_is_open_when_a_clock_says_so(
    minute: int, hour: int, minutes: int, offset: int
) -> None:
    """Compared with every opening of the days around."""
    duration = timedelta(minutes=minutes)
    now = at(0) + timedelta(seconds=offset)
    openings = [at(0).replace(hour=hour, minute=minute) + timedelta(days=day) for day in range(-9, 5)]
    expected = any(opened <= now < opened + duration for opened in openings)
    assert judge_windows((SyncWindow("allow", f"{minute} {hour} * * *", duration),), now).auto == expected


@given(offset=st.integers(0, 7 * 24 * 3600))
def test_nothing_changes_before_the_time_that_is_told(offset: int) -> None:
    """Between now and ``until`` the verdict stays; who wakes up then misses nothing."""
    windows = (NIGHT, SyncWindow("deny", "30 */5 * * 1-5", timedelta(minutes=50), manual=True))
    now = at(0) + timedelta(seconds=offset)
    verdict = judge_windows(windows, now)
    assert verdict.until is not None
    assert verdict.until > now
    before = judge_windows(windows, verdict.until - timedelta(seconds=1))
    assert (before.auto, before.manual) == (verdict.auto, verdict.manual)

"""What stands between a plan and its execution."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.control.gates import Standing, judge_gates
from reconciler.control.intent import NOTHING_SAID, Intent, Said, WindowOverride
from reconciler.control.sync_policy import SyncPolicy
from reconciler.control.windows import SyncWindow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SAID = Said("ada", NOW, "release freeze")
NIGHT = SyncWindow("allow", "0 22 * * *", timedelta(hours=2))
READY = Standing(True, "Healthy")


def test_nothing_stands_in_the_way_by_default() -> None:
    """The default policy syncs by itself."""
    gate = judge_gates(SyncPolicy(), NOTHING_SAID, {}, NOW)
    assert (gate.auto, gate.manual, gate.reason) == (True, True, "")


def test_without_auto_sync_people_may_sync() -> None:
    """``auto: false`` leaves syncing to people."""
    gate = judge_gates(SyncPolicy(auto=False), NOTHING_SAID, {}, NOW)
    assert (gate.auto, gate.manual, gate.reason) == (False, True, "AutoSyncOff")


def test_a_suspension_says_who_and_why() -> None:
    """Who meets a suspended application learns whom to ask."""
    gate = judge_gates(SyncPolicy(), Intent(suspended=SAID), {}, NOW)
    assert (gate.manual, gate.message) == (False, "suspended by ada: release freeze")


def test_a_suspension_beats_everything_but_a_read_only_controller() -> None:
    """The hardest reason is told."""
    policy = SyncPolicy(auto=False, windows=(NIGHT,), depends_on=("base",))
    assert judge_gates(policy, Intent(suspended=SAID), {}, NOW).reason == "Suspended"
    assert judge_gates(policy, Intent(suspended=SAID), {}, NOW, read_only=True).reason == "ReadOnly"


def test_a_closed_window_says_when_it_opens() -> None:
    """The controller wakes up then."""
    gate = judge_gates(SyncPolicy(windows=(NIGHT,)), NOTHING_SAID, {}, NOW)
    assert (gate.reason, gate.until) == ("SyncWindowClosed", NOW.replace(hour=22))


def test_an_override_opens_closed_windows_for_its_time() -> None:
    """People may open a window, and the gate closes again by itself."""
    until = NOW + timedelta(hours=1)
    intent = Intent(override=WindowOverride(until, SAID))
    policy = SyncPolicy(windows=(NIGHT,))
    opened = judge_gates(policy, intent, {}, NOW)
    assert (opened.auto, opened.until) == (True, until)
    assert not judge_gates(policy, intent, {}, until).auto


def test_an_application_waits_for_those_it_depends_on() -> None:
    """Every dependency has to be there, synced and healthy; the first that is not is named."""
    policy = SyncPolicy(depends_on=("base", "servers"))
    ready = {"base": READY, "servers": READY}
    assert judge_gates(policy, NOTHING_SAID, ready, NOW).auto
    for state, words in (
        (None, "application servers, which does not exist"),
        (Standing(False, "Healthy"), "application servers, which is not synced"),
        (Standing(True, "Progressing"), "application servers, which is Progressing"),
    ):
        others = {"base": READY} if state is None else {**ready, "servers": state}
        gate = judge_gates(policy, NOTHING_SAID, others, NOW)
        assert (gate.auto, gate.reason, gate.message) == (False, "DependencyNotReady", f"waits for {words}")


def test_people_may_sync_before_a_dependency_is_ready() -> None:
    """Order is for machines; a person may know better."""
    gate = judge_gates(SyncPolicy(depends_on=("base",)), NOTHING_SAID, {}, NOW)
    assert gate.manual


def test_the_configuration_can_suspend() -> None:
    """``suspended: true`` in the configuration needs no command."""
    gate = judge_gates(replace(SyncPolicy(), suspended=True), NOTHING_SAID, {}, NOW)
    assert (gate.reason, gate.message) == ("Suspended", "suspended by the configuration")


def test_one_push_to_both_is_synced_first_where_others_depend_on() -> None:
    """That a dependency is synced at what was pushed before says nothing of what it has not been compared with;
    one that follows something else, or is pinned, is not waited for."""
    policy, source = SyncPolicy(depends_on=("base",)), ("repository", "main")
    mine = Standing(False, "Healthy", source, read="2222222", compared="1111111")
    behind = Standing(True, "Healthy", source, read="2222222", compared="1111111")
    gate = judge_gates(policy, NOTHING_SAID, {"base": behind}, NOW, mine)
    words = "waits for application base, which was not compared with 2222222 yet"
    assert (gate.auto, gate.message) == (False, words)
    for ready in (
        replace(behind, compared="2222222"),
        replace(behind, source=("repository", "other")),
        replace(behind, source=None),
    ):
        assert judge_gates(policy, NOTHING_SAID, {"base": ready}, NOW, mine).auto

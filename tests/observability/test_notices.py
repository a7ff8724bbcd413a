"""Notices: what is told of a status, of a sync and of time that passes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.health import Health
from reconciler.observability.notices import (
    MOST_MESSAGE,
    Notice,
    Told,
    ended,
    notices,
    old_drift,
    started,
)
from reconciler.resource_status import ResourceStatus
from reconciler.status import ApplicationStatus, Condition
from schemas.resource import key
from tests.observability.stories import NOON, after, plan, record, status

OPPOSITES = (
    ("ComparisonFailed", "ComparisonRecovered"),
    ("BecameOutOfSync", "BecameSynced"),
    ("HealthDegraded", "HealthRecovered"),
)
GONE = Condition("FetchFailed", "no network")


def told(*statuses: ApplicationStatus) -> list[list[str]]:
    """The kinds that each of them is told as, in turn."""
    known, kinds = Told(), []
    for each in statuses:
        known, found = notices(known, each, NOON)
        kinds.append([notice.kind for notice in found])
    return kinds


def drifting(mover="Git", health="Healthy") -> ApplicationStatus:
    return status(sync="OutOfSync", mover=mover, health=health)


SHAPES = st.sampled_from(
    [
        status(sync=sync, health=health, mover=mover, why=GONE if sync == "Unknown" else None)
        for sync, movers in (
            ("Synced", (None,)),
            ("OutOfSync", ("Git", "Live")),
            ("Unknown", (None, "Git")),
        )
        for mover in movers
        for health in ("Healthy", "Progressing", "Degraded", "Missing", "Unknown", "Suspended")
    ]
)


@given(st.lists(SHAPES, max_size=30))
def test_a_kind_and_its_opposite_take_turns(story):
    """Nobody is told twice that something is wrong, or that it is mended before it was wrong."""
    kinds = [kind for each in told(*story) for kind in each]
    for bad, good in OPPOSITES:
        own = [kind for kind in kinds if kind in (bad, good)]
        assert own[:1] in ([], [bad])
        assert all(one != other for one, other in pairwise(own))


@given(st.lists(SHAPES, max_size=10), SHAPES)
def test_the_same_again_is_not_told(story, last):
    """A status that people know has nothing new."""
    assert told(*story, last, last)[-1] == []


@given(st.lists(SHAPES, max_size=30), SHAPES)
def test_people_know_how_it_stands(story, last):
    """After any story they know of a drift, of bad health and of a failing comparison what is so."""
    known = Told()
    for each in (*story, last):
        known, _ = notices(known, each, NOON)
    assert known.failing == (last.sync == "Unknown")
    if last.sync != "Unknown":
        assert known.drifting == (last.position.drift is not None)
    if last.health in ("Degraded", "Healthy"):
        assert known.degraded == (last.health == "Degraded")


def test_what_is_well_at_first_is_not_told():
    """A start of the controller is no news where all is well."""
    assert told(status()) == [[]]


def test_what_is_wrong_at_first_is_told():
    """Also after a restart."""
    assert told(drifting(health="Degraded")) == [["BecameOutOfSync", "HealthDegraded"]]


def test_recovery_by_way_of_progress_is_told_once():
    """Degraded, then progressing, is not yet mended; degraded again is no news."""
    story = [
        status(health=each) for each in ("Degraded", "Progressing", "Degraded", "Progressing", "Healthy")
    ]
    assert told(*story) == [["HealthDegraded"], [], [], [], ["HealthRecovered"]]


def test_a_source_that_is_away_for_a_while_ends_no_drift():
    """It is out of sync before and after, told once."""
    away = status(sync="Unknown", mover="Git", why=GONE)
    assert told(drifting(), away, drifting()) == [
        ["BecameOutOfSync"],
        ["ComparisonFailed"],
        ["ComparisonRecovered"],
    ]


def test_a_failing_comparison_says_why():
    """By the reason of the error."""
    _, (notice,) = notices(Told(), status(sync="Unknown", why=GONE), NOON)
    assert (notice.kind, notice.reason, notice.message) == ("ComparisonFailed", "FetchFailed", "no network")


def test_a_drift_says_who_moved():
    """Git or the live state."""
    _, (notice,) = notices(Told(), drifting("Live"), NOON)
    assert (notice.kind, notice.reason, notice.revision) == ("BecameOutOfSync", "Live", "abc")


def test_bad_health_names_the_resources():
    """The first one's reason, and all of them in the message."""
    bad = tuple(
        ResourceStatus(key("Model", "default", name), "Synced", Health("Degraded", reason, "no"))
        for name, reason in (("a", "LoadFailed"), ("b", "ScheduleFailed"))
    )
    shown = ApplicationStatus("shop", "r", "main", ".", "default", "Synced", "Degraded", "abc", bad)
    _, (notice,) = notices(Told(), shown, NOON)
    assert notice.reason == "LoadFailed"
    assert "default/a: LoadFailed no; " in notice.message
    assert "default/b: ScheduleFailed no" in notice.message


@given(st.text(min_size=MOST_MESSAGE - 3, max_size=MOST_MESSAGE + 50))
def test_a_message_is_bounded(text):
    """Whatever Git or a server says."""
    _, (notice,) = notices(Told(), status(sync="Unknown", why=Condition("FetchFailed", text)), NOON)
    assert len(notice.message) <= MOST_MESSAGE
    assert notice.message[: MOST_MESSAGE - 1] == text[: MOST_MESSAGE - 1]


@pytest.mark.parametrize(
    ("phase", "kind"),
    [("Succeeded", "SyncSucceeded"), ("Failed", "SyncFailed"), ("Terminated", "SyncTerminated")],
)
def test_the_end_of_a_sync_is_told(phase, kind):
    """With revision and plan."""
    notice = ended(record("shop", phase), NOON)
    assert (notice.kind, notice.revision, notice.digest) == (kind, "abc", "d1")


def test_a_sync_that_runs_has_not_ended():
    """Nor has one that a crash interrupted: nobody was there."""
    assert [ended(record("shop", phase), NOON) for phase in ("Running", "Interrupted")] == [None, None]


def test_a_failed_sync_says_which_steps_and_why():
    """Its reason is the first step's."""
    notice = ended(
        record("shop", "Failed", ("load a", "LoadFailed: no file"), ("load b", "Blocked: a")), NOON
    )
    assert notice.reason == "LoadFailed"
    assert notice.message == "load a LoadFailed: no file; load b Blocked: a"


def test_the_start_of_a_sync_says_who():
    """A person, or the sync policy."""
    assert started(plan(), "Ada", NOON) == Notice(
        "SyncStarted", "shop", NOON, "NewRevision", "started by Ada", "abc", "d1"
    )


def test_an_old_drift_is_told_once_for_each_age():
    """At 60 s and at 120 s, from the second on at which it is that old."""
    known, kinds = Told(), []
    for at in range(0, 200, 20):
        for age in (60, 120):
            known, found = old_drift(known, drifting(), age, after(at))
            kinds += [(at, notice.kind, notice.after) for notice in found]
    assert kinds == [(60, "DriftOld", 60), (120, "DriftOld", 120)]


def test_a_new_drift_grows_old_anew():
    """Once both agreed in between."""
    known, _ = old_drift(Told(drifting=True), drifting(), 60, after(60))
    known, _ = notices(known, status(), after(70))
    _, found = old_drift(known, status(sync="OutOfSync", mover="Git", since=80), 60, after(140))
    assert [notice.kind for notice in found] == ["DriftOld"]

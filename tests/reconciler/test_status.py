"""Status of an application: one place where all words are chosen."""

from dataclasses import replace

import pytest

from placement.inventory import ReplicaId
from reconciler.control.gates import Gate
from reconciler.planning.plan import Change, Held, Load, Plan
from reconciler.status import ApplicationSource, Condition, Position, SyncRecord, application_status
from runtime.state import AppliedResource, LiveState
from schemas.problem import Problem
from schemas.resource import key
from tests.reconciler.world import desired, model, server

FIRST = ReplicaId("default", "mlserver", 0)
SOURCE = ApplicationSource("app", "https://example.org/r.git", "main", "", "default")
IRIS, SERVER = model("iris"), server(replicas=0)
IDLE = model("idle", replicas=0)
LIVE = LiveState((AppliedResource(IDLE, "app"), AppliedResource(SERVER, "app")))
WANTED = desired(SERVER, IDLE)
EMPTY = Plan("app", "r1", "Sync")
WAITING = replace(EMPTY, changes=(Change("create", IRIS.key, IRIS),))
BROKEN = Problem("error", "SchemaViolation", "a.yaml", 3, 5, "Model", "default", "bad", "spec", "is wrong")


def status(wanted=WANTED, todo=EMPTY, live=LIVE, **facts):
    return application_status(SOURCE, wanted, live, todo, **facts)


def record(phase: str, *results: tuple[str, str]) -> SyncRecord:
    return SyncRecord(1, "app", "r1", "", "", "Sync", "", "", phase, "", "", results)


@pytest.mark.parametrize(
    ("wanted", "todo", "error", "sync"),
    [
        (WANTED, EMPTY, None, "Synced"),
        (WANTED, WAITING, None, "OutOfSync"),
        (WANTED, replace(EMPTY, held=(Held(IRIS.key, "PruneHeld", ""),)), None, "OutOfSync"),
        (replace(WANTED, invalid=(IRIS.key,)), EMPTY, None, "OutOfSync"),
        (replace(WANTED, unreadable=True), EMPTY, None, "OutOfSync"),
        (WANTED, EMPTY, Condition("FetchFailed", "no network"), "Unknown"),
        (WANTED, None, None, "Unknown"),
        (None, None, Condition("RevisionNotFound", "no main"), "Unknown"),
    ],
)
def test_sync_status(wanted, todo, error, sync):
    """Synced where Git was read and the world says the same, nothing held, nothing wrong."""
    assert status(wanted, todo, error=error).sync == sync


def test_nothing_is_known_before_the_first_look():
    """No revision, no resources, health Unknown."""
    seen = application_status(SOURCE, None, LIVE, None)
    assert (seen.sync, seen.health, seen.revision, seen.resources) == ("Unknown", "Unknown", "", ())


def test_what_waits_behind_a_gate_is_as_well_as_what_is_applied():
    """Nothing is on its way while nobody lets it: a change of a healthy model is OutOfSync, not
    Progressing, until somebody starts a sync."""
    changed = model("idle", replicas=1)
    todo = replace(EMPTY, changes=(Change("update", IDLE.key, changed),))
    todo = replace(todo, loads=(Load("default", "idle", "v", FIRST, 0, "NewModel", 1),))
    closed = Position(auto=False, gate=Gate(False, True, "AutoSyncOff", "by hand"))

    def shown(**facts):
        found = status(desired(SERVER, changed), todo, **facts)
        (one,) = (each for each in found.resources if each.key == IDLE.key)
        return one.sync, one.health.status

    assert shown() == ("OutOfSync", "Progressing")
    assert shown(position=closed) == ("OutOfSync", "Healthy")
    assert shown(position=closed, last_sync=record("Running")) == ("OutOfSync", "Progressing")


def test_health_is_that_of_the_worst_resource():
    """One broken manifest among healthy resources degrades the application."""
    bad = key("Model", "default", "bad")
    assert status().health == "Healthy"
    assert status(replace(WANTED, invalid=(bad,), problems=(BROKEN,))).health == "Degraded"


def test_broken_manifest_is_shown_with_its_place():
    """File, line and column stand in the message."""
    bad = key("Model", "default", "bad")
    seen = status(replace(WANTED, invalid=(bad,), problems=(BROKEN,)))
    (shown,) = (each for each in seen.resources if each.key == bad)
    assert (shown.health.reason, shown.file, shown.line) == ("InvalidManifest", "a.yaml", 3)
    assert "a.yaml:3:5" in shown.health.message


def test_deleted_and_held_resources_are_shown():
    """What left Git is OutOfSync, whether it goes or is held back."""
    going = replace(EMPTY, changes=(Change("delete", IRIS.key, None),))
    held = replace(EMPTY, held=(Held(IRIS.key, "PruneDisabled", "…"),))
    for todo, reason in ((going, "Pruning"), (held, "PruneDisabled")):
        (shown,) = (each for each in status(todo=todo).resources if each.key == IRIS.key)
        assert (shown.sync, shown.health.reason) == ("OutOfSync", reason)


def test_resources_are_sorted():
    """By key, wherever they come from."""
    todo = replace(EMPTY, changes=(Change("delete", IRIS.key, None),))
    keys = [each.key for each in status(todo=todo).resources]
    assert keys == sorted(keys)


def test_conditions_say_what_is_held_and_what_failed():
    """The source's error, everything held, and the first step of a sync that failed."""
    todo = replace(WAITING, held=(Held(IRIS.key, "PruneHeld", "mend it"),))
    last = record("Failed", ("load iris", "LoadFailed: no"), ("route iris", "Blocked: …"))
    seen = status(todo=todo, error=Condition("FetchFailed", "no network"), last_sync=last)
    assert [c.reason for c in seen.conditions] == ["FetchFailed", "PruneHeld", "SyncFailed"]
    assert "load iris" in seen.conditions[-1].message


@pytest.mark.parametrize(
    ("phase", "todo", "reasons"),
    [
        ("Succeeded", WAITING, []),
        ("Running", WAITING, []),
        ("Interrupted", WAITING, ["SyncInterrupted"]),
        ("Failed", EMPTY, []),
    ],
)
def test_last_sync_is_a_condition_while_something_of_it_is_left(phase, todo, reasons):
    """What went wrong and was made good since needs no words."""
    assert [c.reason for c in status(todo=todo, last_sync=record(phase)).conditions] == reasons


def test_revision_is_the_one_that_was_compared():
    """A commit that was read and not yet planned is not shown as compared."""
    assert status(replace(WANTED, revision="r2")).revision == "r1"


def test_many_broken_manifests_are_shown_in_time_that_follows_their_number():
    """Ten thousand broken manifests with as many problems are no square of that."""
    bad = [key("Model", "default", f"m{n}") for n in range(10_000)]
    problems = tuple(replace(BROKEN, name=each.name) for each in bad)
    seen = status(replace(WANTED, invalid=tuple(bad), problems=problems))
    assert (
        sum(each.health.message != "" for each in seen.resources if each.key.name.startswith("m")) >= 10_000
    )

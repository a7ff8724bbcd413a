"""History: what was meant, what came of it, and what a crash leaves."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.history import KEPT, History
from reconciler.planning.plan import Change, Plan
from schemas.errors import StopError
from schemas.resource import key

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAN = Plan("app", "r1", "NewRevision", digest="d", basis="b")
IRIS = key("Model", "default", "iris")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def history(file):
    opened = History(file)
    yield opened
    opened.close()


def test_intent_is_there_before_the_result(history):
    """A sync that has begun is Running, with everything that was meant."""
    sync = history.begin(PLAN, "Ada", "Add iris", "grace", NOW)
    (record,) = history.syncs("app")
    assert (record.id, record.phase, record.finished) == (sync, "Running", "")
    assert (record.revision, record.author, record.message) == ("r1", "Ada", "Add iris")
    assert (record.digest, record.basis, record.reason, record.who) == ("d", "b", "NewRevision", "grace")


def test_result_is_kept_with_the_steps_that_failed(history):
    """Succeeded without, Failed with them, in their order."""
    history.finish(history.begin(PLAN, "", "", "", NOW), "Succeeded", [], NOW + timedelta(seconds=1))
    history.finish(
        history.begin(PLAN, "", "", "", NOW),
        "Failed",
        [("load", "LoadFailed: no"), ("route", "Blocked")],
        NOW,
    )
    failed, succeeded = history.syncs("app")
    assert (succeeded.phase, succeeded.finished) == ("Succeeded", "2026-01-02T03:04:06.000+00:00")
    assert (failed.phase, failed.results[0]) == ("Failed", ("load", "LoadFailed: no"))


def test_what_a_crash_left_running_is_interrupted(history, file):
    """The next process says so, with the time when it noticed; what had ended stays as it was."""
    history.finish(history.begin(PLAN, "", "", "", NOW), "Succeeded", [], NOW)
    history.begin(PLAN, "", "", "", NOW)
    after = History(file)
    after.interrupt(NOW + timedelta(hours=1))
    running, ended = after.syncs("app")
    after.close()
    assert (running.phase, running.finished) == ("Interrupted", "2026-01-02T04:04:05.000+00:00")
    assert ended.phase == "Succeeded"


def test_only_the_last_syncs_of_each_application_are_kept(history):
    """The oldest go; another application's stay."""
    other = Plan("other", "r1", "Sync")
    history.finish(history.begin(other, "", "", "", NOW), "Succeeded", [], NOW)
    for _ in range(KEPT + 5):
        history.finish(history.begin(PLAN, "", "", "", NOW), "Succeeded", [], NOW)
    kept = [record.id for record in history.syncs("app", limit=1000)]
    assert kept == sorted(kept, reverse=True)
    assert len(kept) == KEPT
    assert len(history.syncs("other")) == 1


def test_first_application_of_a_resource_is_remembered(history, file):
    """Until it is deleted; applying again changes nothing, and a restart forgets nothing."""
    history.note_created([IRIS], NOW)
    history.note_created([IRIS], NOW + timedelta(days=1))
    again = History(file)
    assert again.created() == {str(IRIS): "2026-01-02T03:04:05.000+00:00"}
    again.forget_created([IRIS])
    assert again.created() == {}
    again.close()


def test_agreement_is_remembered_over_a_restart(history, file):
    """Who moved away from what agreed last is known after a restart, too."""
    assert history.agreed("app") == ""
    history.note_agreed("app", "r1")
    history.note_agreed("app", "r2")
    again = History(file)
    assert again.agreed("app") == "r2"
    again.close()


def test_what_a_sync_changes_is_kept_per_resource(history):
    """Key and action, as the plan had them; what became of them once that is known."""
    todo = replace(PLAN, changes=(Change("delete", IRIS, None),))
    sync = history.begin(todo, "", "", "", NOW)
    assert history.syncs("app")[0].resources == (("Model default/iris", "delete", ""),)
    history.note_results(sync, [("Model default/iris", "delete", "Pruned")])
    done = history.finish(sync, "Succeeded", [], NOW)
    assert done.resources == (("Model default/iris", "delete", "Pruned"),)


def test_file_of_the_first_version_is_brought_up_to_date(tmp_path):
    """What was kept then is still there, with nothing where nothing was written down."""
    file = tmp_path / "old.sqlite"
    old = sqlite3.connect(file)
    columns = (
        "application, revision, author, message, reason, started, finished, phase, digest, basis, results"
    )
    old.execute(f"CREATE TABLE syncs (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
    old.execute(
        f"INSERT INTO syncs ({columns}) VALUES ('app','r','a','m','Sync','s','f','Failed','d','b','[]')"
    )
    old.commit()
    old.close()
    opened = History(file)
    (record,) = opened.syncs("app")
    assert (record.phase, record.who, record.resources) == ("Failed", "", ())
    opened.close()


def test_hostile_words_are_only_words(history):
    """A commit message is data."""
    words = "'; DROP TABLE syncs; --\x00\x1b[31m"
    history.begin(PLAN, words, words, words, NOW)
    assert history.syncs("app")[0].message == words


def test_file_that_is_no_history_is_refused_with_advice(file):
    """Nothing but history is lost with it, so it may be moved away; the error says so."""
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(StopError) as refusal:
        History(file)
    assert refusal.value.reason == "HistoryUnreadable"

"""History: what was meant, what came of it, and what a crash leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.history import KEPT, History
from reconciler.plan import Plan
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
    sync = history.begin(PLAN, "Ada", "Add iris", NOW)
    (record,) = history.syncs("app")
    assert (record.id, record.phase, record.finished) == (sync, "Running", "")
    assert (record.revision, record.author, record.message) == ("r1", "Ada", "Add iris")
    assert (record.digest, record.basis, record.reason) == ("d", "b", "NewRevision")


def test_result_is_kept_with_the_steps_that_failed(history):
    """Succeeded without, Failed with them, in their order."""
    history.finish(history.begin(PLAN, "", "", NOW), [], NOW + timedelta(seconds=1))
    history.finish(history.begin(PLAN, "", "", NOW), [("load", "LoadFailed: no"), ("route", "Blocked")], NOW)
    failed, succeeded = history.syncs("app")
    assert (succeeded.phase, succeeded.finished) == ("Succeeded", "2026-01-02T03:04:06.000+00:00")
    assert (failed.phase, failed.results[0]) == ("Failed", ("load", "LoadFailed: no"))


def test_what_a_crash_left_running_is_interrupted(history, file):
    """The next process says so, with the time when it noticed; what had ended stays as it was."""
    history.finish(history.begin(PLAN, "", "", NOW), [], NOW)
    history.begin(PLAN, "", "", NOW)
    after = History(file)
    after.interrupt(NOW + timedelta(hours=1))
    running, ended = after.syncs("app")
    after.close()
    assert (running.phase, running.finished) == ("Interrupted", "2026-01-02T04:04:05.000+00:00")
    assert ended.phase == "Succeeded"


def test_only_the_last_syncs_of_each_application_are_kept(history):
    """The oldest go; another application's stay."""
    other = Plan("other", "r1", "Sync")
    history.finish(history.begin(other, "", "", NOW), [], NOW)
    for _ in range(KEPT + 5):
        history.finish(history.begin(PLAN, "", "", NOW), [], NOW)
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


def test_hostile_words_are_only_words(history):
    """A commit message is data."""
    words = "'; DROP TABLE syncs; --\x00\x1b[31m"
    history.begin(PLAN, words, words, NOW)
    assert history.syncs("app")[0].message == words


def test_file_that_is_no_history_is_refused_with_advice(file):
    """Nothing but history is lost with it, so it may be moved away; the error says so."""
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(StopError) as refusal:
        History(file)
    assert refusal.value.reason == "HistoryUnreadable"

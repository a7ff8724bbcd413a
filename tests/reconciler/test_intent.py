"""What people decided survives restarts, and a damaged file is never read as nobody having said anything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.control.intent import (
    NOTHING_SAID,
    Intent,
    Pin,
    Said,
    WindowOverride,
    confirm_deletes,
    resume_resource,
    suspend_resource,
)
from reconciler.control.intent_store import IntentStore
from schemas.errors import StopError
from schemas.resource import key

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SAID = Said("ada", NOW, "audit")
IRIS, WINE = key("Model", "default", "iris"), key("Model", "default", "wine")
FULL = Intent(
    Pin("c0ffee", SAID),
    SAID,
    suspend_resource(NOTHING_SAID, IRIS, SAID).resources,
    confirm_deletes(NOTHING_SAID, frozenset({WINE}), NOW, SAID).deletes,
    WindowOverride(NOW, SAID),
)


def test_everything_that_was_said_survives_a_restart(tmp_path: Path) -> None:
    """What is written is what is read."""
    store = IntentStore(tmp_path / "intent.sqlite")
    store.change("models", lambda _: FULL)
    store.close()
    reopened = IntentStore(tmp_path / "intent.sqlite")
    assert reopened.intents() == {"models": FULL}
    reopened.close()


def test_what_is_taken_back_leaves_nothing(tmp_path: Path) -> None:
    """An application of which nothing is said has no row."""
    store = IntentStore(tmp_path / "intent.sqlite")
    store.change("models", lambda _: FULL)
    store.change("models", lambda _: NOTHING_SAID)
    assert store.intents() == {}
    store.close()


def test_a_change_of_one_thing_keeps_the_others(tmp_path: Path) -> None:
    """Resuming an application leaves its pin."""
    store = IntentStore(tmp_path / "intent.sqlite")
    store.change("models", lambda _: FULL)
    assert store.change("models", lambda intent: replace(intent, suspended=None)).pin == FULL.pin
    store.close()


@pytest.mark.parametrize("text", ["", "not a database", "{}" * 5000])
def test_a_damaged_file_stops_the_controller(tmp_path: Path, text: str) -> None:
    """Going on could move a pinned application; an empty file is a new one."""
    file = tmp_path / "intent.sqlite"
    file.write_text(text)
    if not text:
        IntentStore(file).close()
        return
    with pytest.raises(StopError, match="IntentUnreadable"):
        IntentStore(file)


def test_a_row_of_another_version_stops_the_controller(tmp_path: Path) -> None:
    """Unknown fields may mean something: they are not left out."""
    file = tmp_path / "intent.sqlite"
    store = IntentStore(file)
    store._db.execute("""INSERT INTO intents VALUES ('models', '{"frozen": true}')""")
    store.close()
    with pytest.raises(StopError, match="IntentUnreadable"):
        IntentStore(file)


def test_a_confirmed_delete_ends_with_its_time() -> None:
    """A confirmation is for now, not for ever."""
    intent = confirm_deletes(NOTHING_SAID, frozenset({IRIS}), NOW + timedelta(hours=1), SAID)
    assert intent.confirmed(NOW) == {IRIS}
    assert intent.confirmed(NOW + timedelta(hours=1)) == frozenset()


def test_confirming_again_forgets_what_is_over() -> None:
    """The list does not grow with the years."""
    old = confirm_deletes(NOTHING_SAID, frozenset({IRIS}), NOW - timedelta(hours=1), SAID)
    new = confirm_deletes(old, frozenset({WINE}), NOW + timedelta(hours=1), SAID)
    assert [each.key for each in new.deletes] == [WINE]


def test_a_resource_is_suspended_once_and_resumed_at_once() -> None:
    """Saying it twice is saying it once."""
    twice = suspend_resource(suspend_resource(NOTHING_SAID, IRIS, SAID), IRIS, SAID)
    assert twice.held == {IRIS}
    assert resume_resource(twice, IRIS) == NOTHING_SAID

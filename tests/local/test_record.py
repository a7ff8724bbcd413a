"""The record: what was written is there again, all of a transaction or nothing, for one holder."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from placement.inventory import ReplicaId
from runtime.local.lock import StateLock
from runtime.local.record import FILE, SCHEMA_VERSION, Record
from runtime.local.rows import (
    IncarnationRow,
    ModelAt,
    ModelRow,
    ModelVersions,
    ProcessRow,
    ServerRow,
    Version,
)
from runtime.ports import Endpoint
from runtime.routes import Route
from runtime.state import AppliedResource
from schemas.errors import StopError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate
from tests.contracts.runtime import model

names = st.text("abcdefghijklmnopqrstuvwxyz-é\"'", min_size=1, max_size=8)
counts = st.integers(0, 2**40)
replicas = st.builds(ReplicaId, names, names, st.integers(0, 99))
places = st.builds(ModelAt, names, names, names, replicas)
templates = st.builds(
    ServerTemplate, names, names, st.tuples(names), counts, st.integers(0, 100), st.dictionaries(names, names)
)
versions = st.builds(
    Version, names, counts, st.builds(ModelSpec, names, memory=counts | st.none()), names | st.none()
)
incarnations = st.builds(
    IncarnationRow, replicas, st.builds(Endpoint, names, counts, counts), templates, counts
)
rows = {
    "servers": st.builds(ServerRow, replicas, templates),
    "models": st.builds(ModelRow, places, st.sampled_from(["Loading", "Loaded", "LoadFailed"]), names, names),
    "versions": st.builds(ModelVersions, names, names, st.lists(versions, max_size=3).map(tuple)),
    "routes": st.builds(Route, names, names, st.just(())),
    "processes": st.builds(ProcessRow, names, incarnations | st.none(), st.booleans(), counts, counts),
    "resources": st.builds(AppliedResource, st.builds(model, names, names), names),
}


@pytest.fixture
def record(tmp_path):
    made = Record(tmp_path)
    yield made
    made.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(rows)).flatmap(lambda name: st.tuples(st.just(name), st.lists(rows[name]))))
def test_every_row_is_read_back_as_it_was_written(record, tmp_path, written):
    """Whatever the names hold, a second reader sees the same rows in the same order."""
    name, values = written
    table = getattr(record, name)
    for value in values:
        table.put(value)
    reader = Record(tmp_path, read_only=True)
    try:
        assert getattr(reader, name).in_order() == table.in_order()
    finally:
        reader.close()


def test_a_dropped_row_is_gone(record, tmp_path):
    """Dropping it again is no error."""
    row = record.servers.put(ServerRow(ReplicaId("a", "b", 0), ServerTemplate("m", "m", (), 1, 0, {})))
    record.servers.drop(row.id)
    record.servers.drop(row.id)
    reader = Record(tmp_path, read_only=True)
    assert reader.servers.in_order() == ()
    reader.close()


def test_a_transaction_that_fails_leaves_nothing_on_disk(record, tmp_path):
    """All of it or none."""

    def half() -> None:
        with record.together():
            record.routes.put(Route("default", "iris", ()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    reader = Record(tmp_path, read_only=True)
    assert reader.routes.in_order() == ()
    reader.close()


def test_transactions_nest(record, tmp_path):
    """The outermost one writes."""
    with record.together():
        with record.together():
            record.routes.put(Route("default", "a", ()))
        record.routes.put(Route("default", "b", ()))
    reader = Record(tmp_path, read_only=True)
    assert [route.name for route in reader.routes.in_order()] == ["a", "b"]
    reader.close()


def test_only_the_owner_may_read_it(record, tmp_path):
    """A server's environment stands in it."""
    for file in tmp_path.glob(f"{FILE}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_the_name_of_the_folder_stays(record, tmp_path):
    """Processes are found by it after a restart."""
    again = Record(tmp_path, read_only=True)
    assert again.state == record.state
    again.close()


def test_another_schema_version_is_refused(tmp_path):
    """The error names both versions and what to do."""
    Record(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StopError, match=rf"RecordVersion.*{SCHEMA_VERSION + 1}"):
        Record(tmp_path)


@pytest.mark.parametrize("content", [b"not a database at all, though long enough to be one" * 50])
def test_a_file_that_is_no_record_is_refused(tmp_path, content):
    """Nothing is overwritten."""
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StopError, match="RecordFailed"):
        Record(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_record_that_cannot_be_written_stops_the_controller(tmp_path):
    """StopError, not a silent loss."""
    Record(tmp_path).close()
    reader = Record(tmp_path, read_only=True)
    with pytest.raises(StopError, match="RecordFailed"):
        reader.routes.put(Route("default", "iris", ()))
    reader.close()


def test_the_lock_ends_with_its_process(tmp_path):
    """A killed controller needs nobody to clean up after it."""
    program = f"""
import os, signal
from pathlib import Path
from runtime.local.lock import StateLock
lock = StateLock(Path({str(tmp_path)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    StateLock(tmp_path).release()


def test_a_held_lock_names_its_holder(tmp_path):
    """Whoever is refused knows whom to stop."""
    lock = StateLock(tmp_path / "new")
    with pytest.raises(StopError, match=rf"held by process {os.getpid()}"):
        StateLock(tmp_path / "new")
    lock.release()
    StateLock(tmp_path / "new").release()


def test_a_row_that_cannot_be_read_stops_the_controller(tmp_path):
    """What another program wrote is not guessed at."""
    made = Record(tmp_path)
    made.routes.put(Route("default", "iris", ()))
    made.close()
    connection = sqlite3.connect(tmp_path / FILE)
    with connection:
        connection.execute("UPDATE routes SET body = '{\"name\": 1}'")
    connection.close()
    with pytest.raises(StopError, match=r"RecordFailed.*routes"):
        Record(tmp_path)

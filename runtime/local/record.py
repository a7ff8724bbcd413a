"""The durable record of one machine: what was applied and executed. It stands in for the Kubernetes API.

SQLite with every commit on disk before the effect it announces. The rows are few and read all the time,
so they are held in memory and written through; one controller per folder makes that right. Deciding what
to do about them happens elsewhere.
"""

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from cattrs.errors import BaseValidationError

from placement.inventory import ReplicaId
from runtime.local.rows import ModelAt, ModelRow, ModelVersions, ProcessRow, ServerRow
from runtime.routes import Route
from runtime.state import AppliedResource
from schemas.codec import decode, encode
from schemas.errors import StopError
from schemas.resource import ResourceKey

SCHEMA_VERSION = 1
FILE = "record.sqlite"

K = TypeVar("K")
V = TypeVar("V")


class Table(Generic[K, V]):
    """Values of one type by key, in memory and on disk."""

    def __init__(
        self, connection: sqlite3.Connection, name: str, kind: type[V], identity: Callable[[V], K]
    ) -> None:
        self._connection = connection
        self._name = name
        self._kind = kind
        self._identity = identity
        self._sorted: tuple[V, ...] | None = None
        self._rows: dict[K, V] = {}
        for (body,) in connection.execute(f"SELECT body FROM {name}"):  # noqa: S608 (the name is ours)
            value = self._read(body)
            self._rows[identity(value)] = value

    @property
    def rows(self) -> Mapping[K, V]:
        """All values by key, in no order; do not change the table while walking it."""
        return MappingProxyType(self._rows)

    def in_order(self) -> tuple[V, ...]:
        """All values, by key."""
        if self._sorted is None:
            self._sorted = tuple(self._rows[key] for key in sorted(self._rows))  # type: ignore[type-var]  # keys are ordered values
        return self._sorted

    def get(self, key: K) -> V | None:
        """The value of that key."""
        return self._rows.get(key)

    def put(self, value: V) -> V:
        """Write ``value`` under its own key; what is there already is not written again."""
        key = self._identity(value)
        if self._rows.get(key) != value:
            body = json.dumps(encode(value), separators=(",", ":"))
            self._execute(f"INSERT OR REPLACE INTO {self._name} VALUES (?, ?)", _text(key), body)  # noqa: S608 (as above)
            self._rows[key] = value
            self._sorted = None
        return value

    def drop(self, key: K) -> None:
        """Remove the value of that key; absent is no error."""
        if key in self._rows:
            self._execute(f"DELETE FROM {self._name} WHERE key = ?", _text(key))  # noqa: S608 (as above)
            del self._rows[key]
            self._sorted = None

    def _read(self, body: str) -> V:
        try:
            return decode(self._kind, json.loads(body))
        except (BaseValidationError, TypeError, ValueError) as error:
            raise StopError(
                "RecordFailed",
                f"a row of {self._name} in the record cannot be read",
                "use the version of the program that wrote it",
            ) from error

    def _execute(self, statement: str, *values: Any) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise _unwritable(error) from error


class Record:
    """The tables of one state folder. StopError ``RecordFailed`` where they cannot be read or written."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._connection = _open(folder / FILE, read_only)
        self._depth = 0
        try:
            self.state = _prepare(self._connection, read_only)
            self.resources: Table[ResourceKey, AppliedResource] = Table(
                self._connection, "resources", AppliedResource, lambda row: row.resource.key
            )
            self.servers: Table[ReplicaId, ServerRow] = Table(
                self._connection, "servers", ServerRow, lambda row: row.id
            )
            self.models: Table[ModelAt, ModelRow] = Table(
                self._connection, "models", ModelRow, lambda row: row.at
            )
            self.versions: Table[tuple[str, str], ModelVersions] = Table(
                self._connection, "versions", ModelVersions, lambda row: (row.namespace, row.model)
            )
            self.routes: Table[tuple[str, str], Route] = Table(
                self._connection, "routes", Route, lambda row: (row.namespace, row.name)
            )
            self.processes: Table[str, ProcessRow] = Table(
                self._connection, "processes", ProcessRow, lambda row: row.token
            )
        except sqlite3.Error as error:
            self._connection.close()
            raise _unwritable(error) from error
        except StopError:
            self._connection.close()
            raise

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Everything written inside reaches the disk at once or not at all.

        Where it does not, memory is ahead of the disk and the process has to stop: StopError.
        """
        self._depth += 1
        try:
            if self._depth == 1:
                self._connection.execute("BEGIN IMMEDIATE")
            yield
            if self._depth == 1:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unwritable(error) from error
        finally:
            self._depth -= 1
            if self._depth == 0 and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def models_on(self, replica: ReplicaId) -> tuple[ModelRow, ...]:
        """The model replicas of one server replica, by (namespace, model, version)."""
        return tuple(row for row in self.models.in_order() if row.at.replica == replica)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _open(path: Path, read_only: bool) -> sqlite3.Connection:
    try:
        if not read_only:
            path.touch(mode=0o600)
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
            uri=True,
            isolation_level=None,  # transactions are written out where they begin
        )
    except (OSError, sqlite3.Error) as error:
        raise StopError("RecordFailed", f"cannot open the record {path}: {error}") from error
    return connection


def _prepare(connection: sqlite3.Connection, read_only: bool) -> str:
    """Pragmas, tables, version check; gives the name under which this folder's processes are known."""
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == 0 and not read_only:
        _create(connection)
    elif found != SCHEMA_VERSION:
        raise StopError(
            "RecordVersion",
            f"the record has schema version {found}, this program reads {SCHEMA_VERSION}",
            "use the version of the program that wrote it",
        )
    (state,) = connection.execute("SELECT body FROM folder WHERE key = 'state'").fetchone()
    return str(state)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in ("folder", "resources", "servers", "models", "versions", "routes", "processes"):
        connection.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
    connection.execute("INSERT INTO folder VALUES ('state', ?)", (secrets.token_hex(8),))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _text(key: Any) -> str:
    return json.dumps(encode(key), separators=(",", ":"), sort_keys=True)


def _unwritable(error: sqlite3.Error) -> StopError:
    return StopError("RecordFailed", f"the record cannot be used: {error}", "look at the disk and its space")

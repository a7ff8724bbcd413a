"""Answers without a controller: the repository, the runtime's record, and the same pure functions.

Nothing is changed and nothing supervised. Each question reads anew, so an answer is as good as the
moment it was asked in.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from placement.inventory import ReplicaId
from reconciler.config import ApplicationConfig
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.listing import Object, objects
from reconciler.plan import Plan
from reconciler.planner import Explanation, Policy, explain, plan
from reconciler.server_log import read_log
from reconciler.source.application import Source
from reconciler.status import ApplicationStatus, Condition, SyncRecord, application_status
from runtime.state import LiveState
from schemas.errors import InputError, MoorageError
from schemas.resource import ResourceKey


class Offline:
    """:class:`~reconciler.answers.Answers` from ``state``, a folder that no controller holds.

    ``live`` reads the record; ``history`` is a file that need not exist.
    """

    def __init__(
        self,
        state: Path,
        sources: Sequence[Source],
        live: Callable[[], LiveState],
        policy: Callable[[ApplicationConfig], Policy],
        history: Path,
        listeners: Mapping[str, str],
    ) -> None:
        self._state = state
        self._sources = {source.config.name: source for source in sources}
        self._live = live
        self._policy = policy
        self._history = history
        self._listeners = listeners

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name."""
        live = self._live()
        return tuple(self._status(self._sources[name], live) for name in sorted(self._sources))

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application."""
        return self._status(self._source(name), self._live())

    def plan(self, name: str) -> Plan:
        """The plan that a controller would make now."""
        source = self._source(name)
        return plan(source.read(), self._live(), self._policy(source.config), "Asked")

    def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is, or would be, where it is."""
        source = self._source(name)
        return explain(source.read(), self._live(), self._policy(source.config), model)

    def objects(self, kind: str, namespace: str | None) -> tuple[Object, ...]:
        """Applied resources as they stand on record."""
        with self._opened_history() as history:
            created = history.created() if history else {}
        return objects(self._live(), self.applications(), created, kind, namespace)

    def log(self, replica: ReplicaId, lines: int) -> str:
        """The end of a log file."""
        return read_log(self._state, replica, lines)

    def listeners(self) -> Mapping[str, str]:
        """As configured; a gateway that was left serving answers there."""
        return self._listeners

    def _source(self, name: str) -> Source:
        if name not in self._sources:
            known = ", ".join(sorted(self._sources))
            raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
        return self._sources[name]

    def _status(self, source: Source, live: LiveState) -> ApplicationStatus:
        desired: Desired | None = None
        made: Plan | None = None
        error: Condition | None = None
        try:
            desired = source.read()
            made = plan(desired, live, self._policy(source.config), "Asked")
        except MoorageError as fault:
            error = Condition(fault.reason, fault.message)
        return application_status(source.shown, desired, live, made, error, self._last_sync(source))

    def _last_sync(self, source: Source) -> SyncRecord | None:
        with self._opened_history() as history:
            return next(iter(history.syncs(source.config.name, limit=1)), None) if history else None

    @contextlib.contextmanager
    def _opened_history(self) -> Iterator[History | None]:
        if not self._history.exists():
            yield None
            return
        history = History(self._history)
        try:
            yield history
        finally:
            history.close()

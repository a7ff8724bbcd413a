"""Answers without a controller: the repository, the runtime's record, and the same pure functions.

Nothing is changed and nothing supervised. Each question reads anew, so an answer is as good as the
moment it was asked in.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from placement.inventory import ReplicaId
from reconciler.control.followed import Followed
from reconciler.control.gates import judge_gates
from reconciler.control.intent import NOTHING_SAID, Intent
from reconciler.control.intent_store import IntentStore
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.inventory.file import written
from reconciler.listing import Object, objects
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Explanation, Policy, explain, plan
from reconciler.planning.rebalancing import rebalance_plan
from reconciler.secrecy import shown_plan
from reconciler.server_log import read_log
from reconciler.source.application import Source
from reconciler.status import ApplicationStatus, Condition, SyncRecord
from runtime.state import LiveState
from schemas.errors import InputError, MoorageError
from schemas.resource import ResourceKey


@dataclass(frozen=True)
class Kept:
    """Files of a state folder that need not exist: what was synced, and what people said."""

    history: Path
    intents: Path


class Offline:
    """:class:`~reconciler.answers.Answers` from ``state``, a folder that no controller holds.

    ``live`` reads the record; ``policy`` is what holds for planning on the whole runtime.
    """

    def __init__(
        self,
        state: Path,
        sources: Sequence[Source],
        live: Callable[[], LiveState],
        policy: Policy,
        kept: Kept,
        listeners: Mapping[str, str],
    ) -> None:
        self._state = state
        self._sources = {source.config.name: source for source in sources}
        self._live = live
        self._policy = policy
        self._kept = kept
        self._listeners = listeners

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name."""
        live = self._live()
        return tuple(self._status(self._sources[name], live) for name in sorted(self._sources))

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application."""
        return self._status(self._source(name), self._live())

    def history(self, name: str) -> tuple[SyncRecord, ...]:
        """The syncs of an application, newest first."""
        return self._syncs(self._source(name))

    def plan(self, name: str) -> Plan:
        """The plan that a controller would make now."""
        source = self._source(name)
        return shown_plan(plan(self._read(source), self._live(), self._policy_of(source), "Asked"))

    def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is, or would be, where it is."""
        source = self._source(name)
        return explain(self._read(source), self._live(), self._policy_of(source), model)

    def rebalance(self, max_moves: int) -> Plan:
        """What a controller's rebalance would do now."""
        return shown_plan(rebalance_plan(self._live(), self._policy, max_moves))

    def objects(self, kind: str, namespace: str | None) -> tuple[Object, ...]:
        """Applied resources as they stand on record."""
        with self._opened_history() as history:
            created = history.created() if history else {}
        return objects(self._live(), self.applications(), created, kind, namespace)

    def inventory(self) -> Object:
        """What lives as it stands on record, as an inventory file."""
        return written(self._live(), self._listeners)

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
        app, intent, now = Followed(source), self._intent(source), datetime.now(UTC)
        try:
            app.desired = self._read(source)
            app.plan = plan(app.desired, live, self._policy_of(source), "Asked")
        except MoorageError as fault:
            app.error = Condition(fault.reason, fault.message)
        # Whether other applications are ready is only known to a controller.
        alone = replace(source.config.sync, depends_on=())
        app.gate = judge_gates(alone, intent, {}, now)
        return app.status(live, intent, next(iter(self._syncs(source)), None))

    def _read(self, source: Source) -> Desired:
        pin = self._intent(source).pin
        return source.read(pin.revision if pin else None)

    def _policy_of(self, source: Source) -> Policy:
        names = tuple(sorted(self._sources))
        return Followed(source).policy(self._policy, self._intent(source), names, datetime.now(UTC))

    def _intent(self, source: Source) -> Intent:
        if not self._kept.intents.exists():
            return NOTHING_SAID
        store = IntentStore(self._kept.intents)
        try:
            return store.intent(source.config.name)
        finally:
            store.close()

    def _syncs(self, source: Source) -> tuple[SyncRecord, ...]:
        with self._opened_history() as history:
            return history.syncs(source.config.name) if history else ()

    @contextlib.contextmanager
    def _opened_history(self) -> Iterator[History | None]:
        if not self._kept.history.exists():
            yield None
            return
        history = History(self._kept.history)
        try:
            yield history
        finally:
            history.close()

"""Where signals become notices, and notices reach the log, the feed and the outlets.

It keeps what people have been told, so that nothing is told twice. It forgets with the process: after a
restart what is wrong is told again.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from reconciler.observability.feed import Feed
from reconciler.observability.moment import Sent
from reconciler.observability.notices import BAD, Notice, Told, ended, notices, old_drift, started
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Result

log = structlog.get_logger(__name__)

PAUSE = 5.0
"""Seconds between two looks at how old drifts are; nobody tells when time alone has passed."""


class Outlet(Protocol):
    """Takes notices elsewhere."""

    def tell(self, notice: Notice) -> None:
        """Take it; must neither block nor raise."""

    async def run(self) -> None:
        """Send what was taken, until cancelled. Whatever fails, this does not end by itself."""

    def sent(self) -> tuple[Sent, ...]:
        """What became of what was taken, by result."""


class Board:
    """Listens to the controller. ``ages`` are the seconds after which somebody wants to know of a drift."""

    def __init__(
        self, now: Callable[[], datetime], outlets: Sequence[Outlet] = (), ages: Iterable[float] = ()
    ) -> None:
        self.feed = Feed()
        self._now = now
        self._outlets = outlets
        self._ages = sorted(set(ages))
        self._told: dict[str, Told] = {}
        self._statuses: dict[str, ApplicationStatus] = {}

    async def run(self, followed: Callable[[], frozenset[str]], pause: float = PAUSE) -> None:
        """Have the outlets send and watch over drifts of what is ``followed``, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for outlet in self._outlets:
                tasks.create_task(_keep(outlet, pause))
            while True:
                self.look_at_drifts(followed())
                await asyncio.sleep(pause)

    def sent(self) -> tuple[Sent, ...]:
        """What became of notices, by outlet and result."""
        return tuple(sorted(each for outlet in self._outlets for each in outlet.sent()))

    def look_at_drifts(self, followed: frozenset[str]) -> None:
        """Tell of drifts that have become old; forget who is followed no more."""
        for name in self._statuses.keys() - followed:
            del self._statuses[name], self._told[name]
        for name, status in sorted(self._statuses.items()):
            for age in self._ages:
                self._told[name], found = old_drift(self._told[name], status, age, self._now())
                self._tell(found)

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """The status tells."""

    def planned(self, application: str, plan: Plan, seconds: float) -> None:
        """The status tells."""

    def sync_started(self, application: str, plan: Plan, who: str) -> None:  # noqa: ARG002 (the plan names it)
        """Tell of it."""
        self._tell([started(plan, who, self._now())])

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """The sync's end tells."""

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:  # noqa: ARG002 (the record has times)
        """Tell of it."""
        notice = ended(record, self._now())
        self._tell([notice] if notice else [])

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:  # noqa: ARG002 (what was told counts, not what was)
        """Tell what people do not know yet."""
        told = self._told.get(after.name, Told())
        self._statuses[after.name] = after
        self._told[after.name], found = notices(told, after, self._now())
        self._tell(found)

    def _tell(self, found: Iterable[Notice]) -> None:
        for notice in found:
            _log(notice)
            self.feed.add(notice)
            for outlet in self._outlets:
                outlet.tell(notice)


async def _keep(outlet: Outlet, pause: float) -> None:
    """A defect of an outlet must not end the controller."""
    while True:
        try:
            await outlet.run()
        except Exception:
            log.exception("an outlet failed", outlet=type(outlet).__name__)
        await asyncio.sleep(pause)


def _log(notice: Notice) -> None:
    write = log.warning if notice.kind in BAD else log.info
    write(
        "event",
        kind=notice.kind,
        application=notice.application,
        reason=notice.reason,
        message=notice.message,
        revision=notice.revision[:7],
    )

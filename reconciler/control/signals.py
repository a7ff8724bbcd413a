"""What the controller tells whoever watches it: metrics, events, notifications stand behind this.

Told in the order in which it happens, from the event loop; whoever listens must neither block nor raise.
Nothing here decides anything.
"""

from typing import Protocol

from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Result


class Signals(Protocol):
    """A listener."""

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """A source was read; ``reason`` is empty, or why it could not be."""

    def planned(self, application: str, plan: Plan, seconds: float) -> None:
        """A plan was made."""

    def sync_started(self, application: str, plan: Plan, who: str) -> None:
        """A plan is about to be executed; ``who`` started it."""

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """A step of the sync under way ended."""

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:
        """A sync ended, as the history has it."""

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:
        """What people see of an application differs from what they saw; None at first."""


class Listeners:
    """Several listeners as one."""

    def __init__(self, *listeners: Signals) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Signals) -> None:
        """One more, who is told last."""
        self._listeners.append(listener)

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.source_read(application, seconds, reason)

    def planned(self, application: str, plan: Plan, seconds: float) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.planned(application, plan, seconds)

    def sync_started(self, application: str, plan: Plan, who: str) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.sync_started(application, plan, who)

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.step_ended(application, step, result, seconds)

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.sync_ended(record, seconds)

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:
        """Tell all of them."""
        for each in self._listeners:
            each.status_changed(before, after)

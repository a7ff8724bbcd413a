"""One application as the controller carries it: its source, and what was last seen, planned and said of it.

Mutable, for the loop alone. What follows from these facts is decided in pure modules: the gate, the
status, what a sync may change.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.config import ApplicationConfig
from reconciler.control.approval import NOTHING_SHOWN, PlanStanding
from reconciler.control.attempts import Rules
from reconciler.control.drift import Drift, follow_drift
from reconciler.control.gates import OPEN, Gate, Standing
from reconciler.control.intent import Intent
from reconciler.control.requests import SyncAnswer, SyncRequest
from reconciler.control.rollback import Trial
from reconciler.desired import Desired
from reconciler.planning.guards import asked_policy, change_policy
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy
from reconciler.resource_status import KnownStatuses
from reconciler.source.application import Source
from reconciler.status import ApplicationStatus, Condition, Position, SyncRecord, application_status
from runtime.state import LiveState


@dataclass(eq=False)
class Asked:
    """A request under way: the answer that is waited for, and the plan made for it."""

    request: SyncRequest
    answer: asyncio.Future[SyncAnswer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    plan: Plan | None = None
    desired: Desired | None = None
    approval: PlanStanding = NOTHING_SHOWN

    def end(self, answer: SyncAnswer) -> None:
        """Answer whoever still waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass(eq=False)
class Followed:
    """An application. ``error`` says why its source cannot be read now, ``unplanned`` why there is no plan
    of what was read; ``agreed`` is the revision at which Git and live agreed last. ``going_back`` is True
    while an automatic rollback is being prepared, ``held`` where the plan waits for approval."""

    source: Source
    desired: Desired | None = None
    plan: Plan | None = None
    error: Condition | None = None
    unplanned: Condition | None = None
    gate: Gate = OPEN
    approval: PlanStanding = NOTHING_SHOWN
    held: bool = False
    drift: Drift | None = None
    agreed: str = ""
    trial: Trial | None = None
    going_back: bool = False
    shown: ApplicationStatus | None = None
    asked: dict[int, Asked] = field(default_factory=dict)
    watching: asyncio.Task[None] | None = None
    syncing: asyncio.Task[None] | None = None
    terminated: bool = False
    statuses: KnownStatuses = field(default_factory=KnownStatuses)

    @property
    def config(self) -> ApplicationConfig:
        """What the configuration says of it."""
        return self.source.config

    @property
    def rules(self) -> Rules:
        """How it is retried and healed."""
        sync = self.config.sync
        return Rules(sync.retry, sync.heal, sync.self_heal)

    def policy(
        self,
        shared: Policy,
        intent: Intent,
        names: tuple[str, ...],
        now: datetime,
        request: SyncRequest | None = None,
    ) -> Policy:
        """What planning it depends on; ``shared`` holds for the whole runtime, ``names`` are all
        applications."""
        changes = change_policy(self.config.sync, intent, names, now)
        return replace(shared, changes=asked_policy(changes, request) if request else changes)

    def status(self, live: LiveState, intent: Intent, last: SyncRecord | None) -> ApplicationStatus:
        """What people see of it."""
        sync = self.config.sync
        shown = self.approval
        where = Position(sync.auto, self.gate, self.drift, intent.pin, sync.prune.mode, shown, self.held)
        error = self.error or self.unplanned
        known = self.statuses
        return application_status(self.source.shown, self.desired, live, self.plan, error, last, where, known)

    def compare(self, status: ApplicationStatus, now: datetime) -> None:
        """Keep since when it is out of sync, and who moved it."""
        synced = status.sync == "Synced"
        if synced:
            self.agreed = status.revision
        if status.sync != "Unknown":
            self.drift = follow_drift(
                self.drift, synced=synced, revision=status.revision, agreed=self.agreed, now=now
            )

    def standing(self, intent: Intent) -> Standing:
        """What applications that depend on it need to know."""
        if self.shown is None:
            return Standing(False, "Unknown")
        source = None if intent.pin is not None else (self.config.repository, self.config.revision)
        read = self.desired.revision if self.desired is not None else ""
        return Standing(self.shown.sync == "Synced", self.shown.health, source, read, self.shown.revision)

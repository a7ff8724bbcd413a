"""What people ask, and who answers: a controller through its API, or the same pure functions without one.

The commands know only this protocol, so that there is one way of showing things. The values are those
of the core; nothing here renders.
"""

from collections.abc import Mapping
from typing import Protocol

from placement.inventory import ReplicaId
from reconciler.listing import Object
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Explanation
from reconciler.status import ApplicationStatus, SyncRecord
from schemas.resource import ResourceKey


class Answers(Protocol):
    """Answers about one state folder. Every method may raise a MoorageError."""

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name."""

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application; InputError ``ApplicationNotFound``."""

    def history(self, name: str) -> tuple[SyncRecord, ...]:
        """The syncs of an application, newest first."""

    def plan(self, name: str) -> Plan:
        """What a sync of the application would do now."""

    def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is where it is; InputError ``ResourceNotFound``."""

    def rebalance(self, max_moves: int) -> Plan:
        """What a rebalance with so many moves would do now; WaitError ``SyncPending``."""

    def objects(self, kind: str, namespace: str | None) -> tuple[Object, ...]:
        """Applied resources of one kind, in one namespace or all, by key."""

    def inventory(self) -> Object:
        """What lives now, as an inventory file: ``docs/inventory.schema.json``."""

    def log(self, replica: ReplicaId, lines: int) -> str:
        """The end of a server replica's log; InputError ``LogNotFound``."""

    def listeners(self) -> Mapping[str, str]:
        """The gateway's URL by namespace."""


def application_of(answers: Answers, model: ResourceKey) -> str:
    """The application that wants ``model``, or else the first one: the one to ask about it."""
    statuses = answers.applications()
    for status in statuses:
        if any(resource.key == model for resource in status.resources):
            return status.name
    return next((status.name for status in statuses if status.repository), statuses[0].name)

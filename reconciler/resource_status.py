"""Sync status and health of one resource that Git wants. Pure.

Of most models a plan says nothing, and nothing about them has moved: what was said of them last is said
again, as the very same value, so that telling what differs is cheap too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from placement.inventory import ReplicaId
from reconciler.health import Health, Observation, health
from runtime.state import LiveModelReplica
from schemas.resource import Resource, ResourceKey
from schemas.specs import ModelSpec

SyncStatus = Literal["Synced", "OutOfSync", "Unknown"]


@dataclass(frozen=True)
class ResourceStatus:
    """One resource as people see it; ``file`` and ``line`` say where Git declares it."""

    key: ResourceKey
    sync: SyncStatus
    health: Health
    file: str = ""
    line: int = 0


def wanted_status(resource: Resource, seen: Observation) -> ResourceStatus:
    """The status of a resource that Git wants."""
    state = health(resource, seen)
    name = (resource.key.namespace, resource.key.name)
    moving = (
        resource.key in seen.changing
        or resource.key in seen.held
        or (resource.key.kind == "Model" and name in seen.moving)
        or (resource.key.kind == "Server" and name in seen.server_moves)
    )
    sync: SyncStatus = "OutOfSync" if moving else "Synced"
    return ResourceStatus(resource.key, sync, state, resource.origin.file, resource.origin.line)


class KnownStatuses:
    """What was said of an application's quiet models last: those that are applied and that the plan does not
    name. It depends on their manifest, their replicas and the states of servers alone."""

    def __init__(self) -> None:
        self._states: Mapping[ReplicaId, str] = {}
        self._said: dict[ResourceKey, tuple[Resource, Sequence[LiveModelReplica], ResourceStatus]] = {}

    def look(self, seen: Observation) -> None:
        """Begin another pass over all resources."""
        if seen.states != self._states:
            self._states, self._said = seen.states, {}

    def status(self, resource: Resource, seen: Observation) -> ResourceStatus:
        """The status of one resource."""
        key = resource.key
        name = (key.namespace, key.name)
        if not isinstance(resource.spec, ModelSpec) or name in seen.named or key not in seen.applied:
            return wanted_status(resource, seen)
        entries = seen.models.get(name, ())
        known = self._said.get(key)
        if known is None or known[0] is not resource or known[1] != entries:
            known = self._said[key] = (resource, entries, wanted_status(resource, seen))
        return known[2]

    def forget(self, wanted: int) -> None:
        """Keep no more than twice what is wanted now: models come and go."""
        if len(self._said) > 2 * wanted:
            self._said = {}

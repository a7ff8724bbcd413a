"""What model replicas occupy on server replicas: memory and whatever else servers and models name. Pure.

A live entry knows the bytes of one instance; how often it is there is a fact of the server replica, and
what else it takes stands in its manifest. Amounts are by name, ``memory`` in bytes (no resource may be
called that) and resources in thousandths.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from placement.inventory import ReplicaId
from runtime.state import LiveModelReplica, LiveState
from schemas.placement_annotations import Resources
from schemas.template import ServerTemplate

MEMORY: Final = "memory"

Amounts = Mapping[str, int]

_WORKERS = "MLSERVER_PARALLEL_WORKERS"
_MOST_DIGITS = 4


def declared_instances(template: ServerTemplate) -> int:
    """How often a replica of that template loads each model: its parallel workers, 1 where none are set."""
    text = template.environment.get(_WORKERS, "").strip()
    readable = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return max(1, int(text)) if readable else 1


@dataclass(frozen=True)
class Occupation:
    """``instances`` by server replica and ``resources`` by (namespace, model); 1 and none where unnamed.
    Mostly nothing is named, and then nothing is looked up: a plan asks this of every live entry."""

    instances: Mapping[ReplicaId, int]
    resources: Mapping[tuple[str, str], Resources]

    def memory_of(self, entry: LiveModelReplica) -> int:
        """Bytes of all instances; a failed load occupies none."""
        if entry.state == "LoadFailed":
            return 0
        return entry.memory * (self.instances.get(entry.replica, 1) if self.instances else 1)

    def resources_of(self, entry: LiveModelReplica) -> Resources:
        """What it takes beside memory."""
        if entry.state == "LoadFailed":
            return ()
        return self.resources.get((entry.namespace, entry.model), ())

    def used(self, models: Iterable[LiveModelReplica]) -> dict[ReplicaId, dict[str, int]]:
        """What the models occupy together, by server replica."""
        used: dict[ReplicaId, dict[str, int]] = {}
        for entry in models:
            on = used.setdefault(entry.replica, {MEMORY: 0})
            on[MEMORY] += self.memory_of(entry)
            if self.resources:
                for name, amount in self.resources_of(entry):
                    on[name] = on.get(name, 0) + amount
        return used

    def used_in(self, live: LiveState) -> dict[ReplicaId, dict[str, int]]:
        """As :meth:`used` of all that lives; only models that name resources are looked at one by one."""
        used = {
            replica: {MEMORY: memory * self.instances.get(replica, 1)}
            for replica, memory in live.memory.items()
        }
        for entry in (entry for name in self.resources for entry in live.by_model.get(name, ())):
            on = used[entry.replica]
            for name, amount in self.resources_of(entry):
                on[name] = on.get(name, 0) + amount
        return used

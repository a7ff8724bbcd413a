"""What exists: server replicas with their memory, capabilities and what is loaded on them.

Pure values. The live inventory comes from a runtime, a projected one from the planner, an exported
one from a file; the engine cannot tell them apart. Memory is in bytes throughout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from schemas.placement_annotations import Resources

ReplicaState = Literal["Pending", "Ready", "Restarting", "Draining", "Lost"]
LoadState = Literal["Loading", "Loaded", "LoadFailed", "Unloading"]


@dataclass(frozen=True, order=True)
class ReplicaId:
    """Identity of a server replica; a process id and ports belong to an incarnation, not to it."""

    namespace: str
    server: str
    index: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.server}/{self.index}"


@dataclass(frozen=True)
class LoadedModel:
    """One version of one model on one server replica. ``version`` is the digest of its spec; ``memory``
    and ``resources`` are what it occupies there, all instances together.

    ``LoadFailed`` means that all retries are used up: the replica is rejected for this version until
    manifest, artifact or replica changes. A failed load occupies no memory.
    """

    model: str
    version: str
    memory: int
    state: LoadState
    message: str = ""
    resources: Resources = ()


@dataclass(frozen=True)
class ServerReplica:
    """One replica. ``reserved`` bytes are promised to loads that have been requested elsewhere;
    ``unlisted`` bytes and ``unlisted_resources`` are used by models that are served and need not be named
    in ``loaded``. ``resources`` is the capacity of what is named beside memory. A model is loaded
    ``instances`` times (parallel workers) and occupies its memory as often."""

    index: int
    state: ReplicaState
    capabilities: tuple[str, ...]
    memory_capacity: int
    overcommit_percent: int
    reserved: int = 0
    loaded: tuple[LoadedModel, ...] = ()
    unlisted: int = 0
    resources: Resources = ()
    unlisted_resources: Resources = ()
    instances: int = 1

    def __post_init__(self) -> None:
        if self.instances < 1:
            raise ValueError(
                f"replica {self.index} has {self.instances} instances of a model, not at least 1"
            )

    @cached_property
    def capability_set(self) -> frozenset[str]:
        """The capabilities, for questions about many models."""
        return frozenset(self.capabilities)

    @property
    def used(self) -> int:
        """Bytes that loaded, loading and unloading models occupy."""
        return self.unlisted + sum(entry.memory for entry in self.loaded if entry.state != "LoadFailed")

    @property
    def limit(self) -> int:
        """Capacity with overcommit: capacity × (1 + percent ÷ 100), rounded down."""
        return self.memory_capacity + self.memory_capacity * self.overcommit_percent // 100

    @property
    def free(self) -> int:
        """Bytes that a further model may ask for, never below 0."""
        return max(0, self.limit - self.used - self.reserved)

    @cached_property
    def used_resources(self) -> Resources:
        """What loaded, loading and unloading models occupy beside memory."""
        amounts = dict(self.unlisted_resources)
        for entry in self.loaded:
            if entry.resources and entry.state != "LoadFailed":
                for name, amount in entry.resources:
                    amounts[name] = amounts.get(name, 0) + amount
        return tuple(sorted(amounts.items()))

    @cached_property
    def free_resources(self) -> Resources:
        """What is left of each declared resource, never below 0. What is not declared has nothing to give."""
        if not self.resources:
            return ()
        used = dict(self.used_resources)
        return tuple((name, max(0, amount - used.get(name, 0))) for name, amount in self.resources)


@dataclass(frozen=True)
class Server:
    """A server and its replicas in index order. ``expected_replicas`` −1 means unknown."""

    namespace: str
    name: str
    expected_replicas: int
    replicas: tuple[ServerReplica, ...]
    shared: bool = True

    def replica_id(self, index: int) -> ReplicaId:
        """The identity of one of this server's replicas."""
        return ReplicaId(self.namespace, self.name, index)


@dataclass(frozen=True)
class Inventory:
    """All servers, sorted by namespace and name."""

    servers: tuple[Server, ...] = ()

    def in_namespace(self, namespace: str) -> Iterator[Server]:
        """The servers that models of ``namespace`` may use, in name order."""
        return (server for server in self.servers if server.namespace == namespace)

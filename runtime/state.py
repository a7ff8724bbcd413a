"""Live state: what a runtime reports of the world, as values.

On one machine it is a durable record joined with running processes; on Kubernetes it is the API
server's answer. It is the second input of the planner (the first is Git), so it holds facts only:
no judgement about health and nothing that a plan must not depend on (ports, process ids, times).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from placement.inventory import LoadState, ReplicaId, ReplicaState
from runtime.routes import Route
from schemas.codec import Digested, joined
from schemas.resource import Resource, ResourceKey
from schemas.template import ServerTemplate


@dataclass(frozen=True)
class AppliedResource:
    """A resource as it was last applied, who owns it (an application's name, or ``configuration``)."""

    resource: Resource
    owner: str


@dataclass(frozen=True)
class LiveServerReplica(Digested):
    """One server replica as it runs. ``template`` is what it was started from; ``capabilities`` what
    its environment really offers of it. ``reserved`` bytes are taken by what is not listed as loaded;
    one that is not ``shared`` takes only models that name its server."""

    not_digested = ("message",)

    id: ReplicaId
    state: ReplicaState
    template: ServerTemplate
    capabilities: tuple[str, ...]
    reason: str = ""
    message: str = ""
    reserved: int = 0
    shared: bool = True


@dataclass(frozen=True)
class LiveModelReplica(Digested):
    """One model version on one server replica. ``version`` is the spec digest, ``number`` the ``_N`` of
    ``<model>_<N>``; ``memory`` is bytes of one instance (how many there are is a fact of the server replica);
    ``attempt`` facts of a failed load stand in ``message``."""

    not_digested = ("message",)

    namespace: str
    model: str
    version: str
    number: int
    replica: ReplicaId
    memory: int
    state: LoadState
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class EnvironmentFacts:
    """Whether this runtime can run servers of one ServerConfig, and what such a server would offer.

    ``runtimes`` lists the capability tags that name an inference runtime and are installed;
    ``reason`` and ``message`` are set where no server can be run.
    """

    server_config: str
    runnable: bool
    runtimes: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class LiveState:
    """Everything the planner may know of the world. All tuples are sorted by identity.

    What is asked of it by every plan and every status is worked out once: with many applications one
    state is planned against many times.
    """

    resources: tuple[AppliedResource, ...] = ()
    servers: tuple[LiveServerReplica, ...] = ()
    models: tuple[LiveModelReplica, ...] = ()
    routes: tuple[Route, ...] = ()
    environments: Mapping[str, EnvironmentFacts] = field(default_factory=dict)

    @cached_property
    def applied(self) -> Mapping[ResourceKey, AppliedResource]:
        """What is applied, by key."""
        return {entry.resource.key: entry for entry in self.resources}

    @cached_property
    def manifests(self) -> Mapping[ResourceKey, Resource]:
        """The applied resources, sorted by key."""
        return {key: self.applied[key].resource for key in sorted(self.applied)}

    @cached_property
    def owned(self) -> Mapping[str, Mapping[ResourceKey, AppliedResource]]:
        """What is applied, by owner and key."""
        owned: dict[str, dict[ResourceKey, AppliedResource]] = {}
        for key, entry in self.applied.items():
            owned.setdefault(entry.owner, {})[key] = entry
        return owned

    @cached_property
    def by_model(self) -> Mapping[tuple[str, str], Sequence[LiveModelReplica]]:
        """The replicas of each (namespace, model), in order."""
        by_model: dict[tuple[str, str], list[LiveModelReplica]] = {}
        for entry in self.models:
            by_model.setdefault((entry.namespace, entry.model), []).append(entry)
        return by_model

    @cached_property
    def memory(self) -> Mapping[ReplicaId, int]:
        """Bytes of one instance of every model on each server replica that has an entry; failed loads occupy
        none."""
        memory: dict[ReplicaId, int] = {}
        for entry in self.models:
            occupied = 0 if entry.state == "LoadFailed" else entry.memory
            memory[entry.replica] = memory.get(entry.replica, 0) + occupied
        return memory

    @cached_property
    def routed(self) -> Mapping[tuple[str, str], Route]:
        """The routes by (namespace, name)."""
        return {(route.namespace, route.name): route for route in self.routes}

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """One digest of each of its parts, for telling whether it is what it was."""
        return {
            "resources": joined(entry.owner + entry.resource.digest for entry in self.resources),
            "servers": joined(entry.digest for entry in self.servers),
            "models": joined(entry.digest for entry in self.models),
            "routes": joined(route.digest for route in self.routes),
        }

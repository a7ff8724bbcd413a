"""Live state: what a runtime reports of the world, as values.

On one machine it is a durable record joined with running processes; on Kubernetes it is the API
server's answer. It is the second input of the planner (the first is Git), so it holds facts only:
no judgement about health and nothing that a plan must not depend on (ports, process ids, times).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placement.inventory import LoadState, ReplicaId, ReplicaState
from runtime.routes import Route
from schemas.codec import Digested
from schemas.resource import Resource
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
    """Everything the planner may know of the world. All tuples are sorted by identity."""

    resources: tuple[AppliedResource, ...] = ()
    servers: tuple[LiveServerReplica, ...] = ()
    models: tuple[LiveModelReplica, ...] = ()
    routes: tuple[Route, ...] = ()
    environments: Mapping[str, EnvironmentFacts] = field(default_factory=dict)

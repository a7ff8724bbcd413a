"""The only ways in which a runtime changes the world. A plan is executed as a list of these.

Every operation is idempotent: doing it again after a crash gives the same world. Each says what it
needs and nothing about when: the order is the executor's, worked out from the plan.
"""

from dataclasses import dataclass
from typing import Literal

from placement.inventory import ReplicaId
from runtime.routes import Route
from schemas.resource import Resource, ResourceKey
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate


@dataclass(frozen=True)
class RecordResource:
    """Write down that ``resource`` is applied and who owns it; starts nothing by itself."""

    resource: Resource
    owner: str


@dataclass(frozen=True)
class ForgetResource:
    """Remove a resource from the record, with what is kept about its versions."""

    key: ResourceKey


@dataclass(frozen=True)
class StartServerReplica:
    """Bring a server replica up and return once it is Ready."""

    replica: ReplicaId
    template: ServerTemplate


@dataclass(frozen=True)
class ReplaceServerReplica:
    """Start a new incarnation beside the old one, load what the old one holds, route, end the old."""

    replica: ReplicaId
    template: ServerTemplate


@dataclass(frozen=True)
class StopServerReplica:
    """End a server replica; what is still loaded on it is gone afterwards."""

    replica: ReplicaId


@dataclass(frozen=True)
class LoadModel:
    """Fetch the artifact if need be, load it, and return once the model is ready there.

    ``version`` is the digest of ``spec`` without replica counts; the runtime gives it its number.
    """

    namespace: str
    model: str
    version: str
    spec: ModelSpec
    replica: ReplicaId


@dataclass(frozen=True)
class UnloadModel:
    """Unload one version from one replica, after the grace for requests under way."""

    namespace: str
    model: str
    version: str
    replica: ReplicaId


@dataclass(frozen=True)
class SetRoutes:
    """Set and delete routes by (namespace, name); returns once the gateway uses them."""

    set: tuple[Route, ...] = ()
    delete: tuple[tuple[str, str], ...] = ()


Operation = (
    RecordResource
    | ForgetResource
    | StartServerReplica
    | ReplaceServerReplica
    | StopServerReplica
    | LoadModel
    | UnloadModel
    | SetRoutes
)


@dataclass(frozen=True)
class Result:
    """How an operation ended. ``reason`` is a CamelCase word where it failed."""

    status: Literal["done", "failed"]
    reason: str = ""
    message: str = ""

"""What the record of one machine holds, as values. Where and how they are kept is the record's business."""

from dataclasses import dataclass

from placement.inventory import LoadState, ReplicaId
from runtime.ports import Endpoint
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

VersionKey = tuple[str, str, str]
"""Namespace, model, version digest."""


@dataclass(frozen=True)
class ServerRow:
    """A server replica that shall run (or shall be gone: ``stopping``). ``template`` is what the next
    incarnation is started from, ``generation`` counts its folders, ``served`` says whether it was ever
    Ready, ``capabilities`` what it offered then."""

    id: ReplicaId
    template: ServerTemplate
    generation: int = 0
    served: bool = False
    stopping: bool = False
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class ModelAt:
    """One model version on one server replica; sorts by namespace, model, version, replica."""

    namespace: str
    model: str
    version: str
    replica: ReplicaId

    @property
    def version_key(self) -> VersionKey:
        """The version that this is a replica of."""
        return (self.namespace, self.model, self.version)


@dataclass(frozen=True)
class ModelRow:
    """A model replica that shall be there, or whose load failed for good.

    ``judged_on`` is the artifact digest that failed (empty where none could be had); ``crashed`` says
    that the server ended during the last try, so that its restart is no reason to try again.
    """

    at: ModelAt
    state: LoadState
    reason: str = ""
    message: str = ""
    judged_on: str = ""
    crashed: bool = False


@dataclass(frozen=True)
class Version:
    """``number`` is the ``_N`` of ``<model>_<N>``; ``artifact`` the digest bound at the first good load."""

    version: str
    number: int
    spec: ModelSpec
    artifact: str | None = None


@dataclass(frozen=True)
class ModelVersions:
    """Every version of one model that was ever asked for, in order of number."""

    namespace: str
    model: str
    versions: tuple[Version, ...]

    def find(self, version: str) -> Version | None:
        """The version of that digest."""
        return next((entry for entry in self.versions if entry.version == version), None)


@dataclass(frozen=True)
class IncarnationRow:
    """What one process of a server replica was started with; ``generation`` names its folder."""

    replica: ReplicaId
    endpoint: Endpoint
    template: ServerTemplate
    generation: int


@dataclass(frozen=True)
class ProcessRow:
    """A process that was or is about to be spawned: written before, completed with its pid after.

    ``server`` is None for the gateway. ``current`` is False for an incarnation beside the one that
    serves.
    """

    token: str
    server: IncarnationRow | None = None
    current: bool = True
    pid: int = 0
    started: int = 0

"""The runtime's seams: one small protocol per outside thing.

``Runtime`` is what the reconciler knows. The other three are what a runtime is made of; adapters
implement them without knowing each other, and the composition root joins them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runtime.operations import Operation, Result
from runtime.state import EnvironmentFacts, LiveState
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate


class Runtime(Protocol):
    """A world that models are served in. Knows nothing of Git."""

    async def observe(self) -> LiveState:
        """The live state now."""

    async def apply(self, operation: Operation) -> Result:
        """Do one operation. A failure is a result, never an exception, except for StopError."""

    def changes(self) -> AsyncIterator[None]:
        """Yields when the live state may have changed by itself: a hint to observe."""


@dataclass(frozen=True, order=True)
class Endpoint:
    """Where one incarnation of a server replica listens, on loopback."""

    host: str
    http_port: int
    grpc_port: int


@dataclass(frozen=True)
class Upstream:
    """One member of a route as the gateway needs it: ``model`` is the name on the wire
    (``iris_1``), ``endpoints`` are sorted."""

    model: str
    weight: int
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class GatewayRoute:
    """What ``seldon-model: name`` reaches on the listener of ``namespace``. ``mirror`` weighs in percent."""

    namespace: str
    name: str
    upstreams: tuple[Upstream, ...]
    mirror: Upstream | None = None
    sticky: bool = False


@dataclass(frozen=True)
class GatewayTable:
    """The whole routing table: listeners (namespace → port) and routes sorted by (namespace, name)."""

    listeners: Mapping[str, int]
    routes: tuple[GatewayRoute, ...] = ()


class Gateway(Protocol):
    """A proxy that routes by table. Tables are whole; writers are coalesced."""

    def command(self) -> Sequence[str]:
        """The argument list of the process to run and supervise; writes what the process needs to start."""

    async def publish(self, table: GatewayTable) -> int:
        """Make ``table`` the wanted one and return its version, which can be awaited."""

    async def settled(self, version: int) -> None:
        """Return once the proxy routes by ``version`` or a later one; TransientError after a bound."""

    async def drain(self) -> None:
        """Accept nothing more; return when no request is under way, or after a bound."""

    async def close(self) -> None:
        """Stop writing; the proxy goes on by what it was told last."""


class InferenceServer(Protocol):
    """One running inference server, spoken to by the Open Inference Protocol."""

    async def live(self) -> bool:
        """True where the server answers its liveness probe."""

    async def model_ready(self, model: str) -> bool:
        """True where ``model`` (``iris_1``) answers its readiness probe."""

    async def load(self, model: str) -> None:
        """Load from the model repository; TransientError or InputError where it fails."""

    async def unload(self, model: str) -> None:
        """Unload; a model that is not loaded is no error."""

    async def loaded(self) -> tuple[str, ...]:
        """Names of the models that are loaded now, sorted."""


@dataclass(frozen=True)
class Artifact:
    """A fetched artifact in the content-addressed cache. ``digest`` covers every path and byte."""

    digest: str
    folder: Path


class ArtifactStore(Protocol):
    """Fetches what ``storageUri`` names."""

    async def fetch(self, storage_uri: str, secret_name: str | None, namespace: str) -> Artifact:
        """Fetch into the cache. InputError: not allowed or not there; TransientError: try again."""

    def cached(self, digest: str) -> Artifact | None:
        """The artifact of that digest, if the cache still holds it intact."""


@dataclass(frozen=True)
class Command:
    """A child process to run: argument list, complete environment, working folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


class ServerProgram(Protocol):
    """An inference server program of one ServerConfig (MLServer from an environment of its own)."""

    def facts(self) -> EnvironmentFacts:
        """What it can run on this machine; known without building anything."""

    async def prepare(self) -> None:
        """Build the environment if it is not there yet, once however many ask; TransientError or
        InputError where that fails."""

    def command(self, folder: Path, endpoint: Endpoint, template: ServerTemplate) -> Command:
        """Write what the server needs below ``folder`` (settings, ``models/``) and say how to start it."""

    def connect(self, endpoint: Endpoint) -> InferenceServer:
        """A client for the server that listens at ``endpoint``."""

    def lay(self, folder: Path, artifact: Artifact, model: str, number: int, spec: ModelSpec) -> None:
        """Put ``<model>_<number>`` into the model repository below ``folder``; InputError where the
        artifact cannot be served by this program. Replaces what a broken attempt left."""

    def remove(self, folder: Path, model: str, number: int) -> None:
        """Take ``<model>_<number>`` out of the model repository; absent is no error."""

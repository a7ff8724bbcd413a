"""Stand-ins for what a local runtime is made of: program, artifact store, gateway.

The program starts real processes (:mod:`tests.fakes.oip_server`), so that supervision is tested on what
it supervises; only what they serve is made up.
"""

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from placement.inventory import ReplicaId
from runtime.ports import Artifact, Command, Endpoint, GatewayTable
from runtime.state import EnvironmentFacts
from schemas.errors import InputError, StopError, TransientError
from schemas.specs import ModelSpec
from schemas.template import ServerTemplate

ROOT = Path(__file__).parents[2]


class FakeServer:
    """A client of one :mod:`tests.fakes.oip_server`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def live(self) -> bool:
        try:
            return (await self._call("GET", "/v2/health/live"))[0] == 200
        except TransientError:
            return False

    async def model_ready(self, model: str) -> bool:
        try:
            return (await self._call("GET", f"/v2/models/{model}/ready"))[0] == 200
        except TransientError:
            return False

    async def load(self, model: str) -> None:
        status, body = await self._call("POST", f"/v2/repository/models/{model}/load")
        if status != 200:
            raise TransientError("LoadFailed", body["error"])

    async def unload(self, model: str) -> None:
        await self._call("POST", f"/v2/repository/models/{model}/unload")

    async def loaded(self) -> tuple[str, ...]:
        _, body = await self._call("POST", "/v2/repository/index")
        return tuple(sorted(entry["name"] for entry in body))

    async def infer(self, model: str) -> dict[str, Any]:
        """What the model answers; TransientError where it does not."""
        status, body = await self._call("POST", f"/v2/models/{model}/infer")
        if status != 200:
            raise TransientError("InferFailed", f"{model} answers {status}")
        return dict(body)

    async def _call(self, method: str, path: str) -> tuple[int, Any]:
        try:
            reader, writer = await asyncio.open_connection(self._endpoint.host, self._endpoint.http_port)
            try:
                writer.write(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
        except OSError as error:
            raise TransientError("ServerUnreachable", "the server does not answer") from error
        if not head:
            raise TransientError("ServerUnreachable", "the server hung up")
        return int(head.split()[1]), json.loads(body or b"null")


class FakeProgram:
    """A ``ServerProgram`` whose servers take their faults from ``faults/<namespace>.<server>.<index>/``.

    ``broken`` makes :meth:`prepare` fail; ``prepared`` counts its calls.
    """

    def __init__(self, faults: Path, facts: EnvironmentFacts) -> None:
        self.faults = faults
        self.broken: InputError | TransientError | None = None
        self.prepared = 0
        self._facts = facts

    def facts(self) -> EnvironmentFacts:
        return self._facts

    async def prepare(self) -> None:
        self.prepared += 1
        if self.broken is not None:
            raise self.broken

    def command(self, folder: Path, endpoint: Endpoint, template: ServerTemplate) -> Command:
        (folder / "models").mkdir(parents=True, exist_ok=True)
        namespace, server, index = folder.parts[-4:-1]
        faults = self.fault_folder(ReplicaId(namespace, server, int(index)))
        argv = (
            *(sys.executable, "-m", "tests.fakes.oip_server"),
            *("--folder", str(folder), "--faults", str(faults)),
            *("--http-port", str(endpoint.http_port), "--grpc-port", str(endpoint.grpc_port)),
        )
        return Command(argv, dict(template.environment), ROOT)

    def connect(self, endpoint: Endpoint) -> FakeServer:
        return FakeServer(endpoint)

    def lay(self, folder: Path, artifact: Artifact, model: str, number: int, spec: ModelSpec) -> None:
        if "not-a-model" in spec.storage_uri:
            raise InputError("UnknownArtifact", "this program cannot serve that")
        place = folder / "models" / f"{model}_{number}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(artifact.folder, place)

    def remove(self, folder: Path, model: str, number: int) -> None:
        shutil.rmtree(folder / "models" / f"{model}_{number}", ignore_errors=True)

    def fault_folder(self, replica: ReplicaId) -> Path:
        """Where the faults of one replica are put."""
        folder = self.faults / f"{replica.namespace}.{replica.server}.{replica.index}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class MemoryArtifacts:
    """An ``ArtifactStore`` over ``payloads`` (storageUri → text). ``fetches`` lists what was fetched."""

    def __init__(self, folder: Path) -> None:
        self.payloads: dict[str, str] = {}
        self.failures: dict[str, InputError | TransientError] = {}
        self.fetches: list[str] = []
        self._folder = folder

    async def fetch(self, storage_uri: str, secret_name: str | None, namespace: str) -> Artifact:
        self.fetches.append(storage_uri)
        await asyncio.sleep(0)
        if storage_uri in self.failures:
            raise self.failures[storage_uri]
        if storage_uri not in self.payloads:
            raise InputError("ArtifactNotFound", f"nothing at {storage_uri}")
        payload = self.payloads[storage_uri]
        digest = hashlib.sha256(payload.encode()).hexdigest()
        (self._folder / digest).mkdir(parents=True, exist_ok=True)
        (self._folder / digest / "payload").write_text(payload)
        return Artifact(digest, self._folder / digest)

    def cached(self, digest: str) -> Artifact | None:
        folder = self._folder / digest
        return Artifact(digest, folder) if folder.exists() else None

    def evict(self) -> None:
        """Empty the cache."""
        shutil.rmtree(self._folder, ignore_errors=True)


class RecordingGateway:
    """A ``Gateway`` whose process sleeps and whose ``tables`` can be read; ``broken`` refuses to settle,
    ``refusal`` to start, ``ends`` says how it was ended."""

    def __init__(self) -> None:
        self.tables: list[GatewayTable] = []
        self.settled_versions: list[int] = []
        self.ends: list[str] = []
        self.broken: TransientError | None = None
        self.refusal: StopError | None = None
        self.refused = 0

    def command(self) -> Sequence[str]:
        if self.refusal is not None:
            self.refused += 1
            raise self.refusal
        return ("sleep", "infinity")

    async def publish(self, table: GatewayTable) -> int:
        self.tables.append(table)
        return len(self.tables)

    async def settled(self, version: int) -> None:
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        self.settled_versions.append(version)

    async def drain(self) -> None:
        self.ends.append("drained")

    async def close(self) -> None:
        self.ends.append("closed")

"""A client of one inference server: the control half of the Open Inference Protocol, over HTTP.

Health, the model repository extension (load, unload, index) and metadata. Inference requests never
pass here: they go through the gateway. Server readiness (``/v2/health/ready``) is not offered,
because MLServer 1.7.1 answers it with 200 while nothing can be loaded; liveness and the readiness of
a model are what can be relied on. A server whose model blocks its event loop while loading answers
no probe meanwhile: that is not death.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from runtime.ports import Endpoint
from runtime.serving.text import one_line
from schemas.errors import InputError, MoorageError, TransientError

_BODY_LIMIT = 16 * 1024 * 1024  # bytes; an index of 100,000 models is about 8 MB
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; spares httpx reading the CA bundle per call


@dataclass(frozen=True)
class OipTimeouts:
    """Limits in seconds of one whole call."""

    probe: float = 5.0
    """Liveness, model readiness and metadata: answered from memory."""
    index: float = 30.0
    """The repository index: the server reads every model's settings file."""
    load: float = 7200.0
    """The reference's limit for one load (120 min)."""
    unload: float = 900.0
    """The reference's limit for one unload (15 min)."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def message(self) -> str:
        """What the server said went wrong, made safe to show."""
        try:
            said = json.loads(self.body)
        except ValueError:
            said = self.body.decode(errors="replace")
        if isinstance(said, dict):
            said = said.get("error") or said.get("detail") or said
        return one_line(str(said)) or "no message"


class OipClient:
    """An :class:`~runtime.ports.InferenceServer` at ``endpoint``. Holds no connection between calls."""

    def __init__(self, endpoint: Endpoint, timeouts: OipTimeouts | None = None) -> None:
        self._root = f"http://{endpoint.host}:{endpoint.http_port}/v2"
        self._timeouts = timeouts or OipTimeouts()

    async def live(self) -> bool:
        """True where the server answers its liveness probe in time."""
        return await self._probe("/health/live")

    async def model_ready(self, model: str) -> bool:
        """True where ``model`` answers its readiness probe in time."""
        return await self._probe(f"/models/{quote(model, safe='')}/ready")

    async def load(self, model: str) -> None:
        """Load from the model repository.

        InputError ``ModelNotInRepository`` or ``LoadFailed`` where the server refuses (4xx),
        TransientError ``LoadFailed`` where it fails (5xx), ``ServerUnreachable``, ``ServerTimeout``.
        """
        answer = await self._post(f"/repository/models/{quote(model, safe='')}/load", self._timeouts.load)
        if not answer.ok:
            raise _load_error(model, answer)

    async def unload(self, model: str) -> None:
        """Unload; a model that is not loaded is no error. TransientError ``UnloadFailed`` and as load."""
        answer = await self._post(f"/repository/models/{quote(model, safe='')}/unload", self._timeouts.unload)
        if not answer.ok and answer.status != 404:
            raise TransientError("UnloadFailed", f"{model}: {answer.message()} (HTTP {answer.status})")

    async def loaded(self) -> tuple[str, ...]:
        """Names of the models in the repository that are loaded now, sorted.

        TransientError ``IndexFailed``, ``ServerUnreachable``, ``ServerTimeout``.
        """
        answer = await self._post("/repository/index", self._timeouts.index, {"ready": True})
        said = _decoded(answer) if answer.ok else None
        if not isinstance(said, list):
            raise TransientError("IndexFailed", f"{answer.message()} (HTTP {answer.status})")
        return tuple(sorted(_ready_names(said)))

    async def metadata(self) -> Mapping[str, Any]:
        """The server's metadata: ``name``, ``version``, ``extensions``. TransientError as above."""
        answer = await self._call("GET", "", self._timeouts.probe)
        said = _decoded(answer) if answer.ok else None
        if not isinstance(said, dict):
            raise TransientError("MetadataFailed", f"{answer.message()} (HTTP {answer.status})")
        return said

    async def _probe(self, path: str) -> bool:
        try:
            return (await self._call("GET", path, self._timeouts.probe)).ok
        except TransientError:
            return False

    async def _post(self, path: str, limit: float, body: object | None = None) -> _Answer:
        return await self._call("POST", path, limit, body)

    async def _call(self, method: str, path: str, limit: float, body: object | None = None) -> _Answer:
        try:
            async with (
                asyncio.timeout(limit),
                httpx.AsyncClient(timeout=None, trust_env=False, verify=_PLAIN) as client,  # noqa: S113 (the line above limits the whole call)
                client.stream(method, self._root + path, json=body) as response,
            ):
                return _Answer(response.status_code, await _bounded_body(response))
        except TimeoutError as error:
            message = f"{method} {self._root}{path}: no answer within {limit:g} s"
            raise TransientError("ServerTimeout", message) from error
        except httpx.HTTPError as error:
            message = f"{method} {self._root}{path}: {one_line(str(error)) or type(error).__name__}"
            raise TransientError("ServerUnreachable", message) from error


async def _bounded_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise TransientError("AnswerTooLarge", f"{response.url}: more than {_BODY_LIMIT} bytes")
    return bytes(body)


def _load_error(model: str, answer: _Answer) -> MoorageError:
    message = f"{model}: {answer.message()} (HTTP {answer.status})"
    if answer.status == 404:
        return InputError("ModelNotInRepository", message, "the model repository of this server lacks it")
    hint = "the server's log says more"
    return (TransientError if answer.status >= 500 else InputError)("LoadFailed", message, hint)


def _decoded(answer: _Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _ready_names(entries: Sequence[Any]) -> set[str]:
    return {
        entry["name"]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry.get("state") == "READY"
    }

"""A running controller's API as :class:`~reconciler.answers.Answers`."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from cattrs import BaseValidationError

from placement.inventory import ReplicaId
from reconciler.control.requests import SyncAnswer
from reconciler.listing import Object
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Explanation
from reconciler.planning.rebalancing import RebalanceRun
from reconciler.status import ApplicationStatus, SyncRecord
from schemas.codec import decode
from schemas.errors import InputError, MoorageError, StopError, TransientError, WaitError
from schemas.resource import ResourceKey

T = TypeVar("T")

REBALANCE = "/api/v1/rebalance"

TIMEOUT = httpx.Timeout(120.0, connect=5.0)
"""Seconds. A plan of ten thousand models takes a while; a loopback connection does not."""
LONG = httpx.Timeout(None, connect=5.0)
"""Of a sync, which loads models."""


class ApiClient:
    """Asks the API at ``url``, one connection per question."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def instance(self) -> str | None:
        """The instance id of the controller that answers there; None where nobody of ours does."""
        try:
            value = self._ask("/healthz", {}).json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None
        found = value.get("instance") if isinstance(value, dict) else None
        return found if isinstance(found, str) else None

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name."""
        return tuple(_value(ApplicationStatus, each) for each in self._json("/api/v1/applications")["items"])

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application."""
        return _value(ApplicationStatus, self._json(_path(name)))

    def history(self, name: str) -> tuple[SyncRecord, ...]:
        """The syncs of an application, newest first."""
        items = self._json(_path(name, "history"))["items"]
        return tuple(_value(SyncRecord, each) for each in items)

    def ask_of(self, name: str, verb: str, wish: Mapping[str, Any]) -> Any:
        """Have something done to an application: ``docs/api.md`` lists what, and the fields of ``wish``."""
        return self._told(_path(name, verb), wish, TIMEOUT)

    def sync(self, name: str, wish: Mapping[str, Any], verb: str = "sync") -> SyncAnswer:
        """Sync or delete; returns when it has ended, however long that takes."""
        return _value(SyncAnswer, self._told(_path(name, verb), wish, LONG))

    def plan(self, name: str) -> Plan:
        """What a sync of the application would do now."""
        return _value(Plan, self._json(_path(name, "plan")))

    def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is where it is."""
        return _value(
            Explanation, self._json(_path(name, "explain"), model=f"{model.namespace}/{model.name}")
        )

    def rebalance(self, max_moves: int) -> Plan:
        """What a rebalance with so many moves would do now."""
        return _value(Plan, self._json(REBALANCE, maxMoves=str(max_moves)))

    def ask_rebalance(self, max_moves: int, digest: str) -> RebalanceRun:
        """Have the controller execute the very plan that has that digest; WaitError ``PlanChanged``."""
        return _value(RebalanceRun, self._post(REBALANCE, maxMoves=str(max_moves), digest=digest))

    def rebalance_run(self) -> RebalanceRun:
        """How the last rebalance went, or goes."""
        return _value(RebalanceRun, self._json(f"{REBALANCE}/run"))

    def previews(self) -> list[Object]:
        """How the preview of every pull request stands."""
        return list(self._json("/api/v1/previews")["items"])

    def preview(self, repository: str, number: int) -> Object:
        """One of them, with the whole preview."""
        found: Object = self._json("/api/v1/previews/one", repository=repository, number=str(number))
        return found

    def objects(self, kind: str, namespace: str | None) -> tuple[Object, ...]:
        """Applied resources of one kind."""
        wanted = {"kind": kind, **({"namespace": namespace} if namespace is not None else {})}
        return tuple(self._json("/api/v1/resources", **wanted)["items"])

    def inventory(self) -> Object:
        """What lives now, as an inventory file."""
        found: Object = self._json("/api/v1/inventory")
        return found

    def log(self, replica: ReplicaId, lines: int) -> str:
        """The end of a server replica's log."""
        names = (quote(replica.namespace, safe=""), quote(replica.server, safe=""), str(replica.index))
        return self._get(f"/api/v1/servers/{'/'.join(names)}/log", tail=str(lines)).text

    def listeners(self) -> Mapping[str, str]:
        """The gateway's URL by namespace."""
        found: Mapping[str, str] = self._json("/api/v1/gateway")["listeners"]
        return found

    def _json(self, path: str, **query: str) -> Any:
        try:
            return self._get(path, **query).json()
        except ValueError as error:
            raise self._unexpected(path) from error

    def _post(self, path: str, **query: str) -> Any:
        try:
            return self._send("POST", path, query).json()
        except ValueError as error:
            raise self._unexpected(path) from error

    def _told(self, path: str, wish: Mapping[str, Any], timeout: httpx.Timeout) -> Any:
        try:
            return self._send("POST", path, {}, wish, timeout).json()
        except ValueError as error:
            raise self._unexpected(path) from error

    def _get(self, path: str, **query: str) -> httpx.Response:
        return self._send("GET", path, query)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> httpx.Response:
        try:
            answer = self._ask(path, query, method, body, timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = "start it with `moorage run`, or leave --server away"
            raise TransientError("ControllerUnreachable", f"{self._url}: {error}", hint) from error
        if not answer.is_success:
            raise self._error(path, answer)
        return answer

    def _ask(
        self,
        path: str,
        query: Mapping[str, str],
        method: str = "GET",
        body: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> httpx.Response:
        """Proxies of the environment are not for loopback."""
        url = f"{self._url}{path}"
        return httpx.request(method, url, params=query, json=body, timeout=timeout, trust_env=False)

    def _error(self, path: str, answer: httpx.Response) -> MoorageError:
        try:
            said = answer.json()["error"]
            parts = (str(said["reason"]), str(said["message"]), str(said["hint"]))
        except (ValueError, KeyError, TypeError):
            return self._unexpected(path)
        if answer.status_code in (403, 404, 422):
            return InputError(*parts)
        if answer.status_code == 409:
            return WaitError(*parts)
        return TransientError(*parts) if answer.status_code == 503 else StopError(*parts)

    def _unexpected(self, path: str) -> MoorageError:
        return StopError("UnexpectedAnswer", f"{self._url}{path} did not answer as a controller does")


def _path(application: str, *rest: str) -> str:
    return "/".join(("/api/v1/applications", quote(application, safe=""), *rest))


def _value(cls: type[T], data: Any) -> T:
    try:
        return decode(cls, data)
    except (BaseValidationError, TypeError, KeyError) as error:
        hint = "the command and the controller are of different versions"
        raise StopError(
            "UnexpectedAnswer", f"the controller's {cls.__name__} cannot be read", hint
        ) from error

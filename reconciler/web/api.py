"""The controller's JSON API, on loopback: what the commands show, and a hint to look again.

It reads; what is wanted changes by a commit only. What a person may ask for beside that (a rebalance) is
refused unless it is just what was shown. Keys are camelCase through :mod:`schemas.codec`. Paths and
answers are documented in ``docs/api.md``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from placement.inventory import ReplicaId
from reconciler.control.loop import Controller
from reconciler.inventory.file import written
from reconciler.listing import objects
from reconciler.secrecy import shown_plan
from reconciler.server_log import MAX_LINES, read_log
from reconciler.web.control import control_routes
from reconciler.web.errors import http_error, moorage_error, unexpected_error
from reconciler.web.guard import Guard
from reconciler.web.rebalance import rebalance_routes
from reconciler.web.webhook import CLOSED, Webhook
from reconciler.web.webhook import PATH as WEBHOOK
from schemas.codec import encode
from schemas.errors import InputError, MoorageError
from schemas.resource import KINDS, ResourceKey, key


@dataclass(frozen=True)
class Questions:
    """Whom the API asks: the controller, the log files below ``state``, the gateway's URLs by namespace.

    ``instance`` is repeated by ``/healthz``, so that a client knows whom it reached.
    """

    controller: Controller
    state: Path
    gateway: Mapping[str, str]
    instance: str


def make_app(
    questions: Questions, webhook: Webhook | None = None, signals: Sequence[Route] = ()
) -> Starlette:
    """The ASGI application; ``webhook`` takes the deliveries of Git providers, none refuses all of them;
    ``signals`` are for whoever watches the controller."""
    api = _Api(questions)
    webhook = webhook or Webhook(CLOSED)
    named = "/api/v1/applications/{name}"
    return Starlette(
        routes=[
            Route("/healthz", api.healthz),
            Route("/readyz", api.readyz),
            Route("/api/v1/applications", api.applications),
            Route(named, api.application),
            Route(f"{named}/plan", api.plan),
            Route(f"{named}/diff", api.diff),
            Route(f"{named}/explain", api.explain),
            Route(f"{named}/refresh", api.refresh, methods=["POST"]),
            *control_routes(questions.controller),
            *rebalance_routes(questions.controller),
            Route(WEBHOOK, webhook.take, methods=["POST"]),
            *signals,
            Route("/api/v1/resources", api.resources),
            Route("/api/v1/inventory", api.inventory),
            Route("/api/v1/gateway", api.gateway),
            Route("/api/v1/servers/{namespace}/{server}/{index:int}/log", api.log),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            MoorageError: moorage_error,
            HTTPException: http_error,
            Exception: unexpected_error,
        },
    )


class _Api:
    def __init__(self, questions: Questions) -> None:
        self._controller = questions.controller
        self._questions = questions

    async def healthz(self, _: Request) -> Response:
        return _answer({"status": "ok", "instance": self._questions.instance})

    async def readyz(self, _: Request) -> Response:
        ready = self._controller.ready
        return _answer({"ready": ready}, 200 if ready else 503)

    async def applications(self, _: Request) -> Response:
        return await _encoded({"items": self._controller.applications()})

    async def application(self, request: Request) -> Response:
        return await _encoded(self._controller.application(_name(request)))

    async def plan(self, request: Request) -> Response:
        return await _encoded(shown_plan(await self._controller.plan(_name(request))))

    async def diff(self, request: Request) -> Response:
        plan = shown_plan(await self._controller.plan(_name(request)))
        return await _encoded({"changes": plan.changes, "held": plan.held})

    async def explain(self, request: Request) -> Response:
        return await _encoded(await self._controller.explain(_name(request), _model(request)))

    async def refresh(self, request: Request) -> Response:
        self._controller.hint(_name(request))
        return _answer({"status": "hinted"}, 202)

    async def resources(self, request: Request) -> Response:
        kind, namespace = request.query_params.get("kind"), request.query_params.get("namespace")
        if kind is not None and kind not in KINDS:
            raise InputError("KindNotFound", f"unknown kind {kind[:64]!r}", f"known: {', '.join(KINDS)}")
        live = await self._controller.live()
        statuses, created = self._controller.applications(), self._controller.created()
        found = await asyncio.to_thread(objects, live, statuses, created, kind, namespace)
        return _answer({"apiVersion": "v1", "kind": "List", "items": found})

    async def inventory(self, _: Request) -> Response:
        live, listening = await self._controller.live(), self._questions.gateway
        return await asyncio.to_thread(lambda: _answer(written(live, listening)))

    async def gateway(self, _: Request) -> Response:
        return _answer({"listeners": dict(self._questions.gateway)})

    async def log(self, request: Request) -> Response:
        path = request.path_params
        replica = ReplicaId(path["namespace"], path["server"], path["index"])
        text = await asyncio.to_thread(read_log, self._questions.state, replica, _tail(request))
        return PlainTextResponse(text)


def _answer(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, headers={"Cache-Control": "no-store"})


async def _encoded(value: Any) -> JSONResponse:
    """A value of the core as an answer; made beside the event loop, for some are megabytes."""
    return await asyncio.to_thread(lambda: _answer(encode(value)))


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _model(request: Request) -> ResourceKey:
    namespace, slash, name = request.query_params.get("model", "").partition("/")
    if not (namespace and slash and name):
        raise InputError("InvalidQuery", "the query names no model", "ask ?model=NAMESPACE/NAME")
    return key("Model", namespace[:253], name[:253])


def _tail(request: Request) -> int:
    text = request.query_params.get("tail", "200")
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise InputError("InvalidQuery", f"tail is {text[:20]!r}", f"ask for 0 to {MAX_LINES} lines")
    return int(text)

"""What people ask of applications in the API: syncs, pins, suspensions, confirmations, and their history.

Bodies are JSON objects, read strictly; their size is bounded by :mod:`reconciler.web.guard`. Nothing is
decided here: that is :mod:`reconciler.control.commands`. Who asks is what the caller says, for the record; the API
proves nobody's name.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from cattrs import BaseValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.control.commands import Commands, Who
from reconciler.control.intent import Intent
from reconciler.control.loop import Controller
from reconciler.control.requests import SyncRequest
from schemas.codec import decode, encode
from schemas.errors import InputError
from schemas.resource import ResourceKey

NAMED = "/api/v1/applications/{name}"
LONGEST_NAME, LONGEST_WHY, LONGEST_REVISION = 200, 500, 250
"""Characters."""

_DIGEST = re.compile(r"([0-9a-f]{12,64})?")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who asks, and why."""

    who: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class SyncWish(Wish):
    """A sync; see :class:`~reconciler.control.requests.SyncRequest`. ``async_`` is answered before it has ended."""

    revision: str = ""
    only: tuple[ResourceKey, ...] | None = None
    digest: str = ""
    dry_run: bool = False
    prune: bool = False
    async_: bool = False


@dataclass(frozen=True, kw_only=True)
class PinWish(Wish):
    """Stay at a revision."""

    revision: str


@dataclass(frozen=True, kw_only=True)
class RollbackWish(Wish):
    """Back to what a sync of the history applied; without ``id`` to the last good one before."""

    id: int | None = None


@dataclass(frozen=True, kw_only=True)
class SuspendWish(Wish):
    """Suspend or resume the application, or one resource."""

    resource: ResourceKey | None = None


@dataclass(frozen=True, kw_only=True)
class ConfirmWish(Wish):
    """Let deletes go that wait for a person: all, or some."""

    resources: tuple[ResourceKey, ...] = ()
    hours: int = 24


@dataclass(frozen=True, kw_only=True)
class ApproveWish(Wish):
    """Let the plan go whose digest begins like that."""

    digest: str
    hours: int = 24


@dataclass(frozen=True, kw_only=True)
class OverrideWish(Wish):
    """Open closed sync windows."""

    minutes: int


@dataclass(frozen=True, kw_only=True)
class DeleteWish(Wish):
    """Delete what the application owns."""

    cascade: bool
    digest: str = ""
    dry_run: bool = False


W = TypeVar("W", bound=Wish)


def control_routes(controller: Controller) -> list[Route]:
    """What may be asked of one application beside looking at it."""
    control = _Control(controller)
    asked = {
        "sync": control.sync,
        "terminate": control.terminate,
        "pin": control.pin,
        "unpin": control.unpin,
        "rollback": control.roll_back,
        "suspend": control.suspend,
        "resume": control.resume,
        "confirm": control.confirm,
        "approve": control.approve,
        "override": control.override,
        "delete": control.delete,
    }
    return [
        Route(f"{NAMED}/history", control.history),
        Route(f"{NAMED}/intent", control.intent),
        *(Route(f"{NAMED}/{verb}", endpoint, methods=["POST"]) for verb, endpoint in asked.items()),
    ]


class _Control:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._commands = Commands(controller)

    async def history(self, request: Request) -> Response:
        name = self._controller.followed(_name(request)).config.name
        return await _encoded({"items": self._controller.history.syncs(name)})

    async def intent(self, request: Request) -> Response:
        name = self._controller.followed(_name(request)).config.name
        return await _encoded(self._controller.intents.intent(name))

    async def sync(self, request: Request) -> Response:
        """Answered when it has ended. Who goes away meanwhile does not end it."""
        wish = await _wish(request, SyncWish)
        asked = SyncRequest(
            who=wish.who,
            revision=_revision(wish.revision),
            only=None if wish.only is None else tuple(sorted(wish.only)),
            digest=_digest(wish.digest),
            dry_run=wish.dry_run,
            why=wish.why,
            prune=wish.prune,
        )
        if wish.async_ and not wish.dry_run:
            await self._commands.ask_sync(_name(request), asked)
            return _answer({"status": "asked"}, 202)
        return await _encoded(await self._commands.sync(_name(request), asked))

    async def delete(self, request: Request) -> Response:
        wish = await _wish(request, DeleteWish)
        if not wish.cascade:
            message = "what is followed is the configuration's matter"
            raise InputError("InvalidRequest", message, "cascade: true deletes what the application owns")
        asked = SyncRequest(wish.who, digest=_digest(wish.digest), dry_run=wish.dry_run, why=wish.why)
        return await _encoded(await self._commands.delete(_name(request), asked))

    async def terminate(self, request: Request) -> Response:
        await _wish(request, Wish)
        self._commands.terminate(_name(request))
        return _answer({"status": "terminating"}, 202)

    async def pin(self, request: Request) -> Response:
        wish = await _wish(request, PinWish)
        if not wish.revision:
            raise InputError("InvalidRequest", "revision is empty", "name a branch, tag or commit")
        revision = _revision(wish.revision)
        return await _encoded(await self._commands.pin(_name(request), revision, _who(wish)))

    async def unpin(self, request: Request) -> Response:
        await _wish(request, Wish)
        return await _encoded(self._commands.unpin(_name(request)))

    async def roll_back(self, request: Request) -> Response:
        wish = await _wish(request, RollbackWish)
        return await _encoded(await self._commands.roll_back(_name(request), wish.id, _who(wish)))

    async def suspend(self, request: Request) -> Response:
        wish = await _wish(request, SuspendWish)
        return await _encoded(self._commands.suspend(_name(request), wish.resource, _who(wish)))

    async def resume(self, request: Request) -> Response:
        wish = await _wish(request, SuspendWish)
        return await _encoded(self._commands.resume(_name(request), wish.resource))

    async def confirm(self, request: Request) -> Response:
        wish = await _wish(request, ConfirmWish)
        only = frozenset(wish.resources)
        intent = self._commands.confirm(_name(request), only, _small(wish.hours), _who(wish))
        return await _encoded(intent)

    async def approve(self, request: Request) -> Response:
        wish = await _wish(request, ApproveWish)
        if not wish.digest:
            raise InputError("InvalidRequest", "digest is empty", "name the plan that is meant")
        digest, hours = _digest(wish.digest), _small(wish.hours)
        return await _encoded(self._commands.approve(_name(request), digest, hours, _who(wish)))

    async def override(self, request: Request) -> Response:
        wish = await _wish(request, OverrideWish)
        intent: Intent = self._commands.override_windows(_name(request), _small(wish.minutes), _who(wish))
        return await _encoded(intent)


async def _wish(request: Request, cls: type[W]) -> W:
    """The body as a wish. InputError ``InvalidRequest``."""
    try:
        wish = decode(cls, _object(await request.body()))
    except (BaseValidationError, TypeError, ValueError, RecursionError) as error:
        what = f"the body is no {cls.__name__}: {type(error).__name__}"
        raise InputError("InvalidRequest", what, "docs/api.md has the fields of each request") from error
    if not 0 < len(wish.who) <= LONGEST_NAME or len(wish.why) > LONGEST_WHY:
        bounds = f"who has 1 to {LONGEST_NAME} characters, why at most {LONGEST_WHY}"
        raise InputError("InvalidRequest", bounds)
    return wish


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(data)
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _who(wish: Wish) -> Who:
    return Who(wish.who, wish.why)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _revision(text: str) -> str:
    """A name that may be looked for: Git's own searches (``:/words``) walk the whole history."""
    if len(text) > LONGEST_REVISION or not text.isprintable() or ":" in text or "{" in text:
        raise InputError("InvalidRequest", "revision is no branch, tag or commit", "name one of these")
    return text


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise InputError("InvalidRequest", "digest is none of a plan", "at least its first 12 characters")
    return text


def _small(number: int) -> int:
    """An amount of time that can be counted with; how much is allowed is the command's matter."""
    if not 0 <= number <= 1_000_000:
        raise InputError("InvalidRequest", "that is no amount of time")
    return number


def _answer(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, headers={"Cache-Control": "no-store"})


async def _encoded(value: Any) -> JSONResponse:
    return await asyncio.to_thread(lambda: _answer(encode(value)))

"""Previews of pull requests in the API, and the page that their comments link to. It reads what was made; nothing
is planned here, and nothing can be asked for but another look.
"""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from reconciler.preview.document import PAGE, written
from reconciler.preview.pulls.service import PreviewService
from reconciler.preview.pulls.store import Previewing
from reconciler.preview.rendering.page import page
from schemas.codec import encode
from schemas.errors import InputError

PATH = "/api/v1/previews"
_UNKEPT = {"Cache-Control": "no-store"}
_PAGE_HEADERS = {
    **_UNKEPT,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def preview_routes(service: PreviewService) -> list[Route]:
    """``GET`` of all previews, of one, and of its page."""

    async def listed(_: Request) -> Response:
        return JSONResponse({"items": [summary(each) for each in service.all()]}, headers=_UNKEPT)

    async def whole(request: Request) -> Response:
        repository, number = _named(request)
        said = summary(service.of(repository, number))
        preview = service.preview(repository, number)
        document = await asyncio.to_thread(written, preview)
        return JSONResponse({**said, "preview": document}, headers=_UNKEPT)

    async def shown(request: Request) -> Response:
        repository, number = _named(request)
        preview = service.preview(repository, number)
        text = await asyncio.to_thread(page, preview, f"{repository} #{number}")
        return HTMLResponse(text, headers=_PAGE_HEADERS)

    return [Route(PATH, listed), Route(f"{PATH}/one", whole), Route(PAGE, shown)]


def summary(each: Previewing) -> dict[str, Any]:
    """How one preview stands, without the plans that it showed."""
    return {
        "repository": each.repository,
        "pull": encode(each.pull),
        "at": encode(each.at),
        "verdict": each.verdict,
        "digest": each.digest,
        "basis": each.basis,
        "reason": each.reason,
        "message": each.message,
        "plans": {plan.application: plan.plan.digest for plan in each.plans},
        "syncs": list(each.syncs),
    }


def _named(request: Request) -> tuple[str, int]:
    repository, number = request.query_params.get("repository", ""), request.query_params.get("number", "")
    if not repository or not (number.isascii() and number.isdecimal() and len(number) <= 9):
        hint = "ask ?repository=ADDRESS&number=N"
        raise InputError("InvalidQuery", "the query names no pull request", hint)
    return repository, int(number)

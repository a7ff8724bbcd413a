"""Rebalances in the API: what one would do, asking for it, and how the last one went.

Asking changes the world, so it names the digest of the plan that was shown: any other plan is refused.
Like every request it has no body, and :mod:`reconciler.web.guard` keeps web pages out.
"""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from placement.rebalancing.rebalance import MAX_MOVES
from reconciler.control.loop import Controller
from reconciler.planning.rebalancing import MOST_MOVES
from reconciler.secrecy import shown_plan
from schemas.codec import encode
from schemas.errors import InputError

PATH = "/api/v1/rebalance"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNKEPT = {"Cache-Control": "no-store"}


def rebalance_routes(controller: Controller) -> list[Route]:
    """``GET`` and ``POST`` of the rebalance, ``GET`` of the last run."""

    async def shown(request: Request) -> Response:
        made = shown_plan(await controller.rebalancer.plan(_max_moves(request)))
        return await asyncio.to_thread(lambda: JSONResponse(encode(made), headers=_UNKEPT))

    async def asked(request: Request) -> Response:
        run = await controller.rebalancer.ask(_max_moves(request), _digest(request))
        return JSONResponse(encode(run), 202, headers=_UNKEPT)

    async def last(_: Request) -> Response:
        return JSONResponse(encode(controller.rebalancer.run()), headers=_UNKEPT)

    return [
        Route(PATH, shown, methods=["GET"]),
        Route(PATH, asked, methods=["POST"]),
        Route(f"{PATH}/run", last),
    ]


def _max_moves(request: Request) -> int:
    text = request.query_params.get("maxMoves", str(MAX_MOVES))
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_MOVES):
        raise InputError("InvalidQuery", f"maxMoves is {text[:20]!r}", f"ask for 1 to {MOST_MOVES} moves")
    return int(text)


def _digest(request: Request) -> str:
    text = request.query_params.get("digest", "")
    if not _DIGEST.fullmatch(text):
        raise InputError(
            "InvalidQuery",
            "the query names no plan",
            f"POST {PATH}?maxMoves=N&digest=DIGEST of what GET showed",
        )
    return text

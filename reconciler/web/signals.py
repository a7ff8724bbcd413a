"""What watchers ask the controller: its metrics and what has happened. It is answered from what was told;
nothing is planned."""

from datetime import UTC, datetime

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.control.loop import Controller
from reconciler.observability.moment import Moment
from reconciler.observability.watchers import Watchers
from reconciler.source.webhooks.counts import Counts
from schemas.codec import encode
from schemas.errors import InputError

_UNKEPT = {"Cache-Control": "no-store"}


def signal_routes(
    controller: Controller, deliveries: Counts, watching: Watchers, instance: str
) -> list[Route]:
    """``GET`` of the metrics and of the notices; ``instance`` is what their numbers belong to."""

    metrics, board = watching.metrics, watching.board

    async def scraped(_: Request) -> Response:
        moment = Moment(
            datetime.now(UTC), controller.names, controller.queued, deliveries.received(), board.sent()
        )
        return Response(metrics.text(moment), headers={**_UNKEPT, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def happened(request: Request) -> Response:
        name = request.query_params.get("application")
        if name is not None:
            controller.followed(name)
        items = [{"id": each.id, **encode(each.notice)} for each in board.feed.since(_since(request), name)]
        return JSONResponse({"instance": instance, "last": board.feed.last, "items": items}, headers=_UNKEPT)

    return [Route("/metrics", scraped), Route("/api/v1/events", happened)]


def _since(request: Request) -> int:
    text = request.query_params.get("since", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise InputError(
            "InvalidQuery", f"since is {text[:20]!r}", "ask for what came after an id: ?since=ID"
        )
    return int(text)

"""What watchers ask the controller: ``GET /metrics``. It answers from what was told, and plans nothing."""

from datetime import UTC, datetime

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.loop import Controller
from reconciler.observability.metrics import Metrics
from reconciler.observability.moment import Moment
from reconciler.source.webhooks.counts import Counts


def signal_routes(controller: Controller, deliveries: Counts, metrics: Metrics) -> list[Route]:
    """``GET`` of the metrics."""

    async def scraped(_: Request) -> Response:
        moment = Moment(datetime.now(UTC), controller.names, controller.queued, deliveries.received())
        headers = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return Response(metrics.text(moment), headers=headers)

    return [Route("/metrics", scraped)]

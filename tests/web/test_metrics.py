"""``GET /metrics`` of a running controller."""

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.controller import PATIENCE, RunningController


def scraped(api: httpx.Client) -> dict[tuple[str, str], float]:
    """Values by (name, application)."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    return {(s.name, s.labels.get("application", "")): s.value for f in families for s in f.samples}


def test_a_scrape_shows_a_sync(api: httpx.Client):
    """Prometheus' own parser reads it: one sync, some reads and plans, one application."""
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = scraped(api)
    assert found["moorage_app_sync_total", "example"] == 1
    assert found["moorage_source_requests_total", "example"] >= 1
    assert (
        'moorage_app_info{application="example",auto="true",health_status="Degraded",sync_status="Synced"}'
        in (answer.text)
    )


def test_a_source_that_comes_back_is_shown_so(api: httpx.Client, controller: RunningController):
    """At the same revision too, where nothing has to be planned anew."""
    away = controller._repository.with_name("away")
    controller._repository.rename(away)
    shown(api, controller, "Unknown")
    away.rename(controller._repository)
    shown(api, controller, "Synced")


def shown(api: httpx.Client, controller: RunningController, sync: str) -> None:
    """Have the source looked at, and wait until the scrape says so."""
    controller.controller_hint()
    end = time.monotonic() + PATIENCE
    while f'sync_status="{sync}"' not in api.get("/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.02)

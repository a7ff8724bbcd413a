"""Traces: which spans are made of what is told, by the SDK's own exporter in memory."""

import asyncio
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from reconciler.observability.tracing import SECOND, Tracing, exporting
from reconciler.planning.order import Step
from runtime.operations import Result
from tests.observability.stories import plan, record

NOW = 1_000 * SECOND


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    made = Tracing(SimpleSpanProcessor(exporter), lambda: NOW)
    yield made
    asyncio.run(made.close())


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def step(name: str) -> Step:
    return Step(name, None)


def test_a_read_is_a_span_of_its_length(tracing, exporter):
    """It ended when it was told, and began that much earlier."""
    tracing.source_read("shop", 2.5, "")
    read = spans(exporter)["read"]
    assert (read.start_time, read.end_time) == (NOW - 5 * SECOND // 2, NOW)
    assert dict(read.attributes) == {"moorage.application": "shop"}
    assert read.status.status_code is StatusCode.UNSET


def test_a_failed_read_says_why(tracing, exporter):
    """By the reason's word, in attribute and status."""
    tracing.source_read("shop", 1.0, "FetchFailed")
    read = spans(exporter)["read"]
    assert read.attributes["moorage.reason"] == "FetchFailed"
    assert (read.status.status_code, read.status.description) == (StatusCode.ERROR, "FetchFailed")


def test_steps_stand_in_their_sync(tracing, exporter):
    """One trace: the sync, and a span per step with its result."""
    tracing.sync_started("shop", plan(), "Ada")
    tracing.step_ended("shop", step("load a"), Result("done"), 0.5)
    tracing.step_ended("shop", step("load b"), Result("failed", "LoadFailed", "no file"), 0.5)
    tracing.sync_ended(record("shop", "Failed"), 1.0)
    first, second, sync = exporter.get_finished_spans()
    assert [each.parent.span_id for each in (first, second)] == [sync.context.span_id] * 2
    assert [each.attributes["moorage.step"] for each in (first, second)] == ["load a", "load b"]
    assert [each.status.description for each in (first, second, sync)] == [None, "LoadFailed", "Failed"]
    assert (sync.attributes["moorage.who"], sync.attributes["moorage.phase"]) == ("Ada", "Failed")


def test_a_sync_links_to_the_plan_that_it_executes(tracing, exporter):
    """Reads and plans are traces of their own: most end in no sync."""
    tracing.planned("shop", plan(), 0.5)
    tracing.sync_started("shop", plan(), "Ada")
    tracing.sync_ended(record(), 1.0)
    made, sync = spans(exporter)["plan"], spans(exporter)["sync"]
    assert [link.context.span_id for link in sync.links] == [made.context.span_id]
    assert made.attributes["moorage.digest"] == sync.attributes["moorage.digest"] == "d1"


def test_syncs_of_two_applications_do_not_mix(tracing, exporter):
    """Each step stands in its own application's sync."""
    for name in ("shop", "bank"):
        tracing.sync_started(name, plan(name), "Ada")
    for name in ("shop", "bank"):
        tracing.step_ended(name, step(name), Result("done"), 0.1)
        tracing.sync_ended(record(name), 1.0)
    found = exporter.get_finished_spans()
    syncs = {span.attributes["moorage.application"]: span for span in found if span.name == "sync"}
    for span in found:
        if span.name == "step":
            assert span.parent.span_id == syncs[span.attributes["moorage.step"]].context.span_id


def test_whose_traces_they_are(tracing, exporter):
    """The service is moorage."""
    tracing.source_read("shop", 1.0, "")
    assert spans(exporter)["read"].resource.attributes["service.name"] == "moorage"


def test_spans_are_sent_to_the_collector():
    """As OTLP over HTTP, to the address as it is configured, at the latest when the controller ends."""
    taken: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = exporting(f"http://127.0.0.1:{server.server_port}/v1/traces", lambda: NOW)
        made.source_read("shop", 1.0, "")
        asyncio.run(made.close())
        server.shutdown()
        thread.join()
    ((path, body),) = taken
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(gunzipped(body)).resource_spans
    assert [span.name for span in resource.scope_spans[0].spans] == ["read"]


def gunzipped(body: bytes) -> bytes:
    """Where it is compressed at all."""
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body

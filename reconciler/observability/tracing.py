"""Traces for OpenTelemetry: a span per read, plan, sync and step. Optional: needs the extra ``otel``.

Spans are made of what was told, after it happened, and sent by a thread of the SDK; what a collector does
not take is dropped. Without a configured address there is no listener, and nothing is traced.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, set_span_in_context

from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Result

MOST_SPANS: Final = 10_000
"""Spans that may wait; a sync of as many steps ends them within seconds."""
SECOND: Final = 1_000_000_000
"""Nanoseconds, the SDK's unit of time."""


class Tracing:
    """Listens, and makes spans for ``processor``; ``now`` is in nanoseconds since 1970."""

    def __init__(self, processor: SpanProcessor, now: Callable[[], int]) -> None:
        about = Resource.create({"service.name": "moorage", "service.version": version("moorage")})
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("moorage")
        self._now = now
        self._plans: dict[str, tuple[str, SpanContext]] = {}
        self._syncs: dict[str, Span] = {}

    async def close(self) -> None:
        """Send what waits."""
        await asyncio.to_thread(self._provider.shutdown)

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """A span of its own."""
        span = self._past("read", application, seconds)
        _judge(span, reason)
        span.end(self._now())

    def planned(self, application: str, plan: Plan, seconds: float) -> None:
        """A span of its own, which the sync of that plan links to."""
        span = self._past("plan", application, seconds)
        span.set_attributes(
            {
                "moorage.revision": plan.revision,
                "moorage.digest": plan.digest,
                "moorage.reason": plan.reason,
                "moorage.changes": len(plan.changes),
                "moorage.loads": len(plan.loads),
                "moorage.unloads": len(plan.unloads),
                "moorage.failures": len(plan.failures),
            }
        )
        span.end(self._now())
        self._plans[application] = plan.digest, span.get_span_context()

    def sync_started(self, application: str, plan: Plan, who: str) -> None:
        """Open a span that the steps stand in."""
        digest, planned = self._plans.get(application, ("", None))
        links = [Link(planned)] if planned is not None and digest == plan.digest else []
        span = self._tracer.start_span("sync", links=links, start_time=self._now())
        span.set_attributes(
            {
                "moorage.application": application,
                "moorage.revision": plan.revision,
                "moorage.digest": plan.digest,
                "moorage.who": who,
            }
        )
        self._syncs[application] = span

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """A span inside the sync's."""
        span = self._past("step", application, seconds, self._syncs.get(application))
        span.set_attribute("moorage.step", step.id)
        _judge(span, result.reason if result.status == "failed" else "")
        span.end(self._now())

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:  # noqa: ARG002 (the span has its times)
        """Close the sync's span."""
        span = self._syncs.pop(record.application, None)
        if span is not None:
            span.set_attribute("moorage.phase", record.phase)
            _judge(span, "" if record.phase == "Succeeded" else record.phase)
            span.end(self._now())

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:
        """No span: nothing took time."""

    def _past(self, name: str, application: str, seconds: float, parent: Span | None = None) -> Span:
        """A span that began ``seconds`` ago."""
        context = set_span_in_context(parent) if parent is not None else None
        start = self._now() - round(seconds * SECOND)
        span = self._tracer.start_span(name, context=context, start_time=start)
        span.set_attribute("moorage.application", application)
        return span


def exporting(endpoint: str, now: Callable[[], int]) -> Tracing:
    """Traces sent to ``endpoint`` as OTLP over HTTP."""
    return Tracing(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint), max_queue_size=MOST_SPANS), now)


def _judge(span: Span, reason: str) -> None:
    """Mark what failed, by the reason's word."""
    if reason:
        span.set_attribute("moorage.reason", reason)
        span.set_status(Status(StatusCode.ERROR, reason))

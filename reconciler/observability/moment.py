"""What holds at the time of a scrape, as metric families: of statuses, queues and counts kept elsewhere. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from reconciler.source.webhooks.counts import Received
from reconciler.status import ApplicationStatus


@dataclass(frozen=True, order=True)
class Sent:
    """``count`` events for ``outlet`` (``kafka``, or a notification's name) ended as ``result``: Sent,
    Failed, Repeated or Dropped."""

    outlet: str
    result: str
    count: int


@dataclass(frozen=True)
class Moment:
    """The time of a scrape, who is followed, how many events wait for the controller, and what others
    count."""

    now: datetime
    applications: frozenset[str]
    queued: int
    received: tuple[Received, ...] = ()
    sent: tuple[Sent, ...] = ()


def families(
    statuses: Sequence[ApplicationStatus], failures: Mapping[str, Mapping[str, int]], moment: Moment
) -> Iterator[Metric]:
    """All of them, in the order of ``docs/metrics.md``; samples in the order of what is given."""
    yield _info(statuses)
    yield _drift(statuses, moment.now)
    yield _failures(failures)
    yield GaugeMetricFamily(
        "moorage_queue_depth", "Events that wait for the controller.", value=moment.queued
    )
    received = CounterMetricFamily(
        "moorage_webhook_requests",
        "Deliveries of Git providers, by what became of them.",
        labels=("provider", "result"),
    )
    for each in moment.received:
        received.add_metric((each.provider, each.result), each.count)
    yield received
    sent = CounterMetricFamily(
        "moorage_events",
        "Events for Kafka and each notification, by what became of them.",
        labels=("outlet", "result"),
    )
    for one in moment.sent:
        sent.add_metric((one.outlet, one.result), one.count)
    yield sent


def _info(statuses: Sequence[ApplicationStatus]) -> Metric:
    labels = ("application", "sync_status", "health_status", "auto")
    family = GaugeMetricFamily(
        "moorage_app_info", "What people see of an application: always 1.", labels=labels
    )
    for status in statuses:
        auto = "true" if status.position.auto else "false"
        family.add_metric((status.name, status.sync, status.health, auto), 1)
    return family


def _drift(statuses: Sequence[ApplicationStatus], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "moorage_app_drift_age_seconds",
        "Seconds since an application is out of sync; absent where it is not.",
        labels=("application", "mover"),
    )
    for status in statuses:
        drift = status.position.drift
        if drift is not None:
            age = max(0.0, (now - drift.since).total_seconds())  # a clock that was set back
            family.add_metric((status.name, drift.mover), age)
    return family


def _failures(failures: Mapping[str, Mapping[str, int]]) -> Metric:
    family = GaugeMetricFamily(
        "moorage_placement_failures",
        "Resources that the current plan cannot bring where they are wanted, by reason.",
        labels=("application", "reason"),
    )
    for name, counts in failures.items():
        for reason, count in sorted(counts.items()):
            family.add_metric((name, reason), count)
    return family

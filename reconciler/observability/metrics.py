"""Metrics for Prometheus: counted where things happen, put together when somebody scrapes.

A scrape reads what was told before; it observes nothing and plans nothing. Every controller has a registry
of its own. Names and labels are a contract with dashboards: ``docs/metrics.md`` lists them.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.observability.moment import Moment, families
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Result

READ_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60)
"""Seconds of reading a source or planning: from one manifest to 10,000, and to a slow remote."""
SYNC_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 180, 600, 1800)
"""Seconds of a sync: from a route to the fetch of large artifacts."""


class Metrics:
    """Listens to what happens. Label values are names of the configuration and words of ours, so there are
    few; what is told of an application that has left meanwhile is dropped at the next scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._statuses: dict[str, ApplicationStatus] = {}
        self._failures: dict[str, Tally[str]] = {}
        self._told: set[str] = set()
        ProcessCollector(registry=self._registry)
        self._syncs = Counter(
            "moorage_app_sync",
            "Syncs that ended, by how.",
            ("application", "phase"),
            registry=self._registry,
        )
        self._requests = Counter(
            "moorage_source_requests",
            "Reads of a source: Read, or why it could not be read.",
            ("application", "result"),
            registry=self._registry,
        )
        self._sync_seconds = Histogram(
            "moorage_app_sync_duration_seconds",
            "Seconds from the start of a sync to its end.",
            ("application",),
            registry=self._registry,
            buckets=SYNC_BUCKETS,
        )
        self._reconcile_seconds = Histogram(
            "moorage_reconcile_duration_seconds",
            "Seconds of reading a source (read) and of making a plan (plan).",
            ("application", "stage"),
            registry=self._registry,
            buckets=READ_BUCKETS,
        )

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """Count it."""
        self._told.add(application)
        self._requests.labels(application, reason or "Read").inc()
        self._reconcile_seconds.labels(application, "read").observe(seconds)

    def planned(self, application: str, plan: Plan, seconds: float) -> None:
        """Count it. What a person asks for may be another revision: its failures are not the
        application's."""
        self._told.add(application)
        self._reconcile_seconds.labels(application, "plan").observe(seconds)
        if plan.reason != "Asked":
            self._failures[application] = Tally(failure.reason for failure in plan.failures)

    def sync_started(self, application: str, plan: Plan, who: str) -> None:
        """Nothing is counted before it ends."""

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """Not counted: the sync is, and traces have the steps."""

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:
        """Count it."""
        self._told.add(record.application)
        self._syncs.labels(record.application, record.phase).inc()
        self._sync_seconds.labels(record.application).observe(seconds)

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:  # noqa: ARG002 (the protocol's)
        """Keep it for the next scrape."""
        self._statuses[after.name] = after

    def text(self, moment: Moment) -> bytes:
        """The page of a scrape, in Prometheus' text format 0.0.4; ``moment`` is what nobody tells of."""
        self._forget(moment.applications)
        shown = sorted(self._statuses.items())
        failures = {name: self._failures[name] for name in sorted(self._failures)}
        return generate_latest(
            _Page(
                self._registry,
                [_build(), *families([status for _, status in shown], failures, moment)],
            )
        )

    def _forget(self, followed: frozenset[str]) -> None:
        for name in self._told - followed:
            for each in (self._syncs, self._requests, self._sync_seconds, self._reconcile_seconds):
                each.remove_by_labels({"application": name})
        self._told &= followed
        for name in self._statuses.keys() - followed:
            del self._statuses[name]
        for name in self._failures.keys() - followed:
            del self._failures[name]


@dataclass(frozen=True)
class _Page(Collector):
    """What was counted and what holds now. The library adds a series with the time of its creation to each
    that it counts; nobody asks for those, and they would double the page."""

    registry: CollectorRegistry
    more: Iterable[Metric]

    def collect(self) -> Iterator[Metric]:
        for each in self.registry.collect():
            each.samples = [s for s in each.samples if not s.name.endswith("_created")]
            yield each
        yield from self.more


def _build() -> Metric:
    family = GaugeMetricFamily(
        "moorage_build_info", "The release that runs: always 1.", labels=("version", "python")
    )
    family.add_metric((version("moorage"), python_version()), 1)
    return family

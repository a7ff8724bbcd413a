"""Metrics: what a scrape shows of what was told, and that the page names all of it."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from reconciler.observability.metrics import Metrics
from reconciler.observability.moment import Moment, Sent
from reconciler.source.webhooks.counts import Received
from tests.observability.stories import after, plan, record, status

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
HISTOGRAM_ENDS = ("_bucket", "_count", "_sum")


def moment(*names: str, at: float = 0, queued: int = 0, **counts) -> Moment:
    return Moment(after(at), frozenset(names or {"shop"}), queued, **counts)


def series(text: bytes) -> dict[str, float]:
    """``name{label=value,…}`` and its value, of everything but the process."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return {name: value for name, value in found.items() if name.startswith("moorage_")}


def everything() -> bytes:
    """A scrape after each thing happened once."""
    metrics = Metrics()
    metrics.source_read("shop", 0.1, "")
    metrics.planned("shop", plan("shop", "ScheduleFailed"), 0.2)
    metrics.sync_started("shop", plan(), "Ada")
    metrics.sync_ended(record(), 3.0)
    metrics.status_changed(None, status(sync="OutOfSync", mover="Git"))
    received, sent = (Received("github", "Hinted", 2),), (Sent("kafka", "Sent", 4),)
    return metrics.text(moment(received=received, sent=sent, queued=3))


def test_an_application_is_shown_with_its_status():
    """One series whose labels say it; the old one goes when the status changes."""
    metrics = Metrics()
    metrics.status_changed(None, status(sync="OutOfSync", health="Missing", mover="Git"))
    metrics.status_changed(None, status(health="Degraded", auto=False))
    infos = [name for name in series(metrics.text(moment())) if name.startswith("moorage_app_info")]
    assert infos == [
        "moorage_app_info{application=shop,auto=false,health_status=Degraded,sync_status=Synced}"
    ]


def test_drift_grows_older_without_being_told():
    """Age is worked out at the scrape, from since when it drifts."""
    metrics, name = Metrics(), "moorage_app_drift_age_seconds{application=shop,mover=Live}"
    metrics.status_changed(None, status(sync="OutOfSync", mover="Live", since=10))
    assert [series(metrics.text(moment(at=at)))[name] for at in (70, 130)] == [60, 120]


def test_a_clock_that_was_set_back_makes_no_negative_age():
    """Then the drift has just begun."""
    metrics = Metrics()
    metrics.status_changed(None, status(sync="OutOfSync", mover="Live", since=10))
    found = series(metrics.text(moment(at=0)))
    assert found["moorage_app_drift_age_seconds{application=shop,mover=Live}"] == 0


def test_what_is_synced_has_no_drift():
    """The series is absent, not 0: an alert on it needs no second condition."""
    metrics = Metrics()
    metrics.status_changed(None, status(sync="OutOfSync", mover="Live"))
    metrics.status_changed(None, status())
    assert not [n for n in series(metrics.text(moment())) if n.startswith("moorage_app_drift")]


def test_syncs_are_counted_by_how_they_ended():
    """By application and phase, with how long they took."""
    metrics = Metrics()
    for phase in ("Succeeded", "Failed", "Failed"):
        metrics.sync_ended(record("shop", phase), 2.0)
    found = series(metrics.text(moment()))
    assert found["moorage_app_sync_total{application=shop,phase=Succeeded}"] == 1
    assert found["moorage_app_sync_total{application=shop,phase=Failed}"] == 2
    assert found["moorage_app_sync_duration_seconds_sum{application=shop}"] == 6


def test_reads_of_a_source_are_counted_by_result():
    """``Read``, or the reason of the error."""
    metrics = Metrics()
    for reason in ("", "", "FetchFailed"):
        metrics.source_read("shop", 0.5, reason)
    found = series(metrics.text(moment()))
    assert found["moorage_source_requests_total{application=shop,result=Read}"] == 2
    assert found["moorage_source_requests_total{application=shop,result=FetchFailed}"] == 1
    assert found["moorage_reconcile_duration_seconds_count{application=shop,stage=read}"] == 3


def test_failures_are_those_of_the_current_plan():
    """Counted by reason; the next plan's take their place."""
    metrics = Metrics()
    metrics.planned("shop", plan("shop", "ScheduleFailed", "ScheduleFailed", "NoServerBinary"), 0.1)
    first = series(metrics.text(moment()))
    metrics.planned("shop", plan("shop", "ScheduleFailed"), 0.1)
    second = series(metrics.text(moment()))
    failed = "moorage_placement_failures{{application=shop,reason={}}}".format
    assert (first[failed("ScheduleFailed")], first[failed("NoServerBinary")]) == (2, 1)
    assert second[failed("ScheduleFailed")] == 1
    assert failed("NoServerBinary") not in second


def test_what_a_person_asks_about_is_no_failure_of_the_application():
    """A plan of another revision leaves the gauge alone."""
    metrics = Metrics()
    metrics.planned("shop", plan("shop"), 0.1)
    metrics.planned("shop", plan("shop", "ScheduleFailed", reason="Asked"), 0.1)
    assert not [n for n in series(metrics.text(moment())) if "placement_failures" in n]


def test_an_application_that_left_has_no_series():
    """Whatever was told of it, a late word included."""
    metrics = Metrics()
    for name in ("shop", "bank"):
        metrics.source_read(name, 0.1, "")
        metrics.planned(name, plan(name, "ScheduleFailed"), 0.1)
        metrics.sync_ended(record(name), 1.0)
        metrics.status_changed(None, status(name, sync="OutOfSync", mover="Git"))
    metrics.text(moment("bank"))
    metrics.source_read("shop", 0.1, "")
    text = metrics.text(moment("bank"))
    assert b"shop" not in text
    assert b"bank" in text


def test_two_controllers_count_apart():
    """Nothing is shared between registries."""
    first, second = Metrics(), Metrics()
    first.source_read("shop", 0.1, "")
    assert b"moorage_source_requests_total{" not in second.text(moment())


def test_the_process_is_measured():
    """CPU, memory, files."""
    assert b"process_resident_memory_bytes" in Metrics().text(moment())


def coded() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, type, labels) of every metric of ours in a scrape of everything."""
    for family in text_string_to_metric_families(everything().decode()):
        if family.name.startswith("moorage_"):
            assert family.samples, family.name
            names = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert {s.name for s in family.samples} <= {name, *(name + end for end in HISTOGRAM_ENDS)}
            yield name, family.type, tuple(sorted(names))


def documented() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The same of the page's table."""
    for row in re.findall(r"^\| `(moorage_\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE):
        yield row[0], row[1], tuple(sorted(re.findall(r"`(\w+)`", row[2])))


def test_the_page_names_every_metric():
    """Name, type and labels are the code's, and nothing else is there."""
    assert sorted(documented()) == sorted(coded())
    assert len(set(documented())) == 11

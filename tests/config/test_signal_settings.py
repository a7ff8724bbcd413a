"""Events, notifications and tracing in the configuration: what they become, and how mistakes are named."""

import sys
from pathlib import Path
from typing import get_args

import pytest

from reconciler.config import Config
from reconciler.config_file import schema
from reconciler.observability.notices import Kind
from reconciler.observability.notifications import Notification
from reconciler.observability.settings import EventsConfig, KafkaTopic, TracingConfig
from reconciler.observability.watchers import watchers
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError
from tests.config.test_config_file import APPLICATIONS, fault, load

OPTIONAL = ["reconciler.observability.kafka", "reconciler.observability.tracing"]
"""Modules that are imported only where they are asked for."""


def notified(folder: Path, text: str) -> tuple[Notification, ...]:
    return load(folder, APPLICATIONS + f"notifications: [{{{text}}}]\n").notifications


def test_nothing_leaves_the_machine_unasked(tmp_path: Path) -> None:
    """No Kafka, no notification, no trace."""
    config = load(tmp_path, APPLICATIONS)
    assert (config.events, config.notifications, config.tracing) == (EventsConfig(), (), TracingConfig())


def test_a_notification(tmp_path: Path) -> None:
    """All of it, and the least of it."""
    assert notified(
        tmp_path,
        "name: team, events: [SyncFailed, DriftOld], urlFrom: {file: s/url}, applications: [a], format: json, "
        "template: '{\"a\": \"$kind\"}', after: 2h",
    ) == (
        Notification(
            "team", ("DriftOld", "SyncFailed"), "", SecretFrom(tmp_path / "s/url"), ("a",), "json", '{"a": "$kind"}', 7200
        ),
    )  # fmt: skip
    assert notified(tmp_path, "name: t, events: [SyncFailed], url: 'https://h/x'") == (
        Notification("t", ("SyncFailed",), "https://h/x"),
    )


def test_events_go_to_a_topic(tmp_path: Path) -> None:
    """Named after the prefix, which is Seldon's own by default."""
    config = load(tmp_path, APPLICATIONS + "events: {kafka: {bootstrap: 'a:9092,b:9093'}}\n")
    assert config.events.kafka == KafkaTopic("a:9092,b:9093", "seldon")
    assert config.events.kafka.name == "seldon.moorage.events"


def test_traces_go_to_a_collector(tmp_path: Path) -> None:
    """At the address as it stands there."""
    config = load(tmp_path, APPLICATIONS + "tracing: {endpoint: 'http://127.0.0.1:4318/v1/traces'}\n")
    assert config.tracing.endpoint == "http://127.0.0.1:4318/v1/traces"


def test_the_schema_lists_every_kind() -> None:
    """What can be asked for is what is told."""
    node = schema()["properties"]["notifications"]["items"]["properties"]["events"]
    assert tuple(node["items"]["enum"]) == get_args(Kind)
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in node["description"]] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "exactly one of url and urlFrom has to be there"),
        ("url: 'https://h/', urlFrom: {env: A}", "exactly one of url and urlFrom has to be there"),
        ("url: 'ftp://s3cret/x'", "url is no http or https URL"),
        ("url: 'https://h/', applications: [a, b]", "no application 'b'"),
        ("url: 'https://h/', template: '$nobody'", "template: $nobody is no field"),
        ("url: 'https://h/', template: '5$ each'", "template: a $ stands alone"),
        ("url: 'https://h/', format: json, template: 'x$kind'", "template is no JSON"),
        ("url: 'https://h/', format: json, template: '[\"$nobody\"]'", "template: $nobody is no field"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """And without the address."""
    found = fault(tmp_path, APPLICATIONS + f"notifications: [{{name: hook, events: [SyncFailed], {text}}}]\n")
    assert found.startswith("2:")
    assert said in found
    assert "s3cret" not in found


def test_two_notifications_of_one_name_are_refused(tmp_path: Path) -> None:
    """Metrics could not tell them apart."""
    one = "{name: hook, events: [SyncFailed], url: 'https://h/'}"
    assert "'hook' is there twice" in fault(tmp_path, APPLICATIONS + f"notifications: [{one}, {one}]\n")


def test_a_collector_has_a_web_address(tmp_path: Path) -> None:
    """No other scheme."""
    assert "no http or https URL" in fault(tmp_path, APPLICATIONS + "tracing: {endpoint: 'grpc://h:4317'}\n")


@pytest.mark.parametrize(
    ("module", "parts", "extra"),
    [
        ("aiokafka", {"events": EventsConfig(KafkaTopic("h:9092"))}, "moorage[kafka]"),
        ("opentelemetry", {"tracing": TracingConfig("http://h/")}, "moorage[otel]"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, tmp_path: Path, module: str, parts: dict, extra: str) -> None:
    """In one line, at the start."""
    for name in OPTIONAL + [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match="ExtraMissing") as caught:
        watchers(Config(tmp_path, (), **parts))
    assert extra in caught.value.hint

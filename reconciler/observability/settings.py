"""What the configuration says of events, notifications and tracing: from checked YAML values to values.

The schema says what may stand there; here is refused what only a look at the value shows. An address is a
secret: no error repeats it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

from reconciler.observability.notifications import FIELDS, Notification, is_web
from reconciler.source_settings import Located, secret_source
from reconciler.sync_settings import seconds
from schemas.errors import InputError


@dataclass(frozen=True)
class KafkaTopic:
    """Where events go: brokers as ``host:port,host:port``; the topic is ``<prefix>.moorage.events``."""

    bootstrap: str
    prefix: str = "seldon"

    @property
    def name(self) -> str:
        """The topic."""
        return f"{self.prefix}.moorage.events"


@dataclass(frozen=True)
class EventsConfig:
    """Where events go beside the log and the feed."""

    kafka: KafkaTopic | None = None


@dataclass(frozen=True)
class TracingConfig:
    """Where traces go: the address of a collector, as OTLP over HTTP has it; None traces nothing."""

    endpoint: str | None = field(default=None, repr=False)


def events_config(value: Mapping[str, Any]) -> EventsConfig:
    """An ``events`` section."""
    kafka = value.get("kafka")
    return EventsConfig(KafkaTopic(kafka["bootstrap"], kafka.get("prefix", "seldon")) if kafka else None)


def tracing_config(value: Mapping[str, Any]) -> TracingConfig:
    """A ``tracing`` section. Raises InputError ``InvalidAddress``."""
    endpoint = value.get("endpoint")
    if endpoint is not None and not is_web(endpoint):
        raise InputError(
            "InvalidAddress", "endpoint is no http or https URL", "http://127.0.0.1:4318/v1/traces"
        )
    return TracingConfig(endpoint)


def notification(value: Mapping[str, Any], located: Located) -> Notification:
    """One entry of ``notifications``. Raises InputError ``InvalidAddress`` or ``InvalidTemplate``."""
    made = Notification(
        name=value["name"],
        events=tuple(sorted(value["events"])),
        url=value.get("url", ""),
        url_from=secret_source(value["urlFrom"], located) if "urlFrom" in value else None,
        applications=tuple(sorted(value.get("applications", ()))),
        format=value.get("format", "slack"),
        template=value.get("template", ""),
        after=seconds(value.get("after", "30m")),
    )
    if bool(made.url) == (made.url_from is not None):
        raise InputError("InvalidAddress", "exactly one of url and urlFrom has to be there")
    if made.url and not is_web(made.url):
        raise InputError("InvalidAddress", "url is no http or https URL")
    _check_template(made)
    return made


def require_known(made: Sequence[Notification], applications: frozenset[str]) -> None:
    """Raise InputError ``ApplicationNotFound`` where a notification names none that there is, and
    ``NameTaken`` where two have one name."""
    for index, each in enumerate(made):
        unknown = sorted(set(each.applications) - applications)
        if unknown:
            raise InputError(
                "ApplicationNotFound", f"notification {each.name!r}: no application {unknown[0]!r}"
            )
        if any(other.name == each.name for other in made[:index]):
            raise InputError("NameTaken", f"notification {each.name!r} is there twice")


def _check_template(made: Notification) -> None:
    templates = [made.template]
    if made.format == "json" and made.template:
        try:
            templates = list(_strings(json.loads(made.template)))
        except (ValueError, RecursionError):
            raise InputError("InvalidTemplate", "template is no JSON") from None
    for text in templates:
        template = Template(text)
        unknown = sorted(set(template.get_identifiers()) - set(FIELDS))
        if unknown or not template.is_valid():
            what = f"${unknown[0]} is no field" if unknown else "a $ stands alone; write $$"
            raise InputError("InvalidTemplate", f"template: {what}", f"fields: {', '.join(FIELDS)}")


def _strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for each in value for text in _strings(each)]
        case dict():
            return [text for each in value.values() for text in _strings(each)]
    return []

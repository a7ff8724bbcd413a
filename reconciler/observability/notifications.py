"""Notifications: who wants which notice, what is said, and what has been said already. Pure.

Sending is :mod:`reconciler.observability.posting`'s business. What a notice says comes from Git and from
servers: in a Slack text its markup is escaped, in JSON it is only ever a string.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from string import Template
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from reconciler.observability.notices import TAKES_BACK, Kind, Notice
from reconciler.source.secrets import SecretFrom
from schemas.codec import encode

Format = Literal["slack", "json"]

SLACK_TEXT: Final = "*$application* $kind ($reason): $message"
"""What is said where the configuration says nothing else."""
REPEAT_SECONDS: Final = 300
"""Within which the same is not said twice."""
FIELDS: Final = ("after", "application", "at", "digest", "kind", "message", "reason", "revision")
"""What a template may name, sorted."""


@dataclass(frozen=True)
class Notification:
    """One entry of ``notifications``. The address comes from ``url`` or ``url_from``, which are no one's
    to see; ``applications`` are all where there is none. ``after`` is seconds, for DriftOld."""

    name: str
    events: tuple[Kind, ...]
    url: str = field(default="", repr=False)
    url_from: SecretFrom | None = None
    applications: tuple[str, ...] = ()
    format: Format = "slack"
    template: str = ""
    after: float = 1800.0

    def wants(self, notice: Notice) -> bool:
        """True where it is to be sent there."""
        known = not self.applications or notice.application in self.applications
        return known and notice.kind in self.events and notice.after in (0, self.after)


def is_web(url: str) -> bool:
    """True for an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and url.isprintable()
        )
    except ValueError:
        return False


def body(notification: Notification, notice: Notice) -> bytes:
    """What is posted, as JSON."""
    said = {name: str(value) for name, value in encode(notice).items()}
    if notification.format == "slack":
        text = Template(notification.template or SLACK_TEXT)
        escaped = {name: _escaped(value) for name, value in said.items()}
        return json.dumps({"text": text.safe_substitute(escaped)}).encode()
    if not notification.template:
        return json.dumps(encode(notice), sort_keys=True).encode()
    return json.dumps(_filled(json.loads(notification.template), said)).encode()


def _filled(value: Any, said: Mapping[str, str]) -> Any:
    """The template's own JSON with every string filled in: what is said cannot leave its string."""
    match value:
        case str():
            return Template(value).safe_substitute(said)
        case list():
            return [_filled(each, said) for each in value]
        case dict():
            return {name: _filled(each, said) for name, each in value.items()}
    return value


def _escaped(text: str) -> str:
    """Slack reads ``<…>`` as links and mentions, ``<!channel>`` among them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


Subject = tuple[str, Kind, str]
"""Application, kind and reason: two notices that agree in these say the same."""


class Said:
    """What one notification has said lately.

    What comes again too soon is held back, not lost: it is said later, unless it is no longer so by then.
    Otherwise the last word on something that went, came and went would be that it is back.
    """

    def __init__(self, seconds: float = REPEAT_SECONDS) -> None:
        self._pause = timedelta(seconds=seconds)
        self._last: dict[Subject, datetime] = {}
        self._held: dict[Subject, Notice] = {}

    def admits(self, notice: Notice, now: datetime) -> bool:
        """True where it is to be said now."""
        self._take_back(notice)
        subject = (notice.application, notice.kind, notice.reason)
        last = self._last.get(subject)
        if last is not None and now - last < self._pause:
            self._held[subject] = notice
            return False
        self._last[subject] = now
        return True

    def due(self, now: datetime) -> tuple[Notice, ...]:
        """What was held back and is to be said now, oldest first."""
        found = tuple(sorted(self._ready(now), key=lambda each: (each.at, each.application, each.kind)))
        for notice in found:
            subject = (notice.application, notice.kind, notice.reason)
            del self._held[subject]
            self._last[subject] = now
        self._last = {s: at for s, at in self._last.items() if now - at < self._pause or s in self._held}
        return found

    def _ready(self, now: datetime) -> Iterator[Notice]:
        for subject, notice in self._held.items():
            if now - self._last[subject] >= self._pause:
                yield notice

    def _take_back(self, notice: Notice) -> None:
        gone = TAKES_BACK.get(notice.kind, frozenset())
        for subject in [s for s in self._held if s[0] == notice.application and s[1] in gone]:
            del self._held[subject]

"""A notification's sender: one HTTP POST per notice, again where that may help, never in anybody's way.

The address is a secret (whoever knows it may post): it is read when it is needed and stands in no log and
no error. Redirects are not followed, for they would take it elsewhere.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx
import stamina
import structlog

from reconciler.observability.backlog import Backlog
from reconciler.observability.moment import Sent
from reconciler.observability.notices import Notice
from reconciler.observability.notifications import Notification, Said, body, is_web
from schemas.errors import InputError, MoorageError, TransientError

log = structlog.get_logger(__name__)

AGAIN = frozenset({408, 425, 429})
"""Answers below 500 that another try may change."""


_TALKATIVE = ("httpx", "httpcore.http11", "httpcore.http2")
"""Loggers that write addresses down, at INFO and DEBUG: of every request, and of redirects."""


@dataclass(frozen=True)
class Patience:
    """Seconds for one try, how many tries, and seconds between them at first and at most. ``pause`` is
    how often what was held back is looked at."""

    timeout: float = 10.0
    attempts: int = 5
    wait: float = 1.0
    most: float = 30.0
    pause: float = 5.0


class Post:
    """Sends what ``notification`` wants."""

    def __init__(
        self, notification: Notification, now: Callable[[], datetime], patience: Patience = Patience()
    ) -> None:
        self._notification = notification
        self._now = now
        self._patience = patience
        self._said = Said()
        self._backlog = Backlog()
        self._counts: Counter[str] = Counter()

    def tell(self, notice: Notice) -> None:
        """Take it where it is wanted and was not said just now."""
        if not self._notification.wants(notice):
            return
        if self._said.admits(notice, self._now()):
            self._backlog.put(notice)
        else:
            self._counts["Repeated"] += 1

    def sent(self) -> tuple[Sent, ...]:
        """By result."""
        counts = {**self._counts, "Dropped": self._backlog.dropped}
        return tuple(Sent(self._notification.name, *each) for each in sorted(counts.items()))

    async def run(self) -> None:
        """Send one after the other, until cancelled."""
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        async with httpx.AsyncClient(timeout=self._patience.timeout, follow_redirects=False) as client:
            while True:
                try:
                    async with asyncio.timeout(self._patience.pause):
                        notice = await self._backlog.get()
                except TimeoutError:
                    for each in self._said.due(self._now()):
                        self._backlog.put(each)
                else:
                    await self._send(client, notice)

    async def _send(self, client: httpx.AsyncClient, notice: Notice) -> None:
        try:
            await self._try(client, notice)
            self._counts["Sent"] += 1
        except MoorageError as error:
            self._counts["Failed"] += 1
            log.warning(
                "notification not sent",
                notification=self._notification.name,
                kind=notice.kind,
                application=notice.application,
                reason=error.reason,
                error=error.message,
            )

    async def _try(self, client: httpx.AsyncClient, notice: Notice) -> None:
        content, limits = body(self._notification, notice), self._patience
        async for attempt in stamina.retry_context(
            on=TransientError, attempts=limits.attempts, timeout=None, wait_initial=limits.wait, wait_max=limits.most
        ):  # fmt: skip
            with attempt:
                await _post(client, await asyncio.to_thread(address, self._notification), content)


def address(notification: Notification) -> str:
    """Where to post, as it is now. Raises InputError ``CredentialUnreadable`` or
    ``NotificationRefused``."""
    source = notification.url_from
    url = notification.url if source is None else source.read()
    if not is_web(url):
        raise InputError("NotificationRefused", "its address is no http or https URL", "write one there")
    return url


async def _post(client: httpx.AsyncClient, url: str, content: bytes) -> None:
    """Raises TransientError ``NotificationFailed``, InputError ``NotificationRefused``. The answer's body
    is not read: nobody bounds it."""
    headers = {"Content-Type": "application/json"}
    try:
        async with client.stream("POST", url, content=content, headers=headers) as answer:
            status = answer.status_code
    except httpx.HTTPError as error:
        why = type(error).__name__  # its words may hold the address
        raise TransientError("NotificationFailed", f"the request failed: {why}") from None
    except httpx.InvalidURL:
        raise InputError("NotificationRefused", "its address is no URL", "write one there") from None
    if status >= 500 or status in AGAIN:
        raise TransientError("NotificationFailed", f"answered {status}")
    if not 200 <= status < 300:
        raise InputError("NotificationRefused", f"answered {status}", "look at the notification's address")

"""``POST /api/webhook``: a delivery of a Git provider, answered with whom it hinted at.

The only path that strangers may reach, so everything is bounded before it is looked at: rate, headers,
length, time and how many are read at once. It changes nothing but that sources and pull requests are looked
at sooner.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reconciler.source.webhooks.counts import Counts
from reconciler.source.webhooks.delivery import MAX_BODY, MAX_HEADERS, Delivery, Hint, Secret
from reconciler.source.webhooks.limits import Limiter, Seen
from reconciler.source.webhooks.matching import Followed, hinted, pulled
from reconciler.source.webhooks.payloads import parse
from reconciler.source.webhooks.signatures import recognise, verify
from reconciler.web.errors import error_response
from schemas.errors import InputError

log = structlog.get_logger(__name__)

PATH: Final = "/api/webhook"
READ_SECONDS = 5.0
"""Within which a body has to be here."""
MAX_READERS = 16
"""Deliveries that are read at once: 16 of 3 MiB each is what they may take of memory."""

_STATUS: Mapping[str, int] = {
    "BodyTimeout": 408,
    "BodyTooLarge": 413,
    "DeliveryExpired": 403,
    "DeliveryRepeated": 403,
    "HeadersTooLarge": 431,
    "SignatureInvalid": 403,
    "SignatureMissing": 403,
    "WebhooksBusy": 503,
    "WebhooksNotConfigured": 404,
}


@dataclass(frozen=True)
class _Told:
    """Whom a delivery concerned: who looks at its source, and whose pull requests are looked at."""

    applications: tuple[str, ...]
    previews: tuple[str, ...]
    result: str


@dataclass(frozen=True)
class Hooks:
    """What deliveries need: the secrets as they are now (blocks), who follows what, whom to tell, the time.

    ``clock`` is in seconds since 1970, ``steady`` never goes back. ``preview`` is told the applications whose
    pull requests may have changed, where there are any.
    """

    secrets: Callable[[], Sequence[Secret]]
    followed: Callable[[], Sequence[Followed]]
    hint: Callable[[str], None]
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    preview: Callable[[tuple[str, ...]], None] = lambda _: None


CLOSED: Final = Hooks(secrets=tuple, followed=tuple, hint=lambda _: None)
"""No secret is known, so nothing is taken."""


class Webhook:
    """The endpoint. ``counts`` can be read by whoever measures."""

    def __init__(self, hooks: Hooks) -> None:
        self.counts = Counts()
        self._hooks = hooks
        self._limiter = Limiter()
        self._seen = Seen()
        self._readers = 0

    def configure(self, hooks: Hooks) -> None:
        """Judge deliveries by another configuration from now on; what was counted and seen stays."""
        self._hooks = hooks

    async def take(self, request: Request) -> Response:
        """202 with the applications that were hinted at, or an error that says why not."""
        provider = _provider(request.headers)
        wait = self._limiter.wait(request.client.host if request.client else "", self._hooks.steady())
        if wait:
            self.counts.add(provider, "TooManyRequests")
            return _too_many(wait)
        try:
            told = await self._judged(request)
        except InputError as error:
            self.counts.add(provider, error.reason)
            log.info("webhook refused", provider=provider, reason=error.reason)
            return error_response(_STATUS.get(error.reason, 400), error.reason, error.message, error.hint)
        self.counts.add(provider, told.result)
        log.info("webhook", provider=provider, **asdict(told))
        answer = {**asdict(told), "message": _MESSAGES[told.result]}
        return JSONResponse(answer, 202, headers={"Cache-Control": "no-store"})

    async def _judged(self, request: Request) -> _Told:
        secrets = await asyncio.to_thread(self._hooks.secrets)
        if not secrets:
            raise InputError(
                "WebhooksNotConfigured", "no secret is configured", "set webhookSecrets (docs/operations.md)"
            )
        headers = _bounded(request.headers)
        recognise(headers)
        body = await self._read(request)
        now = self._hooks.clock()
        delivery, hints = await asyncio.to_thread(_judge, headers, body, secrets, now)
        if delivery.signature:
            self._seen.admit(delivery.signature, delivery.expires, now)
        return self._tell(hints, delivery.applications)

    def _tell(self, hints: Sequence[Hint], allowed: frozenset[str]) -> _Told:
        followed = [each for each in self._hooks.followed() if each.application in allowed]
        names, previews = hinted(hints, followed), pulled(hints, followed)
        for name in names:
            self._hooks.hint(name)
        if previews:
            self._hooks.preview(previews)
        result = "Hinted" if names or previews else "NotFollowed" if hints else "Ignored"
        return _Told(names, previews, result)

    async def _read(self, request: Request) -> bytes:
        if self._readers >= MAX_READERS:
            raise InputError("WebhooksBusy", "too many deliveries are being read", "send it again later")
        self._readers += 1
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await _body(request)
        except TimeoutError:
            raise InputError("BodyTimeout", f"the body was not here within {READ_SECONDS:.0f} s") from None
        except ClientDisconnect:
            raise InputError("BodyTimeout", "the sender went away") from None
        finally:
            self._readers -= 1


_MESSAGES = {
    "Hinted": "these applications look at their source now, and those of previews at their pull requests",
    "Ignored": "this event moves no ref and no pull request",
    "NotFollowed": "no application follows it",
}


def _judge(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[Secret], now: float
) -> tuple[Delivery, tuple[Hint, ...]]:
    delivery = verify(headers, body, secrets, now)
    return delivery, parse(delivery)


def _provider(headers: Headers) -> str:
    try:
        return recognise(headers).provider
    except InputError:
        return "unknown"


def _bounded(headers: Headers) -> Mapping[str, str]:
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEADERS:
        raise InputError("HeadersTooLarge", f"headers have at most {MAX_HEADERS} bytes")
    return {name.lower(): value for name, value in headers.items()}


async def _body(request: Request) -> bytes:
    """Counted as it comes: what a header says of the length is not believed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise InputError("BodyTooLarge", f"a delivery has at most {MAX_BODY} bytes")
    return bytes(body)


def _too_many(wait: float) -> Response:
    message = "deliveries come faster than they are taken"
    answer = error_response(429, "TooManyRequests", message, "polling finds what this one would have told")
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer

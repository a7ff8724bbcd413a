"""Requests to one provider's API: with the token, again where that may help, no faster than it wants.

The token goes to the API's own origin and nowhere else; it is read for each request, so a rotated one holds.
What an answer means is the adapters' business.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import httpx
import stamina
import structlog

from reconciler.preview.pulls.providers.answers import Answer, Told
from reconciler.preview.pulls.providers.calls import Call
from reconciler.preview.pulls.providers.limits import pause
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError, WaitError

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 10 * 1024 * 1024
"""Of one answer. A page of 100 pull requests of GitHub has about 2.5 MB."""
MOST_REDIRECTS: Final = 3
MOST_PAGES: Final = 100

_REDIRECTS = frozenset({301, 307})
_PASSES = frozenset({408, 409, 425})
"""Statuses below 500 that another try may change; GitLab answers 409 while somebody else sets a status."""
_ENCODINGS = frozenset({"", "identity", "gzip"})
"""Others unpack into gigabytes before anybody can count."""
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Patience:
    """Seconds for one answer and for each wait in it; tries, and seconds between them at first and at most;
    the longest rate limit that is waited out, and how often. ``now`` is seconds since 1970."""

    timeout: float = 20.0
    whole: float = 60.0
    attempts: int = 4
    wait: float = 0.5
    most: float = 8.0
    limit: float = 60.0
    limits: int = 3
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True)
class Host:
    """Who is asked: its name for people, the API's address, how it takes a token, and seconds that it wants
    between writes."""

    provider: str
    url: str
    authorization: Callable[[str], str]
    headers: Mapping[str, str] = field(default_factory=dict)
    gap: float = 0.0


USUAL: Final = Patience()


class _AgainError(TransientError):
    """Another try may end otherwise."""


class Api:
    """Asks ``host``. Use it in one event loop."""

    def __init__(
        self,
        host: Host,
        token: SecretFrom,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience = USUAL,
    ) -> None:
        self._host = host
        self._token = token
        self._patience = patience
        self._client = httpx.AsyncClient(
            timeout=patience.timeout,
            follow_redirects=False,
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "moorage"},
        )
        self._writing = asyncio.Lock()
        self._wrote = -1.0
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes every address down

    async def ask(self, call: Call) -> Answer:
        """The answer, which is a success or a status that the call takes. Writes go one by one.

        Raises what :class:`~reconciler.preview.pulls.pull_requests.PullRequests` lists.
        """
        if not call.writes:
            return await self._tried(call)
        async with self._writing:
            await self._keep_gap()
            try:
                return await self._tried(call)
            finally:
                self._wrote = self._patience.now()

    async def pages(self, call: Call, most: int) -> AsyncIterator[Told]:
        """Objects of all pages, ``most`` of them at most."""
        left = most
        for _ in range(MOST_PAGES):
            found, query = (await self.ask(call)).page()
            for told in found[:left]:
                yield told
            left -= len(found)
            if query is None and left >= 0:
                return
            if query is None or left <= 0:
                break
            call = replace(call, query=query)
        log.warning("not everything is read", provider=self._host.provider, path=call.path, most=most)

    async def token_digest(self) -> bytes:
        """Tells one token from the next, and nothing of either."""
        return hashlib.sha256((await self._read_token()).encode()).digest()

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _keep_gap(self) -> None:
        """Never longer than the gap, also where the clock was set back."""
        left = self._wrote + self._host.gap - self._patience.now()
        if self._wrote >= 0 and left > 0:
            await self._patience.sleep(min(left, self._host.gap))

    async def _tried(self, call: Call) -> Answer:
        limits = self._patience
        async for attempt in stamina.retry_context(
            on=_AgainError, attempts=limits.attempts, timeout=None, wait_initial=limits.wait, wait_max=limits.most
        ):  # fmt: skip
            with attempt:
                answer = await self._unlimited(call)
                if answer.status >= 500 or answer.status in _PASSES:
                    why = f"{self._host.provider} answered {answer.status} to {call.method} {call.path}"
                    raise self._passing(why, again=call.repeatable)
        call.judge(self._host.provider, answer.status)
        return answer

    async def _unlimited(self, call: Call) -> Answer:
        """Waits where it is told to and the wait is short. Raises WaitError ``RateLimited``."""
        waits, wait = 0, 0.0
        while waits < self._patience.limits and wait <= self._patience.limit:
            if wait:
                await self._patience.sleep(wait)
            answer = await self._followed(call)
            told = pause(answer.status, answer.headers, self._patience.now())
            if told is None:
                return answer
            waits, wait = waits + 1, told
        until = datetime.fromtimestamp(self._patience.now() + wait, UTC).isoformat(timespec="seconds")
        raise WaitError("RateLimited", f"{self._host.provider} takes no more requests until {until}")

    async def _followed(self, call: Call) -> Answer:
        """A renamed repository is read where it is now; a write has to name it."""
        url = httpx.URL(self._host.url + call.path, params=call.query)
        for _ in range(MOST_REDIRECTS):
            answer = await self._once(call, url)
            if call.writes or answer.status not in _REDIRECTS:
                return answer
            there = _joined(url, answer.headers.get("location", ""))
            if there is None:
                return answer
            url = there
        return answer

    async def _once(self, call: Call, url: httpx.URL) -> Answer:
        headers = {**self._host.headers, "Authorization": self._host.authorization(await self._read_token())}
        content = _encoded(call)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with (
                asyncio.timeout(self._patience.whole),
                self._client.stream(call.method, url, content=content, headers=headers) as answer,
            ):
                found = await _bounded(answer)
        except (httpx.HTTPError, TimeoutError) as error:
            why = f"{self._host.provider} cannot be asked: {type(error).__name__}"  # its words may hold anything
            raise self._passing(why, again=call.repeatable or isinstance(error, _UNSENT)) from None
        return Answer(self._host.provider, answer.status_code, answer.headers, found)

    async def _read_token(self) -> str:
        """Raises InputError ``CredentialUnreadable``. A library would repeat in its error what no header takes."""
        token = await asyncio.to_thread(self._token.read)
        if not all("!" <= each <= "~" for each in token):
            why = f"the token for {self._host.provider} holds characters that none has"
            raise InputError("CredentialUnreadable", why, "write the token there and nothing else")
        return token

    def _passing(self, why: str, *, again: bool) -> TransientError:
        return (_AgainError if again else TransientError)("ProviderUnreachable", why)


def _encoded(call: Call) -> bytes | None:
    """In ASCII: Gitea 1.23 breaks characters of four bytes where its buffers end."""
    return json.dumps(call.body).encode() if call.body is not None else None


async def _bounded(answer: httpx.Response) -> bytes | None:
    """The body; None where it is longer than anybody reads."""
    if answer.headers.get("content-encoding", "").lower() not in _ENCODINGS:
        return None
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        if len(content) + len(chunk) > MOST_BYTES:
            return None
        content += chunk
    return bytes(content)


def _joined(url: httpx.URL, location: str) -> httpx.URL | None:
    """Where a redirect leads, or None where that is nowhere or another origin."""
    try:
        there = url.join(location) if location else url
    except httpx.InvalidURL:
        return None
    same = (there.scheme, there.host, there.port) == (url.scheme, url.host, url.port)
    return there if same and not there.userinfo and there != url else None

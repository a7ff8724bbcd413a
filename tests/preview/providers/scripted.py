"""A provider that answers as a script says, on a clock of our own: for what no double does by itself."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from reconciler.preview.pulls.providers.addresses import Provider
from reconciler.preview.pulls.providers.provider import pull_requests
from reconciler.preview.pulls.pull_requests import PullRequests
from reconciler.source.secrets import SecretFrom
from tests.preview.providers.doubles import QUICK, VARIABLE

T = TypeVar("T")

NOW = 1_767_323_045.0
"""2026-01-02T03:04:05Z."""

ADDRESSES: dict[Provider, str] = {
    "github": "https://github.com/acme/models",
    "gitlab": "https://gitlab.com/acme/models",
    "gitea": "https://gitea.example.com/acme/models",
    "bitbucket": "https://bitbucket.org/acme/models",
}
PRIVATE: dict[Provider, dict[str, Any]] = {
    "github": {"private": True},
    "gitlab": {"visibility": "private"},
    "gitea": {"private": True},
    "bitbucket": {"is_private": True},
}
"""What each answers of a private repository."""

Step = httpx.Response | Exception


def answer(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    """One with a JSON body, or with these bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(
        status, headers={k.replace("_", "-"): v for k, v in headers.items()}, content=content
    )


@dataclass
class Script(httpx.AsyncBaseTransport):
    """Takes the ``steps`` in turn. ``slept`` are the seconds of every wait."""

    provider: Provider
    steps: list[Step]
    requests: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = NOW
    closed: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def aclose(self) -> None:
        self.closed = True

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def adapter(self, api: str = "", address: str = "") -> PullRequests:
        patience = replace(QUICK, now=lambda: self.now, sleep=self.sleep)
        where = address or ADDRESSES[self.provider]
        return pull_requests(self.provider, where, api, SecretFrom(env=VARIABLE), self, patience)

    def run(self, story: Callable[[PullRequests], Awaitable[T]], **where: str) -> T:
        """What comes of it."""

        async def whole() -> T:
            adapter = self.adapter(**where)
            try:
                return await story(adapter)
            finally:
                await adapter.close()

        return asyncio.run(whole())

    @property
    def asked(self) -> list[str]:
        """Method and path of every request."""
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.requests]


def is_public(adapter: PullRequests) -> Awaitable[bool]:
    """The plainest of reads."""
    return adapter.is_public()

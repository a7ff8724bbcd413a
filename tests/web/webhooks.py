"""The webhook endpoint on a real socket, behind the guard, as the API has it."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from reconciler.source.webhooks.delivery import Secret
from reconciler.source.webhooks.matching import Followed
from reconciler.web.errors import http_error
from reconciler.web.guard import Guard
from reconciler.web.server import ApiServer, bind
from reconciler.web.webhook import PATH, Hooks, Webhook
from tests.webhooks.deliveries import EVERYBODY, NOW

FOLLOWED = (
    Followed("a", "git@github.com:octo/models.git", "main"),
    Followed("b", "https://github.com/Octo/models", "v1.2"),
    Followed("c", "https://github.com/octo/models", "main"),
)
"""The secret of the tests is for ``a`` and ``b`` alone."""


@dataclass
class Endpoint:
    """A running endpoint. ``hinted`` and ``previewed`` grow by what it is told; ``now`` is its time, all of it."""

    secrets: Sequence[Secret] = (EVERYBODY,)
    hinted: list[str] = field(default_factory=list)
    previewed: list[tuple[str, ...]] = field(default_factory=list)
    now: float = NOW
    port: int = 0

    def __post_init__(self) -> None:
        self.client = httpx.Client(trust_env=False, timeout=30)
        self.webhook = Webhook(
            Hooks(
                lambda: self.secrets,
                lambda: FOLLOWED,
                self.hinted.append,
                lambda: self.now,
                lambda: self.now,
                self.previewed.append,
            )
        )

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Deliver ``body``."""
        return self.client.post(f"http://127.0.0.1:{self.port}{PATH}", content=body, headers=headers)


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """An endpoint, served by the API's own server in a thread."""
    made = Endpoint()
    app = Starlette(
        routes=[Route(PATH, made.webhook.take, methods=["POST"])],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: http_error},
    )
    started, loops = threading.Event(), []

    async def serve() -> None:
        with bind("127.0.0.1", 0) as socket:
            made.port = socket.getsockname()[1]
            socket.listen()
            loops.append((asyncio.get_running_loop(), asyncio.current_task()))
            started.set()
            await ApiServer(socket).serve(app)

    def run() -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(30)
        yield made
    finally:
        made.client.close()
        loop, task = loops[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join()

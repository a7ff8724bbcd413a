"""What every request has to pass: it comes from this machine, asks little, and means us.

The API asks nobody who they are, so a web page that a person of this machine looks at must not reach
it. The Host header catches names that were rebound to loopback, the Origin header what other pages
send; both have to name loopback. There is no CORS. Deliveries of Git providers are the exception: they
come through a proxy under any name, prove who they are by a signature, and are bounded by
:mod:`reconciler.web.webhook`.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.web.errors import error_response
from reconciler.web.webhook import PATH as WEBHOOK

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_BODY = 64 * 1024
"""Bytes of a request body."""


class Guard:
    """ASGI middleware that refuses requests with a JSON error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or refuse it."""
        if scope["type"] != "http":
            return
        delivery = scope["path"] == WEBHOOK and scope["method"] == "POST"
        refusal = None if delivery else _refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await error_response(*refusal)(scope, receive, send)


def _refusal(headers: Headers) -> tuple[int, str, str] | None:
    if not _is_loopback(f"//{headers.get('host', '')}"):
        return 421, "HostNotAllowed", "the Host header has to name loopback"
    origin = headers.get("origin")
    if origin is not None and not _is_loopback(origin):
        return 403, "OriginNotAllowed", "pages of other origins may not ask"
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal() or int(length) > MAX_BODY:
        return 413, "BodyTooLarge", f"a request body has at most {MAX_BODY} bytes and says how many"
    return None


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False

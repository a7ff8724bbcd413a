"""What the doubles of GitHub, GitLab and Bitbucket have in common: an application in this process, held to the
provider's description, that asks for the token and can be told to refuse."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.preview.pulls.providers.addresses import Provider
from reconciler.preview.pulls.providers.api import Patience
from reconciler.preview.pulls.providers.provider import pull_requests
from reconciler.preview.pulls.pull_requests import PullRequests
from reconciler.source.secrets import SecretFrom
from tests.preview.providers.described import Checked, Described
from tests.preview.providers.people import TOKEN, Repository

VARIABLE = "MOORAGE_TEST_TOKEN"
"""Where the adapters' token is in these tests."""

Handler = Callable[[Request], Awaitable[Response]]


async def at_once(_: float) -> None:
    """Nobody waits here."""


QUICK = Patience(attempts=3, wait=0.001, most=0.002, sleep=at_once)


class RefusedError(Exception):
    """The double answers with this status instead."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Double(Repository, ABC):
    """``address`` is the repository's; ``operations`` are the handlers by ``METHOD path``."""

    name: ClassVar[Provider]
    address: ClassVar[str]
    root: ClassVar[str]
    statuses: ClassVar[dict[str, str]]
    authorization: ClassVar[str] = f"Bearer {TOKEN}"

    def __init__(self) -> None:
        super().__init__()
        self.described = self.description()
        self.transport = Checked(httpx.ASGITransport(self._application()), self.described)

    def description(self) -> Described:
        return Described.read(self.name, self.root)

    def adapter(self) -> PullRequests:
        return pull_requests(self.name, self.address, "", SecretFrom(env=VARIABLE), self.transport, QUICK)

    @abstractmethod
    def operations(self) -> dict[str, Handler]:
        """The handlers of one provider."""

    def answer(self, request: Request, told: Any, status: int = 200, **headers: str) -> Response:
        """``told`` and what the description asks for besides."""
        path = request.scope["raw_path"].decode()
        name = self.described.operation(request.method, path)
        schema = self.described.excerpt["operations"][name]["answers"].get(str(status))
        whole = self.described.filled(schema, told) if schema is not None else told
        return JSONResponse(whole, status, headers)

    def page(self, request: Request, told: list[Any], size: str, most: int) -> tuple[list[Any], str]:
        """One page of what there is, and the address of the next, empty after the last."""
        count = min(int(request.query_params.get(size, 20)), most)
        page = int(request.query_params.get("page", 1))
        left = told[page * count :]
        url = str(request.url.include_query_params(page=page + 1)) if left else ""
        return told[(page - 1) * count : page * count], url

    def listed(self, request: Request, told: list[Any], size: str = "per_page", most: int = 100) -> Response:
        """One page, as all but Bitbucket tell it."""
        found, url = self.page(request, told, size, most)
        return self.answer(request, found, **({"Link": f'<{url}>; rel="next"'} if url else {}))

    def _application(self) -> Starlette:
        routes = [
            Route(f"{self.root}{name.split()[1]}", self._guarded(handler), methods=[name.split()[0]])
            for name, handler in self.operations().items()
        ]
        return Starlette(routes=routes)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if request.headers.get("authorization") != self.authorization:
                return JSONResponse({"message": "Bad credentials"}, 401)
            try:
                return await handler(request)
            except LookupError:
                return JSONResponse({"message": "Not Found"}, 404)
            except RefusedError as refused:
                return JSONResponse({"message": "RefusedError"}, refused.status)

        return guarded

"""The one comment of ours on a pull request, whichever provider keeps it.

Anybody can paste our marker, so a comment counts as ours where the token's own user wrote it. Some tokens may
not ask who they are (GitHub Actions' answers 403): for those it has to be a bot's at least.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.preview.pulls.providers.answers import Told
from reconciler.preview.pulls.providers.api import Api
from reconciler.preview.pulls.providers.calls import Call
from reconciler.preview.pulls.pull_requests import Comment

MOST: Final = 3_000
"""Comments that are looked through; GitHub takes 2,500 on one pull request."""


@dataclass(frozen=True)
class Said:
    """A comment and the id of its author, empty where nobody is named."""

    id: int
    text: str
    author: str
    bot: bool = False


class Ways(Protocol):
    """How a provider keeps comments. Changing one takes the statuses of :data:`~.calls.GONE`."""

    def whoami(self) -> Call:
        """Asks for the token's user; takes the statuses of a token that may not ask."""

    def user(self, told: Told) -> str:
        """The id of a user."""

    def comments(self, number: int) -> Call:
        """Lists them, the oldest first."""

    def said(self, told: Told) -> Said | None:
        """One of the list; None for what no person or program wrote."""

    def new_comment(self, number: int, text: str) -> Call:
        """Writes one. It is not repeatable."""

    def changed_comment(self, number: int, comment: int, text: str) -> Call:
        """Replaces the text of one."""


class Comments:
    """Finds and writes ours."""

    def __init__(self, api: Api, ways: Ways) -> None:
        self._api = api
        self._ways = ways
        self._me: tuple[bytes, str] | None = None

    async def find(self, number: int, marker: str) -> Comment | None:
        """The oldest of ours that holds ``marker``."""
        me = await self._whoami()
        async for told in self._api.pages(self._ways.comments(number), MOST):
            said = self._ways.said(told)
            if said is not None and marker in said.text and _ours(said, me):
                return Comment(said.id, said.text)
        return None

    async def write(self, number: int, text: str, comment: int | None) -> int:
        """Replace ``comment``, or write a new one where there is none any more; its id."""
        if comment is not None:
            answer = await self._api.ask(self._ways.changed_comment(number, comment, text))
            if answer.status < 300:
                return comment
        return (await self._api.ask(self._ways.new_comment(number, text))).told().number("id")

    async def _whoami(self) -> str:
        """The id of the token's user, asked once for each token; empty where it may not ask."""
        token = await self._api.token_digest()
        if self._me is None or self._me[0] != token:
            answer = await self._api.ask(self._ways.whoami())
            self._me = token, self._ways.user(answer.told()) if answer.status < 300 else ""
        return self._me[1]


def _ours(said: Said, me: str) -> bool:
    return said.author == me if me else said.bot

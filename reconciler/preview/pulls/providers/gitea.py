"""Gitea and Forgejo, on any host.

Limits: Gitea keeps comments and descriptions of statuses in columns without a length, so these are ours:
GitHub's for the one, a line's for the other. A page has 50 objects at most (``MAX_RESPONSE_ITEMS``), but
comments come all at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from reconciler.preview.pulls.providers.api import Host
from reconciler.preview.pulls.providers.calls import GONE, Call
from reconciler.preview.pulls.providers.following_github import FollowingGitHub
from reconciler.preview.pulls.pull_requests import Comment
from schemas.errors import TransientError

MOST_LABELS: Final = 1_000
_GREY: Final = "#ededed"


def host(url: str) -> Host:
    """Gitea's API at ``url``."""
    return Host("Gitea", url, lambda token: f"token {token}")


class Gitea(FollowingGitHub):
    """Pull requests of one repository. Labels have ids; one that the repository lacks is made."""

    reads_repository: ClassVar = "read:repository"
    reads_pulls: ClassVar = "read:repository and read:issue"
    writes_pulls: ClassVar = "write:issue"
    writes_statuses: ClassVar = "write:repository, of a user who may write to the repository"
    reads_user: ClassVar = "read:user"
    per_page: ClassVar = {"limit": 50}
    comments_per_page: ClassVar = {}
    longest_comment: ClassVar = 65_000
    longest_status: ClassVar = 255

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """The oldest comment of ours with ``marker``."""
        async with self._existing(number):
            return await super().find_comment(number, marker)

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """Write a new one, or change ours."""
        async with self._existing(number):
            return await super().write_comment(number, text, comment)

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """Add it or take it away, where it is not so already."""
        path = f"{self._issue(number)}/labels"
        listed = Call("GET", path, self.reads_pulls, pull=number)
        theirs = await self._id(listed, label)
        if present and theirs is None:
            body = {"labels": [await self._known(label)]}
            await self._api.ask(Call("POST", path, self.writes_pulls, body=body, pull=number))
        elif not present and theirs is not None:
            await self._api.ask(Call("DELETE", f"{path}/{theirs}", self.writes_pulls, takes=GONE))

    @asynccontextmanager
    async def _existing(self, number: int) -> AsyncIterator[None]:
        """Comments of a pull request that is none are a 500 to Gitea (1.23), so it is looked for then."""
        try:
            yield
        except TransientError:
            await self.pull_request(number)
            raise

    async def _known(self, label: str) -> int:
        """The id of a label of the repository, made where there is none."""
        path = f"{self._at}/labels"
        known = await self._id(Call("GET", path, self.reads_pulls, self.per_page), label)
        if known is not None:
            return known
        body = {"name": label, "color": _GREY}
        made = Call("POST", path, self.writes_pulls, body=body, repeatable=False)
        return (await self._api.ask(made)).told().number("id")

    async def _id(self, listed: Call, label: str) -> int | None:
        found = [told async for told in self._api.pages(listed, MOST_LABELS)]
        return next((told.number("id") for told in found if told.text("name") == label), None)

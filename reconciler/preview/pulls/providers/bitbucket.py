"""Bitbucket Cloud, bitbucket.org. Its server editions have another API.

It tells commits of pull requests by their first twelve digits, so each is asked for once. It keeps no refs of
pull requests: the head of a fork cannot be fetched from the repository itself.

Limits: 32,768 characters of a comment are written down for the server editions, and nothing for this one; nor
is there a limit for a status's description, which is cut to a line.
"""

import re
from base64 import b64encode
from typing import Final

from reconciler.preview.pulls.providers.alike import MOST, address_field, in_order, shortened
from reconciler.preview.pulls.providers.answers import Told
from reconciler.preview.pulls.providers.api import Api, Host
from reconciler.preview.pulls.providers.calls import GONE, Call
from reconciler.preview.pulls.providers.comments import Comments, Said
from reconciler.preview.pulls.pull_requests import (
    CONTEXT,
    Comment,
    CommitStatus,
    PullRequest,
    PullState,
    StatusState,
)

LONGEST_STATUS: Final = 255
READS: Final = "repository: read and pullrequest: read"
WRITES: Final = "pullrequest: write"
WRITES_STATUSES: Final = "repository: write"
MOST_COMMITS: Final = 4_096
"""Whole ids that are remembered."""
_STATES: Final[dict[StatusState, str]] = {
    "pending": "INPROGRESS",
    "success": "SUCCESSFUL",
    "failure": "FAILED",
}
_PULL_STATES: Final[dict[str, PullState]] = {"OPEN": "open", "MERGED": "merged"}
_DIGITS = re.compile(r"[0-9a-f]{7,64}", re.ASCII)


def host(url: str) -> Host:
    """Bitbucket's API at ``url``."""
    return Host("Bitbucket", url, _authorization)


def _authorization(token: str) -> str:
    """An access token stands alone; an API token or app password stands behind its user and a colon."""
    return f"Basic {b64encode(token.encode()).decode()}" if ":" in token else f"Bearer {token}"


class Bitbucket:
    """Pull requests of ``repository``, which is ``workspace/name``."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._repository = repository
        self._at = f"/repositories/{repository}"
        self._comments = Comments(api, self)
        self._whole: dict[str, str] = {}

    @property
    def longest(self) -> int:
        """Characters of a comment."""
        return 32_000

    async def is_public(self) -> bool:
        """As the repository's settings have it."""
        return not (await self._api.ask(Call("GET", self._at, READS))).told().flag("is_private")

    async def opened(self) -> tuple[PullRequest, ...]:
        """Every open pull request whose head is there, by number; the newest 1,000 where there are more."""
        query: dict[str, str | int] = {"state": "OPEN", "pagelen": 50, "sort": "-created_on"}
        call = Call("GET", f"{self._at}/pullrequests", READS, query)
        found = [await self._pull(told) async for told in self._api.pages(call, MOST)]
        return in_order(pull for pull in found if pull.head)

    async def pull_request(self, number: int) -> PullRequest:
        """One pull request, whatever its state; ``head`` is empty where its commit is gone."""
        call = Call("GET", f"{self._at}/pullrequests/{number}", READS, pull=number)
        return await self._pull((await self._api.ask(call)).told())

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """The oldest comment of ours with ``marker``."""
        return await self._comments.find(number, marker)

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """Write a new one, or change ours."""
        return await self._comments.write(number, text, comment)

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """Every status has to lead somewhere; the commit's own page where there is nothing to read."""
        path = f"{self._at}/commit/{commit}/statuses/build"
        body = {
            "key": CONTEXT,
            "name": CONTEXT,
            "state": _STATES[status.state],
            "description": shortened(status.description, LONGEST_STATUS),
            "url": f"https://bitbucket.org/{self._repository}/commits/{commit}",
            **address_field("url", status),
        }
        await self._api.ask(Call("POST", path, WRITES_STATUSES, body=body))

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """Does nothing: Bitbucket's pull requests have no labels."""

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    # How comments are kept

    def whoami(self) -> Call:
        """Asks for the token's user; an access token of a repository has none that it may ask for."""
        return Call("GET", "/user", "account: read", takes=frozenset({401, 403}))

    def user(self, told: Told) -> str:
        """The id of a user."""
        return told.identity("uuid")

    def comments(self, number: int) -> Call:
        """Lists them, the oldest first."""
        query: dict[str, str | int] = {"pagelen": 100, "sort": "created_on"}
        return Call("GET", f"{self._pull_request(number)}/comments", READS, query, pull=number)

    def said(self, told: Told) -> Said | None:
        """One of the list, which has deleted ones as well."""
        if told.flag("deleted", default=False):
            return None
        author, text = told.part_or_none("user"), told.part("content")
        whose = self.user(author) if author is not None else ""
        bot = author is not None and author.shown("type") == "app_user"
        return Said(told.number("id"), text.text("raw"), whose, bot)

    def new_comment(self, number: int, text: str) -> Call:
        """Writes one."""
        path, body = f"{self._pull_request(number)}/comments", {"content": {"raw": text}}
        return Call("POST", path, WRITES, body=body, pull=number, repeatable=False)

    def changed_comment(self, number: int, comment: int, text: str) -> Call:
        """Replaces the text of one."""
        path, body = f"{self._pull_request(number)}/comments/{comment}", {"content": {"raw": text}}
        return Call("PUT", path, WRITES, body=body, pull=number, takes=GONE)

    def _pull_request(self, number: int) -> str:
        return f"{self._at}/pullrequests/{number}"

    async def _pull(self, told: Told) -> PullRequest:
        source, destination = told.part("source"), told.part("destination")
        number, fork = told.number("id"), _is_fork(source, destination)
        state, author = _PULL_STATES.get(told.text("state"), "closed"), told.part_or_none("author")
        branch = source.part("branch").shown("name") if source.has("branch") else ""
        return PullRequest(
            number=number,
            state=state,
            title=told.shown("title"),
            author=(author.shown("nickname") or author.shown("display_name")) if author is not None else "",
            url=told.part("links").part("html").web("href"),
            head=await self._head(number, source) if fork else await self._commit(source, "commit"),
            head_ref=f"refs/heads/{branch}" if branch and not fork else "",
            base=await self._commit(destination, "commit"),
            base_branch=destination.part("branch").name("name"),
            fork=fork,
            draft=told.flag("draft", default=False),
            merge_commit=await self._commit(told, "merge_commit") if state == "merged" else "",
        )

    async def _head(self, number: int, source: Told) -> str:
        """The whole id of a fork's commit; its own repository may be closed to us, or gone."""
        digits = _digits(source, "commit")
        if digits and digits not in self._whole:
            call = Call("GET", f"{self._pull_request(number)}/commits", READS, {"pagelen": 1}, pull=number)
            newest, _ = (await self._api.ask(call)).page()
            self._remember(digits, newest[0].commit("hash") if newest else "")
        return self._whole.get(digits, "")

    async def _commit(self, told: Told, name: str) -> str:
        """The whole id of a commit of the repository, empty where it is gone."""
        digits = _digits(told, name)
        if digits and digits not in self._whole:
            answer = await self._api.ask(Call("GET", f"{self._at}/commit/{digits}", READS, takes=GONE))
            self._remember(digits, answer.told().commit("hash") if answer.status < 300 else "")
        return self._whole.get(digits, "")

    def _remember(self, digits: str, whole: str) -> None:
        if whole.startswith(digits):
            self._whole[digits] = whole
        while len(self._whole) > MOST_COMMITS:
            del self._whole[next(iter(self._whole))]


def _digits(told: Told, name: str) -> str:
    """The first digits of a commit's id; empty where there is none."""
    commit = told.part_or_none(name)
    digits = commit.shown("hash") if commit is not None else ""
    return digits if _DIGITS.fullmatch(digits) else ""


def _is_fork(source: Told, destination: Told) -> bool:
    """A repository that is gone was a fork."""
    theirs = source.part_or_none("repository")
    return theirs is None or theirs.identity("uuid") != destination.part("repository").identity("uuid")

"""What GitHub and Gitea do alike: Gitea's API follows GitHub's in paths, fields and order of pages.

Labels are each one's own. Sources: docs.github.com/rest, and the description that Gitea serves of itself.
"""

from typing import ClassVar

from reconciler.preview.pulls.providers.alike import MOST, address_field, in_order, shortened
from reconciler.preview.pulls.providers.answers import Told
from reconciler.preview.pulls.providers.api import Api
from reconciler.preview.pulls.providers.calls import GONE, Call
from reconciler.preview.pulls.providers.comments import Comments, Said
from reconciler.preview.pulls.pull_requests import CONTEXT, Comment, CommitStatus, PullRequest, PullState


class FollowingGitHub:
    """Pull requests of ``repository``, which is ``owner/name``. The words are what a token needs for a call,
    ``per_page`` is the query for pages as large as can be."""

    reads_repository: ClassVar[str]
    reads_pulls: ClassVar[str]
    writes_pulls: ClassVar[str]
    writes_statuses: ClassVar[str]
    reads_user: ClassVar[str]
    may_not_ask: ClassVar[frozenset[int]] = frozenset()
    per_page: ClassVar[dict[str, int]]
    comments_per_page: ClassVar[dict[str, int]]
    longest_comment: ClassVar[int]
    longest_status: ClassVar[int]

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._at = f"/repos/{repository}"
        self._comments = Comments(api, self)

    @property
    def longest(self) -> int:
        """Characters of a comment."""
        return self.longest_comment

    async def is_public(self) -> bool:
        """Internal is what a whole company may read: not public."""
        told = (await self._api.ask(Call("GET", self._at, self.reads_repository))).told()
        return not told.flag("private") and not told.flag("internal", default=False)

    async def opened(self) -> tuple[PullRequest, ...]:
        """Every open pull request, by number; the newest 1,000 where there are more."""
        call = Call("GET", f"{self._at}/pulls", self.reads_pulls, {"state": "open", **self.per_page})
        return in_order([_pull(told) async for told in self._api.pages(call, MOST)])

    async def pull_request(self, number: int) -> PullRequest:
        """One pull request, whatever its state."""
        call = Call("GET", f"{self._at}/pulls/{number}", self.reads_pulls, pull=number)
        return _pull((await self._api.ask(call)).told())

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """The oldest comment of ours with ``marker``."""
        return await self._comments.find(number, marker)

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """Write a new one, or change ours."""
        return await self._comments.write(number, text, comment)

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """Statuses are kept; the newest of a name is what holds."""
        body = {
            "state": status.state,
            "context": CONTEXT,
            "description": shortened(status.description, self.longest_status),
            **address_field("target_url", status),
        }
        await self._api.ask(Call("POST", f"{self._at}/statuses/{commit}", self.writes_statuses, body=body))

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    # How comments are kept

    def whoami(self) -> Call:
        """Asks for the token's user."""
        return Call("GET", "/user", self.reads_user, takes=self.may_not_ask)

    def user(self, told: Told) -> str:
        """The id of a user; Gitea's own ones are below zero."""
        return told.identity("id")

    def comments(self, number: int) -> Call:
        """Lists them, the oldest first."""
        path = f"{self._issue(number)}/comments"
        return Call("GET", path, self.reads_pulls, self.comments_per_page, pull=number)

    def said(self, told: Told) -> Said | None:
        """One of the list; who deleted their account is nobody."""
        author = told.part_or_none("user")
        whose = self.user(author) if author is not None else ""
        bot = author is not None and author.shown("type") == "Bot"
        return Said(told.number("id"), told.text("body") if told.has("body") else "", whose, bot)

    def new_comment(self, number: int, text: str) -> Call:
        """Writes one."""
        path = f"{self._issue(number)}/comments"
        return Call("POST", path, self.writes_pulls, body={"body": text}, pull=number, repeatable=False)

    def changed_comment(self, number: int, comment: int, text: str) -> Call:
        """Replaces the text of one; its id says of which pull request."""
        path = f"{self._at}/issues/comments/{comment}"
        return Call("PATCH", path, self.writes_pulls, body={"body": text}, pull=number, takes=GONE)

    def _issue(self, number: int) -> str:
        return f"{self._at}/issues/{number}"


def _pull(told: Told) -> PullRequest:
    head, base, author = told.part("head"), told.part("base"), told.part_or_none("user")
    number, state = told.number("number"), _state(told)
    return PullRequest(
        number=number,
        state=state,
        title=told.shown("title"),
        author=author.shown("login") if author is not None else "",
        url=told.web("html_url"),
        head=head.commit("sha"),
        head_ref=f"refs/pull/{number}/head",
        base=base.commit("sha"),
        base_branch=base.name("ref"),
        fork=_is_fork(head, base),
        draft=told.flag("draft", default=False),
        labels=tuple(sorted(label.name("name") for label in told.parts("labels"))),
        merge_commit=told.commit("merge_commit_sha") if state == "merged" else "",
    )


def _state(told: Told) -> PullState:
    """An open one has a merge commit as well, which nobody has merged."""
    if told.has("merged_at"):
        return "merged"
    return "open" if told.text("state") == "open" else "closed"


def _is_fork(head: Told, base: Told) -> bool:
    """A repository that is gone was a fork."""
    theirs = head.part_or_none("repo")
    return theirs is None or theirs.number("id") != base.part("repo").number("id")

"""GitLab, on gitlab.com and self-managed. Its pull requests are merge requests, its comments notes.

Limits: a note has 1,000,000 characters at most (*Notes API*), the description of a status 255. A line of a
note that begins with a slash is a command of whoever wrote it, so no text may be posted that holds one.
"""

from dataclasses import replace
from typing import Final
from urllib.parse import quote

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
READS: Final = "scope read_api and the role Reporter"
WRITES: Final = "scope api and the role Developer"
_PAGE: Final = {"per_page": 100}
_STATES: Final[dict[StatusState, str]] = {"pending": "pending", "success": "success", "failure": "failed"}
_SAME: Final = "Cannot transition status"
"""GitLab's words where the status is what we set it to."""


def host(url: str) -> Host:
    """GitLab's API at ``url``. It takes access tokens of every kind as OAuth's."""
    return Host("GitLab", url, lambda token: f"Bearer {token}")


class GitLab:
    """Merge requests of one project, whose path is one segment of an address."""

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._at = f"/projects/{project}"
        self._comments = Comments(api, self)

    @property
    def longest(self) -> int:
        """Characters of a note."""
        return 1_000_000

    async def is_public(self) -> bool:
        """Internal is what every user of the host may read: not public."""
        return (await self._api.ask(Call("GET", self._at, READS))).told().text("visibility") == "public"

    async def opened(self) -> tuple[PullRequest, ...]:
        """Every open merge request, by number; the newest 1,000 where there are more."""
        call = Call("GET", f"{self._at}/merge_requests", READS, {"state": "opened", **_PAGE})
        found = [told async for told in self._api.pages(call, MOST)]
        branches = {told.name("target_branch") for told in found}
        tips = {branch: await self._tip(branch) for branch in sorted(branches)}
        return in_order(_pull(told, tips[told.name("target_branch")]) for told in found)

    async def pull_request(self, number: int) -> PullRequest:
        """One merge request, whatever its state."""
        told = (await self._api.ask(Call("GET", self._merge_request(number), READS, pull=number))).told()
        return _pull(told, await self._tip(told.name("target_branch")))

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """The oldest note of ours with ``marker``."""
        return await self._comments.find(number, marker)

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """Write a new one, or change ours."""
        return await self._comments.write(number, text, comment)

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """GitLab refuses to set a pending status to pending; the description stays the first one's then."""
        body = {
            "state": _STATES[status.state],
            "name": CONTEXT,
            "description": shortened(status.description, LONGEST_STATUS),
            **address_field("target_url", status),
        }
        call = Call("POST", f"{self._at}/statuses/{commit}", WRITES, body=body, takes=frozenset({400}))
        answer = await self._api.ask(call)
        if not answer.says(_SAME):
            replace(call, takes=frozenset()).judge("GitLab", answer.status)

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """GitLab makes a label that the project lacks. A comma parts two labels."""
        body = {"add_labels" if present else "remove_labels": label}
        await self._api.ask(Call("PUT", self._merge_request(number), WRITES, body=body, pull=number))

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    # How comments are kept

    def whoami(self) -> Call:
        """Asks for the token's user."""
        return Call("GET", "/user", "scope read_user or api")

    def user(self, told: Told) -> str:
        """The id of a user."""
        return told.identity("id")

    def comments(self, number: int) -> Call:
        """Lists them, the oldest first."""
        query: dict[str, str | int] = {"sort": "asc", "order_by": "created_at", **_PAGE}
        return Call("GET", f"{self._merge_request(number)}/notes", READS, query, pull=number)

    def said(self, told: Told) -> Said | None:
        """One of the list; GitLab itself writes some."""
        if told.flag("system", default=False):
            return None
        author = told.part_or_none("author")
        return Said(told.number("id"), told.text("body"), self.user(author) if author is not None else "")

    def new_comment(self, number: int, text: str) -> Call:
        """Writes one."""
        path = f"{self._merge_request(number)}/notes"
        return Call("POST", path, WRITES, body={"body": text}, pull=number, repeatable=False)

    def changed_comment(self, number: int, comment: int, text: str) -> Call:
        """Replaces the text of one."""
        path = f"{self._merge_request(number)}/notes/{comment}"
        return Call("PUT", path, WRITES, body={"body": text}, pull=number, takes=GONE)

    def _merge_request(self, number: int) -> str:
        return f"{self._at}/merge_requests/{number}"

    async def _tip(self, branch: str) -> str:
        """The commit of a branch, which lists of merge requests do not tell; empty where it is gone."""
        path = f"{self._at}/repository/branches/{quote(branch, safe='')}"
        answer = await self._api.ask(Call("GET", path, READS, takes=GONE))
        return answer.told().part("commit").commit("id") if answer.status < 300 else ""


def _pull(told: Told, base: str) -> PullRequest:
    number, state, author = told.number("iid"), _state(told.text("state")), told.part_or_none("author")
    return PullRequest(
        number=number,
        state=state,
        title=told.shown("title"),
        author=author.shown("username") if author is not None else "",
        url=told.web("web_url"),
        head=told.commit("sha"),
        head_ref=f"refs/merge-requests/{number}/head",
        base=base,
        base_branch=told.name("target_branch"),
        fork=not told.has("source_project_id")
        or told.number("source_project_id") != told.number("target_project_id"),
        draft=told.flag("draft", default=False),
        labels=tuple(sorted(told.names("labels"))),
        merge_commit=_merged(told) if state == "merged" else "",
    )


def _merged(told: Told) -> str:
    """A squash without a merge commit, and a fast-forward, have the second and the third alone."""
    return told.commit("merge_commit_sha") or told.commit("squash_commit_sha") or told.commit("sha")


def _state(word: str) -> PullState:
    """One that is locked is being merged."""
    if word == "merged":
        return "merged"
    return "open" if word in ("opened", "locked") else "closed"

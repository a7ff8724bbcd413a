"""GitHub, on github.com and as Enterprise Server.

Limits: GitHub's own error says that a comment has 65,536 characters at most, and 262,144 bytes were measured
(dead-claudia/github-limits#13): 65,000 characters are below both. A status has 140 (*Commit statuses*).
GitHub asks for a second between writes (*Best practices for using the REST API*).
"""

from typing import ClassVar
from urllib.parse import quote

from reconciler.preview.pulls.providers.api import Host
from reconciler.preview.pulls.providers.calls import GONE, Call
from reconciler.preview.pulls.providers.following_github import FollowingGitHub


def host(url: str) -> Host:
    """GitHub's API at ``url``."""
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    return Host("GitHub", url, lambda token: f"Bearer {token}", headers, gap=1.0)


class GitHub(FollowingGitHub):
    """Pull requests of one repository. An added label that the repository lacks is made by GitHub.

    A token of GitHub Actions may not ask who it is; its comments are known by being a bot's.
    """

    reads_repository: ClassVar = "Metadata: read"
    reads_pulls: ClassVar = "Pull requests: read"
    writes_pulls: ClassVar = "Pull requests: write"
    writes_statuses: ClassVar = "Commit statuses: write"
    reads_user: ClassVar = "no permission but to be valid"
    may_not_ask: ClassVar = frozenset({403})
    per_page: ClassVar = {"per_page": 100}
    comments_per_page: ClassVar = per_page
    longest_comment: ClassVar = 65_000
    longest_status: ClassVar = 140

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """Add it by name, or take it away; one that is not there is away."""
        path = f"{self._issue(number)}/labels"
        if present:
            call = Call("POST", path, self.writes_pulls, body={"labels": [label]}, pull=number)
        else:
            call = Call("DELETE", f"{path}/{quote(label, safe='')}", self.writes_pulls, takes=GONE)
        await self._api.ask(call)

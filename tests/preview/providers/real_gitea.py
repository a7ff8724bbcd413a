"""The real Gitea as a side of the contract: Moorage is a user who may write to somebody's repository."""

from functools import cache
from itertools import count
from pathlib import Path
from typing import ClassVar

import httpx

from reconciler.preview.pulls.providers.provider import pull_requests
from reconciler.preview.pulls.pull_requests import PullRequests
from reconciler.source.secrets import SecretFrom
from scripts.api_excerpts import of_swagger
from tests.preview.providers.described import Checked, Described
from tests.preview.providers.doubles import QUICK
from tests.preview.providers.people import Seen
from tests.testbed.gitea import Gitea
from tests.testbed.gitea_api import User
from tests.testbed.team import Team

SCOPES = ("write:repository", "write:issue", "read:user")
"""The least that Moorage's token needs."""


class RealGitea:
    """``team`` owns the repository, and opens and comments pull requests."""

    name: ClassVar = "gitea"
    statuses: ClassVar = {"pending": "pending", "success": "success", "failure": "failure"}

    def __init__(self, team: Team, folder: Path) -> None:
        self.team = team
        self.remote = team.remote
        self.moorage, token = moorage(team.gitea)
        self.token = SecretFrom(file=folder / "moorage.token")
        (folder / "moorage.token").write_text(token)
        self._numbers = count(1)
        team.push({"a.yaml": "1"})
        self.remote.share_with(self.moorage, "write")

    def adapter(self) -> PullRequests:
        return self.adapter_with(self.token)

    def adapter_with(self, token: SecretFrom) -> PullRequests:
        """The adapter with another token."""
        checked = Checked(httpx.AsyncHTTPTransport(verify=False), described(self.team.gitea.url))
        return pull_requests("gitea", self.remote.address, "", token, checked, QUICK)

    def open(self, title: str, *, fork: str = "", draft: bool = False) -> int:
        branch = f"change-{next(self._numbers)}"
        title = f"WIP: {title}" if draft else title
        if not fork:
            self.remote.create_branch(branch)
            self.remote.put_file(f"{branch}.yaml", "1", branch=branch)
            return self.remote.open_pull_request(branch, title=title).number
        stranger = self.team.gitea.create_user("eve")
        self.remote.share_with(stranger, "read")
        theirs = stranger.fork(self.remote)
        theirs.create_branch(branch)
        theirs.put_file(f"{branch}.yaml", "1", branch=branch)
        opened = stranger.sees(self.remote).open_pull_request(f"{stranger.name}:{branch}", title=title)
        if fork == "gone":
            theirs.delete()
        return opened.number

    def head(self, number: int) -> str:
        return self.remote.pull_request(number).commit

    def tip(self) -> str:
        return self.remote.branches()["main"]

    def merge(self, number: int) -> None:
        self.remote.merge(number)

    def close(self, number: int) -> None:
        self.remote.close_pull_request(number)

    def say(self, number: int, text: str) -> int:
        return self.remote.comment(number, text).id

    def comments(self, number: int) -> list[tuple[str, str]]:
        ours = self.moorage.name
        found = self.remote.comments(number)
        return [("moorage" if each.author == ours else "eve", each.text) for each in found]

    def delete_comment(self, number: int, comment: int) -> None:
        self.remote.delete_comment(comment)

    def status(self, commit: str) -> Seen | None:
        found = (each for each in self.remote.statuses(commit) if each.context == "moorage/plan")
        newest = next(found, None)
        return None if newest is None else Seen(newest.state, newest.text, newest.url)

    def labels(self, number: int) -> list[str]:
        return self.remote.labels(number)

    def publish(self) -> None:
        self.remote.publish()


@cache
def moorage(gitea: Gitea) -> tuple[User, str]:
    """Moorage's user and token, the same in all tests: making one takes Gitea a second."""
    user = gitea.create_user("moorage")
    return user, user.scoped_token(*SCOPES)


@cache
def described(url: str) -> Described:
    """As Gitea describes itself."""
    excerpt = of_swagger(httpx.get(f"{url}/swagger.v1.json", trust_env=False, timeout=60).json())
    return Described(excerpt, "/api/v1")

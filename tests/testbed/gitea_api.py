"""Gitea's API as far as tests need it: people, repositories, branches, hooks, pull requests.

Everything is done as somebody: a :class:`User` logs in by token, and a :class:`Repository` is one as that
user sees it. Answers are read into values where a test looks at more than one field of them.
"""

import base64
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

import httpx

EVENTS = ("create", "delete", "push")
"""What hooks are for where a test names no others."""

PATIENCE = 60.0
"""Seconds to wait for what Gitea does in the background."""


class ApiError(Exception):
    """An answer that is no success. ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text[:500]}")
        self.status = status


class Api:
    """Requests as one user."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def by_token(cls, url: str, token: str) -> Self:
        return cls(_client(url, headers={"Authorization": f"token {token}"}))

    @classmethod
    def by_password(cls, url: str, name: str, password: str) -> Self:
        return cls(_client(url, auth=(name, password)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query)

    def post(self, path: str, **fields: Any) -> Any:
        return self._ask("POST", path, json=fields)

    def put(self, path: str, **fields: Any) -> Any:
        return self._ask("PUT", path, json=fields)

    def patch(self, path: str, **fields: Any) -> Any:
        return self._ask("PATCH", path, json=fields)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **rest: Any) -> Any:
        answer = self._client.request(method, f"/api/v1{path}", **rest)
        if not answer.is_success:
            raise ApiError(answer.status_code, answer.text)
        return answer.json() if answer.content else None


def _client(url: str, **access: Any) -> httpx.Client:
    # It speaks no TLS, and reading the certificates of authorities takes longer than most answers.
    return httpx.Client(base_url=url, timeout=60, trust_env=False, verify=False, **access)


@dataclass(frozen=True)
class User:
    """Somebody with an account. ``token`` may do whatever they may."""

    url: str
    name: str
    password: str = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def log_in(cls, url: str, name: str, password: str) -> Self:
        """With a new token."""
        with Api.by_password(url, name, password) as api:
            made = api.post(f"/users/{name}/tokens", name="test", scopes=["all"])
        return cls(url, name, password, made["sha1"])

    @property
    def api(self) -> Api:
        return Api.by_token(self.url, self.token)

    def create_repository(self, name: str, *, private: bool = True) -> "Repository":
        """An empty one of theirs, whose branch is to be called main."""
        with self.api as api:
            api.post("/user/repos", name=name, private=private, default_branch="main")
        return Repository(self, f"{self.name}/{name}")

    def scoped_token(self, *scopes: str) -> str:
        """A token of theirs that may do just that."""
        with Api.by_password(self.url, self.name, self.password) as api:
            name = f"scoped-{len(api.get(f'/users/{self.name}/tokens'))}"
            made = api.post(f"/users/{self.name}/tokens", name=name, scopes=list(scopes))
        return str(made["sha1"])

    def fork(self, repository: "Repository") -> "Repository":
        """A copy of somebody's repository, theirs."""
        with self.api as api:
            made = api.post(f"/repos/{repository.name}/forks")
        return Repository(self, made["full_name"])

    def sees(self, repository: "Repository") -> "Repository":
        """Somebody's repository, as this user works with it."""
        return Repository(self, repository.name)


@dataclass(frozen=True)
class PullRequest:
    """A pull request. ``head`` and ``base`` are branches, ``commit`` the head's."""

    number: int
    state: str
    merged: bool
    head: str
    base: str
    commit: str
    title: str

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        head, base = answer["head"], answer["base"]
        return cls(
            answer["number"], answer["state"], answer["merged"], head["ref"], base["ref"], head["sha"],
            answer["title"],
        )  # fmt: skip


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request."""

    id: int
    author: str
    text: str

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        return cls(answer["id"], answer["user"]["login"], answer["body"])


@dataclass(frozen=True)
class Status:
    """What somebody says of a commit under a name of theirs (``context``)."""

    context: str
    state: str
    text: str
    url: str = ""

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        return cls(answer["context"], answer["status"], answer["description"], answer["target_url"])


@dataclass(frozen=True)
class Repository:
    """``owner/name``, as ``user`` works with it."""

    user: User
    name: str

    @property
    def address(self) -> str:
        """Where it is cloned from, without anything secret."""
        return f"{self.user.url}/{self.name}.git"

    @property
    def address_with_token(self) -> str:
        """As somebody would write it who has nowhere else to put the token."""
        return self._with(f"{self.user.name}:{self.user.token}")

    @property
    def address_with_password(self) -> str:
        return self._with(f"{self.user.name}:{quote(self.user.password, safe='')}")

    def share_with(self, user: User, permission: str = "write") -> None:
        """Let somebody else ``read``, ``write`` or ``admin`` it."""
        self._call("put", f"/collaborators/{user.name}", permission=permission)

    def publish(self) -> None:
        """Let everybody read it."""
        self._call("patch", "", private=False)

    def delete(self) -> None:
        """Nobody has it any more."""
        self._call("delete", "")

    # Branches and files.

    def branches(self) -> dict[str, str]:
        """Commit by branch. A repository that was just pushed to for the first time may have none yet."""
        return {each["name"]: each["commit"]["id"] for each in self._call("get", "/branches") or ()}

    def create_branch(self, name: str, of: str = "main") -> None:
        self._call("post", "/branches", new_branch_name=name, old_branch_name=of)

    def delete_branch(self, name: str) -> None:
        self._call("delete", f"/branches/{quote(name)}")

    def set_default_branch(self, name: str) -> None:
        """Gitea 1.23 answers 500 as long as the last push waits for its search for licences."""
        for _ in range(100):
            try:
                self._call("patch", "", default_branch=name)
            except ApiError as error:
                if error.status != 500:
                    raise
                time.sleep(0.2)
            else:
                return
        raise TimeoutError(f"{self.name} does not take {name} as its default branch")

    def protect_branch(self, name: str, *, pushers: tuple[str, ...] = ()) -> None:
        """Nobody but ``pushers`` may push to it, and nobody with force."""
        allowed = {"enable_push": bool(pushers), "enable_push_whitelist": bool(pushers)}
        self._call(
            "post", "/branch_protections", rule_name=name, push_whitelist_usernames=list(pushers), **allowed
        )

    def put_file(self, path: str, text: str, branch: str = "main") -> str:
        """Commit one file; the commit."""
        fields = {"content": base64.b64encode(text.encode()).decode(), "branch": branch}
        known = self._blob(path, branch)
        if known is None:
            made = self._call("post", f"/contents/{quote(path)}", **fields)
        else:
            made = self._call("put", f"/contents/{quote(path)}", sha=known, **fields)
        return str(made["commit"]["sha"])

    def _blob(self, path: str, branch: str) -> str | None:
        try:
            return str(self._call("get", f"/contents/{quote(path)}", ref=branch)["sha"])
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    # Hooks.

    def create_hook(self, url: str, secret: str, events: tuple[str, ...] = EVENTS) -> int:
        """Tell ``url`` of ``events``, signed with ``secret``; the hook's number."""
        config = {"url": url, "content_type": "json", "secret": secret}
        made = self._call("post", "/hooks", type="gitea", active=True, events=list(events), config=config)
        return int(made["id"])

    def hooks(self) -> list[int]:
        """The number of each, sorted."""
        return sorted(int(each["id"]) for each in self._call("get", "/hooks"))

    def delete_hook(self, number: int) -> None:
        self._call("delete", f"/hooks/{number}")

    # Pull requests.

    def open_pull_request(self, head: str, base: str = "main", title: str = "Change it") -> PullRequest:
        return PullRequest.of(self._call("post", "/pulls", head=head, base=base, title=title))

    def pull_request(self, number: int) -> PullRequest:
        return PullRequest.of(self._call("get", f"/pulls/{number}"))

    def close_pull_request(self, number: int) -> None:
        self._call("patch", f"/pulls/{number}", state="closed")

    def merge(self, number: int, how: str = "merge") -> None:
        """``how`` is ``merge``, ``rebase``, ``squash`` or ``fast-forward-only``.

        Gitea refuses until it has found out in the background whether the branches fit.
        """
        end = time.monotonic() + PATIENCE
        while not self._merged(number, how):
            assert time.monotonic() < end, f"{self.name} #{number} cannot be merged by {how}"
            time.sleep(0.05)

    def _merged(self, number: int, how: str) -> bool:
        try:
            self._call("post", f"/pulls/{number}/merge", Do=how)
        except ApiError as error:
            if error.status != 405 or "try again later" not in str(error):
                raise
            return False
        return True

    def comments(self, number: int) -> list[Comment]:
        """In the order in which they were written."""
        return [Comment.of(each) for each in self._call("get", f"/issues/{number}/comments")]

    def comment(self, number: int, text: str) -> Comment:
        return Comment.of(self._call("post", f"/issues/{number}/comments", body=text))

    def edit_comment(self, comment: int, text: str) -> None:
        self._call("patch", f"/issues/comments/{comment}", body=text)

    def delete_comment(self, comment: int) -> None:
        self._call("delete", f"/issues/comments/{comment}")

    def create_label(self, name: str) -> None:
        self._call("post", "/labels", name=name, color="#ededed")

    def known_labels(self) -> list[str]:
        """Of the repository, sorted."""
        return sorted(each["name"] for each in self._call("get", "/labels"))

    def add_label(self, number: int, name: str) -> None:
        """Put a label of the repository on a pull request."""
        known = {each["name"]: each["id"] for each in self._call("get", "/labels")}
        self._call("post", f"/issues/{number}/labels", labels=[known[name]])

    def labels(self, number: int) -> list[str]:
        """Of a pull request, sorted."""
        return sorted(each["name"] for each in self._call("get", f"/issues/{number}/labels"))

    def statuses(self, commit: str) -> list[Status]:
        """The newest first."""
        found = self._call("get", f"/commits/{commit}/statuses")
        return [Status.of(each) for each in sorted(found, key=lambda each: -int(each["id"]))]

    def set_status(self, commit: str, state: str, context: str, text: str = "") -> None:
        """``state`` is ``pending``, ``success``, ``error``, ``failure`` or ``warning``."""
        self._call("post", f"/statuses/{commit}", state=state, context=context, description=text)

    def _with(self, userinfo: str) -> str:
        scheme, _, rest = self.address.partition("://")
        return f"{scheme}://{userinfo}@{rest}"

    def _call(self, method: str, path: str, **fields: Any) -> Any:
        with self.user.api as api:
            return getattr(api, method)(f"/repos/{self.name}{path}", **fields)

"""GitHub in memory, as far as the adapter asks for it."""

from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response

from tests.preview.providers.described import Described
from tests.preview.providers.doubles import Double, Handler, RefusedError
from tests.preview.providers.people import Note, Person, Pull, Seen

REPOSITORY, FORK = 1, 2


class GitHubDouble(Double):
    name: ClassVar = "github"
    address: ClassVar = "https://github.com/acme/models.git"
    root: ClassVar = ""
    statuses: ClassVar = {"pending": "pending", "success": "success", "failure": "failure"}

    def description(self) -> Described:
        """With what it lacks: a fork that was deleted is null."""
        described = Described.read("github")
        for name in ("pull-request", "pull-request-simple"):
            head = described.excerpt["schemas"][name]["properties"]["head"]["properties"]
            head["repo"] = {"anyOf": [head["repo"], {"type": "null"}]}
        return described

    def operations(self) -> dict[str, Handler]:
        at, issue = "/repos/acme/models", "/repos/acme/models/issues/{number:int}"
        return {
            "GET /user": self._user,
            f"GET {at}": self._repository,
            f"GET {at}/pulls": self._pulls,
            f"GET {at}/pulls/{{number:int}}": self._pull,
            f"GET {issue}/comments": self._comments,
            f"POST {issue}/comments": self._comment,
            f"PATCH {at}/issues/comments/{{comment:int}}": self._edit,
            f"POST {issue}/labels": self._label,
            f"DELETE {issue}/labels/{{label:path}}": self._unlabel,
            f"POST {at}/statuses/{{commit}}": self._status,
        }

    async def _user(self, request: Request) -> Response:
        if not self.may_ask_who:
            raise RefusedError(403)
        return self.answer(request, {"id": self.me.number, "login": self.me.name, "type": "User"})

    async def _repository(self, request: Request) -> Response:
        return self.answer(request, {"private": not self.public})

    async def _pulls(self, request: Request) -> Response:
        assert request.query_params["state"] == "open"
        newest = [pull for pull in reversed(self.pulls.values()) if pull.state == "open"]
        return self.listed(request, [_pull(pull) for pull in newest])

    async def _pull(self, request: Request) -> Response:
        pull = self.pulls[request.path_params["number"]]
        return self.answer(request, _pull(pull) | {"merged": pull.state == "merged"})

    async def _comments(self, request: Request) -> Response:
        notes = self.pulls[request.path_params["number"]].notes
        return self.listed(request, [_comment(note) for note in notes if not note.deleted])

    async def _comment(self, request: Request) -> Response:
        body = await request.json()
        return self.answer(
            request, _comment(self.write(request.path_params["number"], self.me, body["body"])), 201
        )

    async def _edit(self, request: Request) -> Response:
        note = self.note(request.path_params["comment"])
        note.text = (await request.json())["body"]
        return self.answer(request, _comment(note))

    async def _label(self, request: Request) -> Response:
        number = request.path_params["number"]
        for name in (await request.json())["labels"]:
            self.label(number, name, present=True)
        return self.answer(request, [{"name": name} for name in self.labels(number)])

    async def _unlabel(self, request: Request) -> Response:
        number, name = request.path_params["number"], request.path_params["label"]
        if name not in self.labels(number):
            raise LookupError(name)
        self.label(number, name, present=False)
        return self.answer(request, [{"name": name} for name in self.labels(number)])

    async def _status(self, request: Request) -> Response:
        body = await request.json()
        if len(body["description"]) > 140:
            raise RefusedError(422)
        self.say_of(
            request.path_params["commit"],
            body["context"],
            Seen(body["state"], body["description"], body.get("target_url", "")),
        )
        return self.answer(request, {"context": body["context"], "state": body["state"]}, 201)


def _person(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    return {"id": person.number, "login": person.name, "type": "Bot" if person.bot else "User"}


def _comment(note: Note) -> dict[str, Any]:
    return {"id": note.id, "body": note.text, "user": _person(note.author)}


def _pull(pull: Pull) -> dict[str, Any]:
    """An open one has a merge commit as well: what a merge would give."""
    forked = {"": {"id": REPOSITORY}, "there": {"id": FORK}, "gone": None}[pull.fork]
    return {
        "number": pull.number,
        "title": pull.title,
        "state": "open" if pull.state == "open" else "closed",
        "draft": pull.draft,
        "user": {"id": 8, "login": "eve", "type": "User"},
        "html_url": f"https://github.com/acme/models/pull/{pull.number}",
        "head": {"ref": pull.branch, "sha": pull.head, "repo": forked},
        "base": {"ref": "main", "sha": pull.base, "repo": {"id": REPOSITORY}},
        "labels": [{"name": name} for name in pull.labels],
        "merged_at": "2026-01-02T03:04:05Z" if pull.state == "merged" else None,
        "merge_commit_sha": pull.merge_commit or "f" * 40,
    }

"""Bitbucket Cloud in memory, as far as the adapter asks for it."""

from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response

from tests.preview.providers.doubles import Double, Handler, RefusedError
from tests.preview.providers.people import Note, Person, Pull, Seen

REPOSITORY, FORK = {"uuid": "{1}"}, {"uuid": "{2}"}


class BitbucketDouble(Double):
    name: ClassVar = "bitbucket"
    address: ClassVar = "https://eve@bitbucket.org/acme/models.git"
    root: ClassVar = "/2.0"
    statuses: ClassVar = {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED"}

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()
        """Commits that nobody has any more."""

    def operations(self) -> dict[str, Handler]:
        at = "/repositories/acme/models"
        pull = f"{at}/pullrequests/{{number:int}}"
        return {
            "GET /user": self._user,
            f"GET {at}": self._repository,
            f"GET {at}/commit/{{commit}}": self._commit,
            f"POST {at}/commit/{{commit}}/statuses/build": self._status,
            f"GET {at}/pullrequests": self._pulls,
            f"GET {pull}": self._pull,
            f"GET {pull}/commits": self._commits,
            f"GET {pull}/comments": self._comments,
            f"POST {pull}/comments": self._comment,
            f"PUT {pull}/comments/{{comment:int}}": self._edit,
        }

    async def _user(self, request: Request) -> Response:
        if not self.may_ask_who:
            raise RefusedError(403)
        return self.answer(request, _person(self.me))

    async def _repository(self, request: Request) -> Response:
        return self.answer(request, {"is_private": not self.public})

    async def _commit(self, request: Request) -> Response:
        """Of the repository itself: of no fork."""
        known = [self.main, *(pull.base for pull in self.pulls.values())]
        known += [pull.merge_commit for pull in self.pulls.values()]
        known += [pull.head for pull in self.pulls.values() if not pull.fork]
        found = [
            commit
            for commit in known
            if commit.startswith(request.path_params["commit"]) and commit not in self.gone
        ]
        if not found:
            raise LookupError
        return self.answer(request, {"hash": found[0]})

    async def _status(self, request: Request) -> Response:
        body = await request.json()
        if not body.get("url") or len(body["key"]) > 40:
            raise RefusedError(400)
        seen = Seen(body["state"], body["description"], body["url"])
        self.say_of(request.path_params["commit"], body["key"], seen)
        return self.answer(request, {"key": body["key"], "state": body["state"]}, 201)

    async def _pulls(self, request: Request) -> Response:
        assert request.query_params["state"] == "OPEN"
        newest = [pull for pull in reversed(self.pulls.values()) if pull.state == "open"]
        return self._listed(request, [_pull(pull) for pull in newest], 50)

    async def _pull(self, request: Request) -> Response:
        return self.answer(request, _pull(self.pulls[request.path_params["number"]]))

    async def _commits(self, request: Request) -> Response:
        pull = self.pulls[request.path_params["number"]]
        return self._listed(request, [{"hash": pull.head}, {"hash": "0" * 40}], 100)

    async def _comments(self, request: Request) -> Response:
        assert request.query_params["sort"] == "created_on"
        notes = self.pulls[request.path_params["number"]].notes
        return self._listed(request, [_comment(note) for note in notes], 100)

    async def _comment(self, request: Request) -> Response:
        text = (await request.json())["content"]["raw"]
        return self.answer(request, _comment(self.write(request.path_params["number"], self.me, text)), 201)

    async def _edit(self, request: Request) -> Response:
        note = self.note(request.path_params["comment"])
        note.text = (await request.json())["content"]["raw"]
        return self.answer(request, _comment(note))

    def _listed(self, request: Request, told: list[Any], most: int) -> Response:
        found, url = self.page(request, told, "pagelen", most)
        return self.answer(request, {"values": found} | ({"next": url} if url else {}))


def _person(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    return {
        "uuid": f"{{{person.number}}}",
        "display_name": person.name,
        "type": "app_user" if person.bot else "user",
    }


def _comment(note: Note) -> dict[str, Any]:
    """A deleted one stays, marked."""
    return {
        "id": note.id,
        "content": {"raw": note.text},
        "user": _person(note.author),
        "deleted": note.deleted,
    }


def _pull(pull: Pull) -> dict[str, Any]:
    """Twelve digits are all that is told of commits."""
    merged = pull.state == "merged"
    return {
        "type": "pullrequest",
        "id": pull.number,
        "title": pull.title,
        "state": {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"}[pull.state],
        "draft": pull.draft,
        "author": {"uuid": "{8}", "display_name": "eve", "type": "user"},
        "links": {"html": {"href": f"https://bitbucket.org/acme/models/pull-requests/{pull.number}"}},
        "source": {
            "branch": {"name": pull.branch},
            "commit": {"hash": pull.head[:12]},
            "repository": {"": REPOSITORY, "there": FORK, "gone": None}[pull.fork],
        },
        "destination": {
            "branch": {"name": "main"},
            "commit": {"hash": pull.base[:12]},
            "repository": REPOSITORY,
        },
        "merge_commit": {"hash": pull.merge_commit[:12]} if merged else None,
    }

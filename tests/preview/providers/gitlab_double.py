"""GitLab in memory, as far as the adapter asks for it."""

from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.preview.providers.doubles import Double, Handler
from tests.preview.providers.people import Note, Person, Pull, Seen

PROJECT, FORK = 1, 2


class GitLabDouble(Double):
    name: ClassVar = "gitlab"
    address: ClassVar = "git@gitlab.example.com:acme/teams/models.git"
    root: ClassVar = "/api/v4"
    statuses: ClassVar = {"pending": "pending", "success": "success", "failure": "failed"}

    def __init__(self) -> None:
        super().__init__()
        self.branches = {"main"}
        self.merged_by = "merge_commit_sha"
        """The field that names the merged commit: others do where it was squashed or main just moved."""

    def operations(self) -> dict[str, Handler]:
        at = "/projects/acme/teams/models"
        merge_request = f"{at}/merge_requests/{{number:int}}"
        return {
            "GET /user": self._user,
            f"GET {at}": self._project,
            f"GET {at}/repository/branches/{{branch:path}}": self._branch,
            f"GET {at}/merge_requests": self._merge_requests,
            f"GET {merge_request}": self._merge_request,
            f"PUT {merge_request}": self._label,
            f"GET {merge_request}/notes": self._notes,
            f"POST {merge_request}/notes": self._note,
            f"PUT {merge_request}/notes/{{note:int}}": self._edit,
            f"POST {at}/statuses/{{commit}}": self._status,
        }

    async def _user(self, request: Request) -> Response:
        return self.answer(request, _person(self.me))

    async def _project(self, request: Request) -> Response:
        return self.answer(request, {"id": PROJECT, "visibility": "public" if self.public else "private"})

    async def _branch(self, request: Request) -> Response:
        if request.path_params["branch"] not in self.branches:
            raise LookupError
        return self.answer(request, {"name": "main", "commit": {"id": self.main}})

    async def _merge_requests(self, request: Request) -> Response:
        assert request.query_params["state"] == "opened"
        newest = [pull for pull in reversed(self.pulls.values()) if pull.state == "open"]
        return self.listed(request, [self._told(pull) for pull in newest])

    async def _merge_request(self, request: Request) -> Response:
        return self.answer(request, self._told(self.pulls[request.path_params["number"]]))

    def _told(self, pull: Pull) -> dict[str, Any]:
        told = _merge_request(pull)
        if pull.state == "merged":
            told |= {"merge_commit_sha": None, self.merged_by: pull.merge_commit}
        return told

    async def _label(self, request: Request) -> Response:
        pull, body = self.pulls[request.path_params["number"]], await request.json()
        for name in filter(None, body.get("add_labels", "").split(",")):
            self.label(pull.number, name, present=True)
        for name in filter(None, body.get("remove_labels", "").split(",")):
            if name in pull.labels:
                self.label(pull.number, name, present=False)
        return self.answer(request, self._told(pull))

    async def _notes(self, request: Request) -> Response:
        """The newest first unless told otherwise; GitLab writes one of its own on top."""
        notes = [note for note in self.pulls[request.path_params["number"]].notes if not note.deleted]
        told = [_note(Note(1, self.me, "approved <!-- moorage -->"), system=True), *map(_note, notes)]
        return self.listed(request, told if request.query_params.get("sort") == "asc" else told[::-1])

    async def _note(self, request: Request) -> Response:
        body = await request.json()
        return self.answer(
            request, _note(self.write(request.path_params["number"], self.me, body["body"])), 201
        )

    async def _edit(self, request: Request) -> Response:
        note = self.note(request.path_params["note"])
        note.text = (await request.json())["body"]
        return self.answer(request, _note(note))

    async def _status(self, request: Request) -> Response:
        """One that is pending cannot become so; one that has ended is followed by a new one."""
        commit, body = request.path_params["commit"], await request.json()
        if len(body["description"]) > 255:
            return JSONResponse(
                {"message": {"description": ["is too long (maximum is 255 characters)"]}}, 400
            )
        last = self.status(commit)
        if last is not None and last.state == body["state"] == "pending":
            why = 'Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")'
            return JSONResponse({"message": why}, 400)
        self.say_of(
            commit, body["name"], Seen(body["state"], body["description"], body.get("target_url", ""))
        )
        return self.answer(request, {"sha": commit, "name": body["name"], "status": body["state"]}, 201)


def _person(person: Person | None) -> dict[str, Any] | None:
    return None if person is None else {"id": person.number, "username": person.name}


def _note(note: Note, *, system: bool = False) -> dict[str, Any]:
    return {"id": note.id, "body": note.text, "author": _person(note.author), "system": system}


def _merge_request(pull: Pull) -> dict[str, Any]:
    """Ids are the host's, iids the project's."""
    return {
        "id": 1_000 + pull.number,
        "iid": pull.number,
        "title": pull.title,
        "state": {"open": "opened"}.get(pull.state, pull.state),
        "draft": pull.draft,
        "author": {"id": 8, "username": "eve"},
        "web_url": f"https://gitlab.example.com/acme/teams/models/-/merge_requests/{pull.number}",
        "source_branch": pull.branch,
        "target_branch": "main",
        "source_project_id": {"": PROJECT, "there": FORK, "gone": None}[pull.fork],
        "target_project_id": PROJECT,
        "sha": pull.head,
        "labels": pull.labels,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
    }

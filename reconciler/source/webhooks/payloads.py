"""What a delivery says: which repository moved, and which of its refs, or that one of its pull requests did.
Every payload is read with suspicion.

Only what a hint needs is looked at. A field of the wrong type is as good as none; an event of another kind is
no hint; one that names no repository is refused, for its sender is not what it says.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.source.urls import ANY_HOST, Location, location
from reconciler.source.webhooks.delivery import Delivery, Hint
from schemas.errors import InputError

MAX_TEXT = 2_000
"""Characters of an address or a ref; a longer one is none."""
MAX_REFS = 1_000
"""Refs of one hint; beyond it the hint is for any ref."""

_Object = Mapping[str, Any]
_URLS = ("clone_url", "ssh_url", "html_url", "git_http_url", "git_ssh_url", "web_url", "git_url")


def parse(delivery: Delivery) -> tuple[Hint, ...]:
    """The hints of a delivery, sorted; none where it tells of no push and no pull request. Raises InputError
    ``InvalidPayload``."""
    payload = _payload(delivery.body)
    reader = _READERS.get((delivery.provider, delivery.event))
    if reader is None:
        return ()
    hint = reader(payload)
    if not hint.repositories:
        raise InputError("InvalidPayload", "the payload names no repository that can be read")
    return (hint,)


def _payload(body: bytes) -> _Object:
    """Raises InputError; the words of the parser do not repeat the body."""
    hint = "set the content type of the webhook to application/json"
    try:
        value = json.loads(body)
    except RecursionError:
        raise InputError("InvalidPayload", "the body is nested too deeply") from None
    except ValueError as error:  # also: not UTF-8, a number of thousands of digits
        where = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError("InvalidPayload", f"the body is no JSON{where}", hint) from None
    if not isinstance(value, dict):
        raise InputError("InvalidPayload", "the body is no JSON object", hint)
    return value


def _push(payload: _Object) -> Hint:
    """GitHub, Gitea: ``refs/heads/main``."""
    return _hint(_addresses(payload, "repository"), [_text(payload, "ref")])


def _named(payload: _Object) -> Hint:
    """GitHub, Gitea on create and delete: ``main`` and apart from it whether it is a branch or a tag."""
    kind = {"branch": "heads", "tag": "tags"}.get(_text(payload, "ref_type"))
    ref = _text(payload, "ref")
    full = ref if kind is None or ref.startswith("refs/") else f"refs/{kind}/{ref}"
    return _hint(_addresses(payload, "repository"), [full])


def _pull(payload: _Object) -> Hint:
    """GitHub, Gitea: the repository is the one that it is to be merged into."""
    return _hint(_addresses(payload, "repository"), pulls=True)


def _gitlab(payload: _Object) -> Hint:
    return _hint(_gitlab_addresses(payload), [_text(payload, "ref")])


def _gitlab_pull(payload: _Object) -> Hint:
    """The project is the one that it is to be merged into."""
    return _hint(_gitlab_addresses(payload), pulls=True)


def _gitlab_addresses(payload: _Object) -> list[Location | None]:
    return [*_addresses(payload, "project"), *_addresses(payload, "repository")]


def _bitbucket_cloud(payload: _Object) -> Hint:
    refs = []
    for change in _list(_inner(payload, "push"), "changes"):
        for side in ("new", "old"):
            kind = {"branch": "heads", "tag": "tags"}.get(_text(change, side, "type"), "heads")
            name = _text(change, side, "name")
            refs.append(f"refs/{kind}/{name}" if name else "")
    return _hint([_bitbucket_page(payload)], [ref for ref in refs if ref] or [""])


def _bitbucket_cloud_pull(payload: _Object) -> Hint:
    """The repository is the one that it is to be merged into."""
    return _hint([_bitbucket_page(payload)], pulls=True)


def _bitbucket_page(payload: _Object) -> Location | None:
    return location(_text(payload, "repository", "links", "html", "href"))


def _bitbucket_server(payload: _Object) -> Hint:
    """It does not always tell its own address: then project and name count on any host."""
    repository = _inner(payload, "repository")
    addresses = [location(_text(link, "href")) for link in _list(_inner(repository, "links"), "clone")]
    project, slug = _text(repository, "project", "key"), _text(repository, "slug")
    if project and slug:
        addresses.append(Location(ANY_HOST, f"{project}/{slug}".casefold()))
    return _hint(addresses, [_text(change, "ref", "id") for change in _list(payload, "changes")])


def _generic(payload: _Object) -> Hint:
    address = location(_text(payload, "repository"))
    return (
        _hint([address], pulls=True)
        if payload.get("pulls") is True
        else _hint([address], [_text(payload, "ref")])
    )


_READERS: Mapping[tuple[str, str], Callable[[_Object], Hint]] = {
    ("bitbucket", "pullrequest:created"): _bitbucket_cloud_pull,
    ("bitbucket", "pullrequest:fulfilled"): _bitbucket_cloud_pull,
    ("bitbucket", "pullrequest:rejected"): _bitbucket_cloud_pull,
    ("bitbucket", "pullrequest:updated"): _bitbucket_cloud_pull,
    ("bitbucket", "repo:push"): _bitbucket_cloud,
    ("bitbucket", "repo:refs_changed"): _bitbucket_server,
    ("generic", ""): _generic,
    ("gitea", "create"): _named,
    ("gitea", "delete"): _named,
    ("gitea", "pull_request"): _pull,  # also where hooks are set up for pull_request_sync, _label, …
    ("gitea", "push"): _push,
    ("github", "create"): _named,
    ("github", "delete"): _named,
    ("github", "pull_request"): _pull,
    ("github", "push"): _push,
    ("gitlab", "Merge Request Hook"): _gitlab_pull,
    ("gitlab", "Push Hook"): _gitlab,
    ("gitlab", "Tag Push Hook"): _gitlab,
}


def _hint(addresses: list[Location | None], refs: Sequence[str] = (), *, pulls: bool = False) -> Hint:
    """A ref that cannot be read makes the hint one for any."""
    known = sorted({address for address in addresses if address is not None})
    moved = () if "" in refs or len(refs) > MAX_REFS else tuple(sorted(set(refs)))
    return Hint(tuple(known), moved, pulls)


def _addresses(payload: _Object, name: str) -> list[Location | None]:
    repository = _inner(payload, name)
    return [location(_text(repository, field)) for field in _URLS]


def _text(value: _Object, *path: str) -> str:
    """The text at ``path``; empty where there is none, or too long a one."""
    for step in path[:-1]:
        value = _inner(value, step)
    found = value.get(path[-1])
    return found if isinstance(found, str) and len(found) <= MAX_TEXT else ""


def _inner(value: _Object, name: str) -> _Object:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: _Object, name: str) -> Iterator[_Object]:
    found = value.get(name)
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())

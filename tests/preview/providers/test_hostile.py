"""Answers that no provider gives: none is believed, and none does more than fail."""

import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.preview.pulls.providers.addresses import Provider
from reconciler.preview.pulls.pull_requests import CommitStatus
from schemas.errors import MoorageError, TransientError
from tests.preview.providers.scripted import ADDRESSES, PRIVATE, Script, answer, is_public

PROVIDERS: list[Provider] = sorted(ADDRESSES)

PULLS: dict[Provider, dict[str, Any]] = {
    "github": {
        "number": 1, "state": "open", "title": "t", "html_url": "https://x.example/1", "draft": False,
        "user": {"login": "eve"}, "labels": [{"name": "b"}, {"name": "a"}], "merged_at": None, "merge_commit_sha": None,
        "head": {"sha": "a" * 40, "repo": {"id": 1}}, "base": {"sha": "b" * 40, "ref": "main", "repo": {"id": 1}},
    },
    "gitlab": {
        "iid": 1, "state": "opened", "title": "t", "web_url": "https://x.example/1", "draft": False, "sha": "a" * 40,
        "author": {"username": "eve"}, "labels": ["b", "a"], "target_branch": "main",
        "source_project_id": 1, "target_project_id": 1, "commit": {"id": "b" * 40},
    },
    "bitbucket": {
        "id": 1, "state": "OPEN", "title": "t", "links": {"html": {"href": "https://x.example/1"}}, "draft": False,
        "author": {"nickname": "eve"}, "hash": "a" * 40,
        "source": {"branch": {"name": "c"}, "commit": {"hash": "a" * 12}, "repository": {"uuid": "{1}"}},
        "destination": {"branch": {"name": "main"}, "commit": {"hash": "a" * 12}, "repository": {"uuid": "{1}"}},
    },
}  # fmt: skip
"""A good one of each, which is as well what the same provider answers of a commit or branch."""
PULLS["gitea"] = PULLS["github"]


def read(provider: Provider, pull: Any) -> Any:
    """One pull request as the adapter reads it where every answer is this one."""
    return Script(provider, [answer(200, pull)] * 9).run(lambda adapter: adapter.pull_request(1))


BODIES = {
    "nothing": b"",
    "no JSON": b"<html>",
    "half of it": b'{"private": tr',
    "no UTF-8": b'{"private": "\xff"}',
    "a word": b'"private"',
    "a number too long": b"9" * 5_000,
    "nothing known": b"{}",
    "null": b"null",
    "another type": json.dumps({name: [1] for name in ("private", "visibility", "is_private")}).encode(),
    "nested": b"[" * 200_000,
    "nested objects": b'{"private":' * 100_000,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", BODIES.values(), ids=[*BODIES])
def test_what_cannot_be_read_is_told(provider, body):
    """In a sentence without any of it."""
    with pytest.raises(TransientError, match=r"ProviderUnreachable.*cannot be read") as error:
        Script(provider, [answer(200, body)]).run(is_public)
    assert len(str(error.value)) < 200


class Chunks(httpx.AsyncByteStream):
    """A body as it comes from a socket."""

    def __init__(self, whole: bytes) -> None:
        self.left = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left:
            chunk, self.left = self.left[:65_536], self.left[65_536:]
            yield chunk


@pytest.mark.parametrize(("size", "coding"), [(11_000_000, "identity"), (300_000_000, "gzip")])
def test_no_answer_is_longer_than_ten_mebibytes(size, coding):
    """What is longer is not read to its end, also where it came in few bytes."""
    body = Chunks(gzip.compress(b" " * size) if coding == "gzip" else b" " * size)
    script = Script("github", [httpx.Response(200, headers={"content-encoding": coding}, stream=body)])
    tracemalloc.start()
    with pytest.raises(TransientError, match="too long"):
        script.run(is_public)
    assert tracemalloc.get_traced_memory()[1] < 200_000_000
    tracemalloc.stop()
    assert body.left


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_encoding_that_nobody_asked_for_is_not_unpacked(provider):
    """Some of them hold gigabytes in a few bytes."""
    step = httpx.Response(200, headers={"content-encoding": "br"}, stream=httpx.ByteStream(b"\x8b"))
    with pytest.raises(TransientError, match="too long"):
        Script(provider, [step]).run(is_public)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_pull_request_is_read(provider):
    """So that the next tests fail for what they change."""
    pull = read(provider, PULLS[provider])
    assert (pull.number, pull.title, pull.author, pull.url) == (1, "t", "eve", "https://x.example/1")
    assert (pull.head, pull.base_branch, pull.fork) == ("a" * 40, "main", False)
    assert pull.labels == (() if provider == "bitbucket" else ("a", "b"))


WRONG: dict[str, list[Any]] = {
    "number": [0, -1, 1.5, True, "1", None, 2**64],
    "iid": [0, "1", None, True],
    "id": [0, "1", None, True],
    "state": [None, 1, ["open"]],
    "sha": ["A" * 40, "a" * 39, "a" * 65, "../../etc", "g" * 40, 7, ["a"], "a" * 40 + "\n"],
    "ref": ["", None, 7, "x" * 2_000],
    "target_branch": ["", None, 7, "x" * 2_000],
    "labels": ["x", [1], {"a": 1}],
    "draft": ["yes", 1],
    "head": [None, [], "x"],
    "source": [None, [], "x"],
    "user": ["eve", [1]],
}


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field in it."""
    below = [(*path, name) for name in value] if isinstance(value, dict) else []
    return below + [each for place in below for each in places(value[place[-1]], place)]


CHANGES = [
    pytest.param(provider, path, wrong, id=f"{provider}-{'.'.join(path)}-{str(wrong)[:20]}")
    for provider in PROVIDERS
    for path in places(PULLS[provider])
    for wrong in WRONG.get(path[-1], ())
    if (provider, path) != ("gitlab", ("commit", "id"))  # which is text
]


@pytest.mark.parametrize(("provider", "path", "wrong"), CHANGES)
def test_a_field_of_another_kind_is_not_believed(provider, path, wrong):
    """Numbers are positive, commits hexadecimal, and nothing that names something is cut."""
    with pytest.raises(TransientError, match="ProviderUnreachable"):
        read(provider, changed(PULLS[provider], path, wrong))


def changed(value: dict[str, Any], path: tuple[str, ...], to: Any) -> dict[str, Any]:
    inner = to if len(path) == 1 else changed(value[path[0]], path[1:], to)
    return {**value, path[0]: inner}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.data())
def test_no_field_does_more_than_fail(data):
    """Whatever is in any place, there is a pull request or an error of ours."""
    provider = data.draw(st.sampled_from(PROVIDERS))
    path = data.draw(st.sampled_from(places(PULLS[provider])))
    pull = changed(PULLS[provider], path, data.draw(ANYTHING))
    with suppress(TransientError):
        read(provider, pull).title.encode()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_texts_for_people_are_bounded(provider):
    """And what is half a character becomes a mark."""
    pull = read(provider, changed(PULLS[provider], ("title",), "\ud800" + "x" * 5_000))
    assert pull.title == "?" + "x" * 1_023


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "https://", "", "x" * 9_999])
def test_an_address_that_is_not_of_the_web_is_left_out(provider, url):
    """A page of ours would link to it."""
    path = {"gitlab": ("web_url",), "bitbucket": ("links", "html", "href")}.get(provider, ("html_url",))
    assert read(provider, changed(PULLS[provider], path, url)).url == ""


NEXT = [
    "https://evil.example.com/?page=2",
    "https://evil.example.com/../../user?page=2&page=3",
    "/?page=2",
    "not a url?page=2",
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("url", NEXT)
def test_a_next_page_is_asked_for_where_we_ask(provider, url):
    """Of its address only the query is taken."""
    script = Script(provider, [page(provider, [], url), page(provider, [], "")])
    assert script.run(lambda adapter: adapter.opened()) == ()
    first, second = script.requests
    assert (second.url.host, second.url.path) == (first.url.host, first.url.path)
    assert second.url.params["page"] in ("2", "3")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_pages_come_to_an_end(provider):
    """Also where there is always a next one."""
    script = Script(provider, [page(provider, [], "/?page=2") for _ in range(101)])
    assert script.run(lambda adapter: adapter.opened()) == ()
    assert len(script.requests) == 100


def page(provider: Provider, values: list[Any], url: str) -> httpx.Response:
    """One page of a list, as each provider tells it."""
    if provider == "bitbucket":
        return answer(200, {"values": values} | ({"next": url} if url else {}))
    return answer(200, values, **({"link": f'<{url}>; rel="next"'} if url else {}))


def test_a_status_of_gitlab_that_is_wrong_is_refused():
    """Only its one complaint is no error."""
    script = Script("gitlab", [answer(400, {"message": "state is missing"})])
    with pytest.raises(MoorageError, match=r"ProviderDenied.*400"):
        script.run(lambda adapter: adapter.set_status("a" * 40, CommitStatus("pending", "x")))


def test_a_commit_of_bitbucket_that_does_not_begin_as_asked_is_none():
    """Else another one would be planned than the pull request has."""
    pull = changed(PULLS["bitbucket"], ("source", "commit", "hash"), "b" * 12)
    found = read("bitbucket", pull)
    assert (found.head, found.base) == ("", "a" * 40)


def test_private_is_what_it_says():
    """Each provider's own word for it."""
    assert [Script(each, [answer(200, PRIVATE[each])]).run(is_public) for each in PROVIDERS] == [False] * 4

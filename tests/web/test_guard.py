"""Web pages that a person of this machine looks at do not reach the API."""

import httpx
import pytest

from reconciler.web.guard import MAX_BODY

EXAMPLE = "/api/v1/applications/example"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1", "169.254.169.254"],
)
def test_a_rebound_name_is_refused(api: httpx.Client, host: str) -> None:
    """A page whose name was rebound to loopback still sends its own name."""
    answer = api.get("/healthz", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "instance" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9080", "[::1]:9080"])
def test_loopback_names_are_let_in(api: httpx.Client, host: str) -> None:
    """With any port, for people who forward one."""
    assert api.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost.evil.example"])
def test_another_origin_is_refused(api: httpx.Client, origin: str) -> None:
    """Not even a hint may be sent from a page; and nothing allows cross-origin reading."""
    answer = api.post(f"{EXAMPLE}/refresh", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "OriginNotAllowed")
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_large_body_is_refused_unread(api: httpx.Client) -> None:
    """By what it announces."""
    answer = api.post(f"{EXAMPLE}/refresh", content=b"x" * (MAX_BODY + 1))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (413, "BodyTooLarge")


def test_a_body_of_unknown_size_is_refused(api: httpx.Client) -> None:
    """Chunks could go on for ever."""
    answer = api.post(f"{EXAMPLE}/refresh", content=iter([b"x"]))
    assert answer.status_code == 413


def test_answers_are_not_kept(api: httpx.Client) -> None:
    """A state is true only now, and the server names no software."""
    answer = api.get(EXAMPLE)
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers

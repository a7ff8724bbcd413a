"""``POST /api/webhook`` on a real socket: answers, bounds, and what it counts."""

import json
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from reconciler.source.webhooks.counts import Received
from reconciler.source.webhooks.delivery import MAX_BODY, MAX_HEADERS
from reconciler.source.webhooks.limits import EACH
from reconciler.web import webhook as module
from reconciler.web.webhook import PATH
from tests.web.webhooks import Endpoint, endpoint
from tests.webhooks.deliveries import generic, github, payload

PUSH = payload("github_push")


@pytest.fixture
def at() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["reason"]


def test_a_push_hints_at_who_follows_it(at: Endpoint) -> None:
    """And at nobody whose secret did not sign it, nor whose ref did not move."""
    answer = at.post(PUSH, github(PUSH))
    assert (answer.status_code, answer.json()["result"], answer.json()["applications"]) == (
        202,
        "Hinted",
        ["a"],
    )
    assert at.hinted == ["a"]


def test_a_repeated_push_is_one_more_hint(at: Endpoint) -> None:
    """Providers deliver twice; a look too many is all that comes of it."""
    for _ in range(2):
        assert at.post(PUSH, github(PUSH)).status_code == 202
    assert at.hinted == ["a", "a"]


def test_a_push_that_nobody_follows_is_told_so(at: Endpoint) -> None:
    """Accepted, for nothing is wrong with it."""
    body = PUSH.replace(b"Octo/models", b"Octo/other")
    answer = at.post(body, github(body))
    assert (answer.status_code, answer.json()["message"]) == (202, "no application follows it")
    assert at.hinted == []


def test_a_pull_request_hints_at_previews_alone(at: Endpoint) -> None:
    """Of everybody who follows the repository and whose secret signed it; nobody looks at their source."""
    body = payload("github_pull_request")
    answer = at.post(body, github(body, "pull_request"))
    told = answer.json()
    assert (answer.status_code, told["result"], told["applications"], told["previews"]) == (
        202,
        "Hinted",
        [],
        ["a", "b"],
    )
    assert (at.hinted, at.previewed) == ([], [("a", "b")])


def test_a_push_hints_at_the_previews_of_who_follows_it(at: Endpoint) -> None:
    """What their pull requests are to be merged into has moved."""
    assert at.post(PUSH, github(PUSH)).json()["previews"] == ["a"]
    assert at.previewed == [("a",)]


def test_where_no_pull_request_is_concerned_nobody_is_told(at: Endpoint) -> None:
    """Not even of nothing."""
    body = payload("github_pull_request").replace(b"Octo/models", b"Octo/other")
    told = at.post(body, github(body, "pull_request")).json()
    assert (told["result"], told["previews"], at.previewed) == ("NotFollowed", [], [])


@pytest.mark.parametrize("event", ["ping", "issues", "x" * 1000])
def test_other_events_are_accepted_and_ignored(at: Endpoint, event: str) -> None:
    """Also those that are not invented yet."""
    answer = at.post(PUSH, github(PUSH, event))
    assert (answer.status_code, answer.json()["result"]) == (202, "Ignored")


def test_a_forged_delivery_is_refused(at: Endpoint) -> None:
    """Whatever it says."""
    assert reason(at.post(PUSH, github(PUSH, secret=b"guessed"))) == (403, "SignatureInvalid")
    assert at.hinted == []


def test_a_replayed_delivery_is_refused(at: Endpoint) -> None:
    """Within its time by memory, after it by its timestamp."""
    body = json.dumps({"repository": "https://github.com/octo/models", "ref": "refs/heads/main"}).encode()
    recorded = generic(body)
    assert at.post(body, recorded).status_code == 202
    assert reason(at.post(body, recorded)) == (403, "DeliveryRepeated")
    at.now += 3600
    assert reason(at.post(body, recorded)) == (403, "DeliveryExpired")
    assert at.hinted == ["a"]


def test_malformed_json_is_refused_with_its_place(at: Endpoint) -> None:
    """Also where it is signed."""
    answer = at.post(b'{"ref": ', github(b'{"ref": '))
    assert reason(answer) == (400, "InvalidPayload")
    assert "at byte 8" in answer.json()["error"]["message"]


def test_no_provider_is_no_delivery(at: Endpoint) -> None:
    """A form of somebody's browser."""
    assert reason(at.post(PUSH, {})) == (400, "UnknownProvider")


def test_without_a_secret_the_endpoint_is_not_there(at: Endpoint) -> None:
    """And says how it would be."""
    at.secrets = ()
    answer = at.post(PUSH, github(PUSH))
    assert reason(answer) == (404, "WebhooksNotConfigured")
    assert "webhookSecrets" in answer.json()["error"]["hint"]


def test_a_body_is_bounded(at: Endpoint) -> None:
    """At the bound it is read, beyond it not."""
    fits = PUSH + b" " * (MAX_BODY - len(PUSH))
    assert at.post(fits, github(fits)).status_code == 202
    assert reason(at.post(fits + b" ", github(PUSH))) == (413, "BodyTooLarge")


def test_headers_are_bounded(at: Endpoint) -> None:
    """All of them together."""
    assert reason(at.post(PUSH, {**github(PUSH), "x-long": "x" * MAX_HEADERS})) == (431, "HeadersTooLarge")


def test_a_flood_is_slowed_down(at: Endpoint) -> None:
    """Before anything of it is read; who waits is served again."""
    answers = [at.post(b"{}", {}).status_code for _ in range(int(EACH.burst) + 3)]
    assert answers == [400] * int(EACH.burst) + [429] * 3
    at.now += 1
    assert at.post(PUSH, github(PUSH)).status_code == 202


def test_any_host_may_deliver_and_ask_nothing_else(at: Endpoint) -> None:
    """A proxy passes deliveries under its own name; the rest of the API stays closed to it."""
    elsewhere = {"Host": "hooks.example.org"}
    assert at.post(PUSH, {**github(PUSH), **elsewhere}).status_code == 202
    url = f"http://127.0.0.1:{at.port}"
    for path in ("/api/v1/applications", PATH, f"{PATH}/", f"{PATH}/../v1/applications"):
        assert reason(httpx.get(f"{url}{path}", headers=elsewhere, trust_env=False)) == (
            421,
            "HostNotAllowed",
        )


def test_a_body_that_does_not_come_is_not_waited_for(at: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends slowly holds a reader for so long and no longer."""
    monkeypatch.setattr(module, "READ_SECONDS", 0.2)
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nX-GitHub-Event: push\r\nContent-Length: 10\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", at.port)) as slow:
        slow.sendall(head.encode())
        assert b"408" in slow.recv(4096).partition(b"\r\n")[0]


def test_only_so_many_bodies_are_read_at_once(at: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they may take of memory is bounded; the next one is refused, not kept waiting."""
    monkeypatch.setattr(module, "MAX_READERS", 0)
    assert reason(at.post(PUSH, github(PUSH))) == (503, "WebhooksBusy")


def test_deliveries_are_counted(at: Endpoint) -> None:
    """By provider and what became of them."""
    at.post(PUSH, github(PUSH))
    at.post(PUSH, github(PUSH, "ping"))
    at.post(PUSH, {})
    assert at.webhook.counts.received() == (
        Received("github", "Hinted", 1),
        Received("github", "Ignored", 1),
        Received("unknown", "UnknownProvider", 1),
    )


def test_deliveries_at_once_are_all_taken(at: Endpoint) -> None:
    """Each is answered by itself."""
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(at.post(PUSH, github(PUSH)).status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [202] * 12

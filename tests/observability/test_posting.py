"""Posting notifications to a real HTTP server: what arrives, what is tried again, and what nobody learns."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.observability.moment import Sent
from reconciler.observability.notices import Notice
from reconciler.observability.notifications import Notification
from reconciler.observability.posting import Patience, Post
from reconciler.source.secrets import SecretFrom
from tests.observability.stories import NOON, after

SECRET = "T0123-very-secret"
QUICK = Patience(timeout=5, attempts=3, wait=0.01, most=0.02, pause=0.02)
FAILED = Notice("SyncFailed", "shop", NOON, "LoadFailed", "no file", "abc", "d1")


@dataclass
class Receiver:
    """Answers with ``statuses`` in turn, then with 200; ``held`` keeps every answer back until it is set."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def __post_init__(self) -> None:
        self.held.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{SECRET}"


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    """A server on a free port."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            made.held.wait(60)
            made.paths.append(self.path)
            made.bodies.append(json.loads(data))
            self.send_response(made.statuses.pop(0) if made.statuses else 200)
            self.send_header("Location", f"{made.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.held.set()
        server.shutdown()
        thread.join()


def team(receiver: Receiver, **facts) -> Notification:
    return replace(Notification("team", ("HealthDegraded", "SyncFailed"), receiver.url), **facts)


def counts(post: Post) -> dict[str, int]:
    return {each.result: each.count for each in post.sent() if each.count}


def posted(
    notification: Notification,
    *notices: Notice,
    until: Callable[[Post], bool],
    now: Callable[[], datetime] | None = None,
) -> dict[str, int]:
    """Have them posted until something is so; what became of them."""

    async def story() -> dict[str, int]:
        post = Post(notification, now or (lambda: NOON), QUICK)
        for notice in notices:
            post.tell(notice)
        running = asyncio.create_task(post.run())
        try:
            async with asyncio.timeout(60):
                while not until(post):  # noqa: ASYNC110 (nobody tells)
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return counts(post)

    return asyncio.run(story())


def ended(count: int) -> Callable[[Post], bool]:
    """True once so many were sent or given up."""
    return lambda post: counts(post).get("Sent", 0) + counts(post).get("Failed", 0) >= count


def test_a_notice_is_posted(receiver):
    """As Slack reads it."""
    assert posted(team(receiver), FAILED, until=ended(1)) == {"Sent": 1}
    assert receiver.bodies == [{"text": "*shop* SyncFailed (LoadFailed): no file"}]
    assert receiver.paths == [f"/services/{SECRET}"]


def test_what_is_not_wanted_is_not_posted(receiver):
    """Only kinds that the configuration names."""
    other = replace(FAILED, kind="SyncSucceeded")
    assert posted(team(receiver), other, FAILED, until=ended(1)) == {"Sent": 1}
    assert len(receiver.bodies) == 1


def test_the_same_is_posted_once(receiver):
    """The second one is held back."""
    assert posted(team(receiver), FAILED, FAILED, until=ended(1)) == {"Sent": 1, "Repeated": 1}


def test_what_was_held_back_is_posted_later(receiver):
    """Once five minutes have passed."""
    times = iter([NOON, after(1)])
    second = replace(FAILED, message="again")
    found = posted(team(receiver), FAILED, second, until=ended(2), now=lambda: next(times, after(400)))
    assert found == {"Sent": 2, "Repeated": 1}
    assert [each["text"][-5:] for each in receiver.bodies] == [" file", "again"]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_may_pass_is_tried_again(receiver, status):
    """Until it is taken."""
    receiver.statuses = [status, status]
    assert posted(team(receiver), FAILED, until=ended(1)) == {"Sent": 1}
    assert len(receiver.bodies) == 3


def test_tries_come_to_an_end(receiver):
    """Then the next one has its turn."""
    receiver.statuses = [500] * 3
    second = replace(FAILED, application="bank")
    assert posted(team(receiver), FAILED, second, until=ended(2)) == {"Failed": 1, "Sent": 1}
    assert [each["text"].split()[0] for each in receiver.bodies] == ["*shop*"] * 3 + ["*bank*"]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_not_tried_again(receiver, status):
    """Somebody has to look at the address."""
    receiver.statuses = [status]
    assert posted(team(receiver), FAILED, until=ended(1)) == {"Failed": 1}
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, status):
    """It would take what is said elsewhere."""
    receiver.statuses = [status]
    assert posted(team(receiver), FAILED, until=ended(1)) == {"Failed": 1}
    assert receiver.paths == [f"/services/{SECRET}"]


def test_an_address_in_a_file_is_read_for_each_try(receiver, tmp_path):
    """A rotated one holds at once."""
    file = tmp_path / "url"
    file.write_text(receiver.url + "\n")
    posted(team(receiver, url="", url_from=SecretFrom(file=file)), FAILED, until=ended(1))
    file.write_text(receiver.url + "-rotated\n")
    posted(team(receiver, url="", url_from=SecretFrom(file=file)), FAILED, until=ended(1))
    assert receiver.paths == [f"/services/{SECRET}", f"/services/{SECRET}-rotated"]


def secret(text: str, tmp_path: Path) -> SecretFrom:
    (tmp_path / "url").write_text(text)
    return SecretFrom(file=tmp_path / "url")


@pytest.mark.parametrize("text", ["file:///etc/passwd", f"gopher://{SECRET}/", f"http:///{SECRET}", ""])
def test_what_is_no_web_address_is_not_posted_to(receiver, tmp_path, text):
    """Nor is it repeated in the log."""
    with capture_logs() as lines:
        found = posted(team(receiver, url="", url_from=secret(text, tmp_path)), FAILED, until=ended(1))
    assert found == {"Failed": 1}
    assert SECRET not in str(lines)
    assert "/etc/passwd" not in str(lines)


@pytest.mark.parametrize(("statuses", "count"), [([], 0), ([404], 1), ([302], 1), ([500] * 3, 3)])
def test_the_address_is_in_no_log(receiver, caplog, statuses, count):
    """Neither ours nor those of the libraries, whatever the answer: two retries and a failure are told."""
    receiver.statuses = list(statuses)
    with caplog.at_level(logging.DEBUG), capture_logs() as lines:
        posted(team(receiver), FAILED, until=ended(1))
    assert SECRET not in caplog.text + str(lines) + str([each.__dict__ for each in caplog.records])
    assert len(lines) == count


def test_a_receiver_that_is_away_is_not_named(receiver, caplog):
    """The error of the library may hold the address."""
    away = team(receiver, url=f"http://127.0.0.1:1/{SECRET}")
    with caplog.at_level(logging.DEBUG), capture_logs() as lines:
        assert posted(away, FAILED, until=ended(1)) == {"Failed": 1}
    assert SECRET not in caplog.text + str(lines)
    assert lines[-1]["reason"] == "NotificationFailed"


def test_a_receiver_that_hangs_is_in_nobodys_way(receiver):
    """Telling goes on while it does; what does not fit is dropped and counted."""

    async def story() -> tuple[Sent, ...]:
        receiver.held.clear()
        post = Post(team(receiver), lambda: NOON, QUICK)
        running = asyncio.create_task(post.run())
        post.tell(FAILED)
        for number in range(1_500):
            post.tell(replace(FAILED, reason=f"R{number}"))
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return post.sent()

    (dropped,) = asyncio.run(story())
    assert dropped.result == "Dropped"
    assert 500 <= dropped.count <= 501

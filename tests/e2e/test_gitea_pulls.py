"""Pull requests at a real provider: their heads fetched and merged, and what its webhooks tell of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.merging import scratch
from reconciler.source.pulls import PullMirror
from reconciler.source.secrets import SecretFrom
from reconciler.source.urls import location
from reconciler.source.webhooks.delivery import Delivery, Secret
from reconciler.source.webhooks.payloads import parse
from reconciler.source.webhooks.signatures import verify
from schemas.errors import InputError
from tests.reconciler.repositories import git
from tests.testbed.gitea_api import PATIENCE, PullRequest, Repository
from tests.testbed.team import Team

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

MAIN = "refs/heads/main"
FILES = {"models/a.yaml": "kind: one"}


@pytest.fixture
def mirror(team: Team, tmp_path: Path) -> PullMirror:
    """With the token of the team's owner in a file."""
    (tmp_path / "token").write_text(f"{team.owner.token}\n")
    mine = Credentials(password=SecretFrom(file=tmp_path / "token"))
    return PullMirror(team.remote.address, tmp_path / "mirror", mine)


def changed(repository: Repository, path: str = "models/b.yaml", text: str = "kind: two") -> str:
    """A branch ``change`` with one more commit; the commit."""
    repository.create_branch("change")
    return repository.put_file(path, text, branch="change")


def opened(team: Team, path: str = "models/b.yaml") -> PullRequest:
    team.push(FILES)
    changed(team.remote, path)
    return team.remote.open_pull_request("change")


def head_of(pull: PullRequest) -> str:
    return f"refs/pull/{pull.number}/head"


def test_a_head_is_fetched_by_token(team: Team, mirror: PullMirror) -> None:
    """With the branch that it goes into, and nothing else of a private repository."""
    pull = opened(team)
    found = mirror.fetch([head_of(pull), MAIN])
    assert found == {MAIN: team.remote.branches()["main"], head_of(pull): pull.commit}


def test_a_head_of_a_fork_is_fetched_from_the_base(team: Team, mirror: PullMirror) -> None:
    """Nobody needs to see the fork."""
    team.push(FILES)
    friend = team.gitea.create_user("bob")
    team.remote.share_with(friend, "read")
    commit = changed(friend.fork(team.remote))
    pull = friend.sees(team.remote).open_pull_request(f"{friend.name}:change")
    assert mirror.fetch([head_of(pull)]) == {head_of(pull): commit}


def test_a_head_that_moves_is_followed(team: Team, mirror: PullMirror) -> None:
    """The next fetch has what was pushed to the branch."""
    pull = opened(team)
    mirror.fetch([head_of(pull)])
    commit = team.remote.put_file("models/c.yaml", "kind: three", branch="change")
    assert mirror.fetch([head_of(pull)]) == {head_of(pull): commit}


def test_a_head_stays_where_its_branch_is_gone(team: Team, mirror: PullMirror) -> None:
    """The provider keeps it under the number, so a merged pull request can still be read."""
    pull = opened(team)
    team.remote.merge(pull.number)
    team.remote.delete_branch("change")
    assert mirror.fetch([head_of(pull), "refs/heads/change"]) == {head_of(pull): pull.commit}


def test_a_pull_request_that_nobody_opened_is_left_out(team: Team, mirror: PullMirror) -> None:
    """It is no error: it may be there later."""
    head = team.push(FILES)
    assert mirror.fetch([MAIN, "refs/pull/99/head"]) == {MAIN: head}


def test_nobody_fetches_from_a_private_repository(team: Team, tmp_path: Path) -> None:
    """Without a token the reason is the one of every fetch."""
    pull = opened(team)
    with pytest.raises(InputError, match="FetchDenied"):
        PullMirror(team.remote.address, tmp_path / "mirror", AGENT).fetch([head_of(pull)])


def test_the_merge_holds_what_the_provider_makes_of_it(team: Team, mirror: PullMirror) -> None:
    """The same tree, before anybody merges."""
    pull = opened(team)
    team.push({**FILES, "models/d.yaml": "kind: four"})
    found = mirror.fetch([MAIN, head_of(pull)])
    with scratch(mirror.folder) as beside:
        made = beside.merge(found[MAIN], found[head_of(pull)])
        ours = git("rev-parse", f"{made}^{{tree}}", at=beside.folder)
    team.remote.merge(pull.number)
    merged = mirror.fetch([MAIN])[MAIN]
    assert ours == git("rev-parse", f"{merged}^{{tree}}", at=mirror.folder)


def test_what_the_provider_cannot_merge_is_a_conflict(team: Team, mirror: PullMirror) -> None:
    """With the file that both of them have."""
    pull = opened(team)
    team.push({**FILES, "models/b.yaml": "kind: other"})
    found = mirror.fetch([MAIN, head_of(pull)])
    with scratch(mirror.folder) as beside, pytest.raises(InputError, match=r"MergeConflict.*models/b.yaml"):
        beside.merge(found[MAIN], found[head_of(pull)])


# What its webhooks tell


SECRET = Secret(b"what the provider signs with", frozenset({"a"}))


@contextmanager
def receiver() -> Iterator[tuple[str, list[Delivery]]]:
    """Where hooks may deliver to, and what came; a delivery whose signature is wrong does not count."""
    came: list[Delivery] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            came.append(verify(headers, body, [SECRET], 0))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's word)
            """Nothing to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _open(team: Team) -> None:
    team.remote.open_pull_request("change")


def _push(team: Team) -> None:
    team.remote.put_file("models/c.yaml", "kind: three", branch="change")


def _label(team: Team) -> None:
    team.remote.create_label("preview")
    team.remote.add_label(1, "preview")


def _close(team: Team) -> None:
    team.remote.close_pull_request(1)


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("pull_request", _open),
        ("pull_request", _close),
        ("pull_request_sync", _push),
        ("pull_request_label", _label),
    ],
)
def test_its_hooks_tell_of_pull_requests(team: Team, kind: str, act: Callable[[Team], None]) -> None:
    """Opened, closed, pushed to or labelled: whatever the hook is for, it comes as one event."""
    team.push(FILES)
    changed(team.remote)
    if act is not _open:
        _open(team)
    with receiver() as (url, came):
        team.remote.create_hook(url, SECRET.value.decode(), (kind,))
        act(team)
        end = time.monotonic() + PATIENCE
        while not came:
            assert time.monotonic() < end, f"no hook tells of {kind}"
            time.sleep(0.05)
        (hint,) = parse(came[0])
    assert (came[0].event, hint.pulls, hint.refs) == ("pull_request", True, ())
    assert location(team.remote.address) in hint.repositories

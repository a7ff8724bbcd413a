"""What only a real Gitea shows: what a token must be good for, pages, refs that can be fetched, and being away."""

import asyncio
import logging
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from reconciler.preview.pulls.providers.addresses import place
from reconciler.preview.pulls.providers.api import Api
from reconciler.preview.pulls.providers.gitea import Gitea, host
from reconciler.preview.pulls.pull_requests import CommitStatus
from reconciler.source.secrets import SecretFrom
from schemas.errors import InputError, TransientError
from tests.preview.providers.doubles import QUICK
from tests.preview.providers.real_gitea import SCOPES
from tests.preview.providers.test_contract import MARKER, told
from tests.reconciler.repositories import git

pytestmark = [pytest.mark.real, pytest.mark.needs("gitea")]

STATUS = CommitStatus("success", "fine")


def test_the_head_of_a_fork_is_fetched_from_the_base(gitea_side, tmp_path):
    """Whoever may read the repository needs nothing of the fork."""
    number = gitea_side.open("Change", fork="there")
    (found,) = told(gitea_side, lambda adapter: adapter.opened())
    listed = git("ls-remote", gitea_side.remote.address_with_token, found.head_ref, at=tmp_path)
    assert listed.split() == [gitea_side.head(number), found.head_ref]


class SmallPages(Gitea):
    """Two on a page."""

    per_page: ClassVar = {"limit": 2}


def test_every_page_is_read(gitea_side):
    """Of pull requests and of labels."""
    for number in range(5):
        gitea_side.remote.create_label(f"label {number}")
    numbers = [gitea_side.open(f"Change {number}") for number in range(3)]
    there = place("gitea", gitea_side.remote.address)

    async def story():
        adapter = SmallPages(Api(host(there.api), gitea_side.token, patience=QUICK), there.path)
        for label in ("label 0", "label 4"):
            await adapter.set_label(numbers[0], label, present=True)
        found = await adapter.opened()
        await adapter.close()
        return found

    found = asyncio.run(story())
    assert [pull.number for pull in found] == numbers
    assert found[0].labels == ("label 0", "label 4")
    assert len(gitea_side.remote.known_labels()) == 5


ASKED = {
    "read:repository": lambda adapter: adapter.is_public(),
    "write:repository": lambda adapter: adapter.set_status("a" * 40, STATUS),
    "write:issue": lambda adapter: adapter.write_comment(1, MARKER),
    "read:user": lambda adapter: adapter.find_comment(1, MARKER),
}


@pytest.mark.parametrize(("lacking", "asked"), ASKED.items())
def test_a_token_that_lacks_a_scope_is_told_which(gitea_side, tmp_path, lacking, asked):
    """By the very name that Gitea has for it."""
    gitea_side.open("Change")
    without = [scope for scope in SCOPES if scope.partition(":")[2] != lacking.partition(":")[2]]
    if lacking == "write:issue":
        without.append("read:issue")
    if lacking == "write:repository":
        without.append("read:repository")
    (tmp_path / "token").write_text(gitea_side.moorage.scoped_token(*without))
    with pytest.raises(InputError, match=r"ProviderDenied.*403") as error:
        told(Lesser(gitea_side, SecretFrom(file=tmp_path / "token")), asked)
    assert lacking in error.value.message


def test_who_may_only_read_may_not_set_a_status(gitea_side, tmp_path):
    """The scope alone is not enough; comments are everybody's."""
    number = gitea_side.open("Change")
    reader = gitea_side.team.gitea.create_user("reader")
    gitea_side.remote.share_with(reader, "read")
    (tmp_path / "token").write_text(reader.scoped_token(*SCOPES))
    side = Lesser(gitea_side, SecretFrom(file=tmp_path / "token"))
    assert told(side, lambda adapter: adapter.write_comment(number, MARKER)) > 0
    with pytest.raises(InputError, match=r"ProviderDenied.*may write"):
        told(side, lambda adapter: adapter.set_status(gitea_side.head(number), STATUS))


def test_a_stranger_sees_nothing(gitea_side, tmp_path):
    """A private repository is none to them."""
    number = gitea_side.open("Change")
    stranger = gitea_side.team.gitea.create_user("stranger")
    (tmp_path / "token").write_text(stranger.scoped_token(*SCOPES))
    side = Lesser(gitea_side, SecretFrom(file=tmp_path / "token"))
    with pytest.raises(InputError, match=r"ProviderDenied.*404.*read:repository"):
        told(side, lambda adapter: adapter.is_public())
    with pytest.raises(InputError, match="PullRequestNotFound"):
        told(side, lambda adapter: adapter.pull_request(number))


def test_a_token_that_nobody_knows_is_refused(gitea_side, tmp_path):
    """It is in no part of the error."""
    wrong = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / "token").write_text(wrong)
    with pytest.raises(InputError, match=r"ProviderDenied.*401") as error:
        told(Lesser(gitea_side, SecretFrom(file=tmp_path / "token")), lambda adapter: adapter.opened())
    assert wrong not in f"{error.value} {error.value!r}"


def test_the_token_is_in_no_log(gitea_side, caplog):
    """Neither ours nor those of the libraries, which write requests down."""
    number = gitea_side.open("Change")
    with caplog.at_level(logging.DEBUG), capture_logs() as lines:
        told(gitea_side, lambda adapter: adapter.write_comment(number, MARKER))
    assert "httpcore" in str([record.name for record in caplog.records])
    logged = caplog.text + str(lines) + str([record.__dict__ for record in caplog.records])
    assert gitea_side.token.read() not in logged


def test_a_provider_that_was_away_is_asked_again(gitea_side):
    """The same adapter goes on when it is back."""
    gitea_side.open("Change")

    async def story():
        adapter = gitea_side.adapter()
        before = await adapter.opened()
        gitea_side.team.gitea.stop()
        try:
            with pytest.raises(TransientError, match="ProviderUnreachable"):
                await adapter.opened()
        finally:
            gitea_side.team.gitea.start()
        after = await adapter.opened()
        await adapter.close()
        return before, after

    before, after = asyncio.run(story())
    assert before == after


class Lesser:
    """The same side with another token."""

    def __init__(self, side, token: SecretFrom) -> None:
        self._side = side
        self._token = token

    def adapter(self):
        return self._side.adapter_with(self._token)

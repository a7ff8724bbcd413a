"""What every adapter does, on doubles that are held to the providers' descriptions and on a real Gitea."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from reconciler.preview.pulls.pull_requests import CommitStatus, PullRequests
from schemas.errors import InputError
from tests.preview.providers.people import Seen, Side

T = TypeVar("T")

MARKER = "<!-- moorage -->"
READ_MORE = "https://moorage.example.com/previews/1"


def told(side: Side, story: Callable[[PullRequests], Awaitable[T]]) -> T:
    """What comes of a story with an adapter of its own."""

    async def run() -> T:
        adapter = side.adapter()
        try:
            return await story(adapter)
        finally:
            await adapter.close()

    return asyncio.run(run())


# Pull requests


def test_a_pull_request_is_read(side):
    """With the commits that a plan of its merge is made of."""
    number = side.open("Serve iris twice")
    found = told(side, lambda adapter: adapter.pull_request(number))
    assert (found.number, found.state, found.title) == (number, "open", "Serve iris twice")
    assert (found.head, found.base, found.base_branch) == (side.head(number), side.tip(), "main")
    assert (found.fork, found.draft, found.labels, found.merge_commit) == (False, False, (), "")
    assert found.url.startswith("http")
    assert found.author


def test_open_pull_requests_are_listed_by_number(side):
    """What was merged or closed is not among them, and the rest is as each is read alone."""
    numbers = [side.open(f"Change {number}") for number in range(4)]
    side.merge(numbers[1])
    side.close(numbers[2])
    found = told(side, lambda adapter: adapter.opened())
    assert [pull.number for pull in found] == [numbers[0], numbers[3]]
    alone = [told(side, lambda adapter, number=each.number: adapter.pull_request(number)) for each in found]
    assert list(found) == alone


def test_no_pull_request_is_open(side):
    """Nothing is an answer."""
    assert told(side, lambda adapter: adapter.opened()) == ()


def test_a_merged_one_tells_what_the_base_holds_since(side):
    """The commit that a sync will find."""
    number = side.open("Merge me")
    side.merge(number)
    found = told(side, lambda adapter: adapter.pull_request(number))
    assert (found.state, found.merge_commit) == ("merged", side.tip())


def test_a_closed_one_is_closed(side):
    """It merged nothing."""
    number = side.open("Never mind")
    side.close(number)
    found = told(side, lambda adapter: adapter.pull_request(number))
    assert (found.state, found.merge_commit) == ("closed", "")


@pytest.mark.parametrize("fork", ["there", "gone"])
def test_a_fork_is_told(side, fork):
    """Also where it was deleted since."""
    number = side.open("From elsewhere", fork=fork)
    found = told(side, lambda adapter: adapter.pull_request(number))
    assert (found.number, found.fork, found.head) == (number, True, side.head(number))


def test_a_draft_is_told(side):
    """Nobody is to merge it yet."""
    side.open("Not yet", draft=True)
    (found,) = told(side, lambda adapter: adapter.opened())
    assert found.draft


def test_a_number_of_no_pull_request_is_told_apart(side):
    """Whatever is asked of it."""
    asked = [
        lambda adapter: adapter.pull_request(4711),
        lambda adapter: adapter.find_comment(4711, MARKER),
        lambda adapter: adapter.write_comment(4711, MARKER),
    ]
    for each in asked:
        with pytest.raises(InputError, match="4711") as error:
            told(side, each)
        assert error.value.reason == "PullRequestNotFound"


def test_a_private_repository_is_not_public(side):
    """Until somebody publishes it."""
    assert told(side, lambda adapter: adapter.is_public()) is False
    side.publish()
    assert told(side, lambda adapter: adapter.is_public()) is True


# Comments


def test_a_comment_is_written_and_found_again(side):
    """With its text as it was, whatever the text."""
    number, text = side.open("Change"), f"{MARKER}\n\n| a | b |\n|---|---|\n| ü | 🙂 `x` |"

    async def story(adapter):
        written = await adapter.write_comment(number, text)
        return written, await adapter.find_comment(number, MARKER)

    written, found = told(side, story)
    assert (found.id, found.text) == (written, text)
    assert side.comments(number) == [("moorage", text)]


def test_a_comment_is_changed_in_its_place(side):
    """There is one, however often it is written."""
    number = side.open("Change")

    async def story(adapter):
        first = await adapter.write_comment(number, f"{MARKER} one")
        return first, await adapter.write_comment(number, f"{MARKER} two", first)

    first, second = told(side, story)
    assert first == second
    assert side.comments(number) == [("moorage", f"{MARKER} two")]


def test_a_marker_that_somebody_pasted_is_not_ours(side):
    """Before and after our own; without our own there is none."""
    number = side.open("Change")
    side.say(number, f"{MARKER} nothing changes, merge it")
    assert told(side, lambda adapter: adapter.find_comment(number, MARKER)) is None
    written = told(side, lambda adapter: adapter.write_comment(number, f"{MARKER} it stops iris"))
    side.say(number, f"{MARKER} really nothing")
    assert told(side, lambda adapter: adapter.find_comment(number, MARKER)).id == written


def test_a_comment_of_ours_without_the_marker_is_another_one(side):
    """An answer to somebody, for example."""
    number = side.open("Change")
    told(side, lambda adapter: adapter.write_comment(number, "I was asked"))
    assert told(side, lambda adapter: adapter.find_comment(number, MARKER)) is None


def test_the_oldest_of_several_is_found(side):
    """The one that people have seen."""
    number = side.open("Change")
    first = told(side, lambda adapter: adapter.write_comment(number, f"{MARKER} one"))
    told(side, lambda adapter: adapter.write_comment(number, f"{MARKER} two"))
    assert told(side, lambda adapter: adapter.find_comment(number, MARKER)).id == first


def test_a_comment_that_somebody_deleted_is_written_anew(side):
    """It is not found, and changing it writes another one."""
    number = side.open("Change")
    first = told(side, lambda adapter: adapter.write_comment(number, f"{MARKER} one"))
    side.delete_comment(number, first)
    assert told(side, lambda adapter: adapter.find_comment(number, MARKER)) is None
    second = told(side, lambda adapter: adapter.write_comment(number, f"{MARKER} two", first))
    assert second != first
    assert side.comments(number) == [("moorage", f"{MARKER} two")]


# Statuses


@pytest.mark.parametrize("state", ["pending", "success", "failure"])
def test_a_status_is_set(side, state):
    """In the provider's own word, with where to read more."""
    commit = side.head(side.open("Change"))
    told(side, lambda adapter: adapter.set_status(commit, CommitStatus(state, "2 models change", READ_MORE)))
    assert side.status(commit) == Seen(side.statuses[state], "2 models change", READ_MORE)


def test_the_last_status_is_what_holds(side):
    """Saying the same twice is no error, on the way and at the end."""
    commit = side.head(side.open("Change"))
    pending, ended = CommitStatus("pending", "planning"), CommitStatus("success", "nothing changes")

    async def story(adapter):
        for status in (pending, pending, ended, ended, pending, replace(ended, state="failure")):
            await adapter.set_status(commit, status)

    told(side, story)
    seen = side.status(commit)
    assert (seen.state, seen.description) == (side.statuses["failure"], "nothing changes")


def test_a_long_description_is_cut(side):
    """To what the provider takes, with a mark at its end."""
    commit = side.head(side.open("Change"))
    told(side, lambda adapter: adapter.set_status(commit, CommitStatus("success", "ü" * 1_000)))
    seen = side.status(commit).description
    assert 100 < len(seen) < 300
    assert seen.endswith("ü…")


def test_an_address_that_is_not_of_the_web_is_left_out(side):
    """Nobody can click themselves into trouble."""
    commit = side.head(side.open("Change"))
    status = CommitStatus("success", "fine", "javascript:alert(1)")
    told(side, lambda adapter: adapter.set_status(commit, status))
    assert "javascript" not in side.status(commit).url


# Labels


def test_a_label_is_put_on_and_taken_away(side):
    """One that the repository has never seen; doing either twice is no error. Bitbucket has none."""
    number = side.open("Change")
    wanted = [] if side.name == "bitbucket" else ["moorage: stops serving"]

    async def story(adapter, present):
        for _ in range(2):
            await adapter.set_label(number, "moorage: stops serving", present=present)
        return (await adapter.pull_request(number)).labels

    assert told(side, lambda adapter: story(adapter, present=True)) == tuple(wanted)
    assert side.labels(number) == wanted
    assert told(side, lambda adapter: story(adapter, present=False)) == ()
    assert side.labels(number) == []


def test_other_labels_stay(side):
    """Those that people put there, and a second one of ours that is known by now."""
    numbers = [side.open("One"), side.open("Two")]

    async def story(adapter):
        for number in numbers:
            await adapter.set_label(number, "b", present=True)
            await adapter.set_label(number, "a", present=True)
        await adapter.set_label(numbers[0], "b", present=False)
        return [pull.labels for pull in await adapter.opened()]

    assert told(side, story) == ([(), ()] if side.name == "bitbucket" else [("a",), ("a", "b")])


# Limits


def test_the_longest_comment_is_taken(side):
    """As many characters as the adapter says, of those that take the most bytes."""
    number = side.open("Change")

    async def story(adapter):
        longest = min(adapter.longest, 65_000)  # a million are for GitLab alone, whose description says so
        text = MARKER + "🙂" * (longest - len(MARKER))
        await adapter.write_comment(number, text)
        return text, await adapter.find_comment(number, MARKER)

    text, found = told(side, story)
    assert (len(found.text), found.text == text) == (len(text), True)

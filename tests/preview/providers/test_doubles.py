"""What the doubles can show and the real Gitea cannot, or not in reasonable time."""

import asyncio

import pytest
from structlog.testing import capture_logs

from reconciler.preview.pulls.pull_requests import CommitStatus
from tests.preview.providers.bitbucket_double import BitbucketDouble
from tests.preview.providers.github_double import GitHubDouble
from tests.preview.providers.gitlab_double import GitLabDouble
from tests.preview.providers.people import EVE, MOORAGE, Note, Person
from tests.preview.providers.test_contract import MARKER, told

ACTIONS = Person(41_898_282, "github-actions[bot]", bot=True)


def test_every_page_of_pull_requests_is_read(double):
    """Not one is missing, and not one is there twice."""
    numbers = [double.open(f"Change {number}") for number in range(250)]
    found = told(double, lambda adapter: adapter.opened())
    assert [pull.number for pull in found] == numbers


def test_more_than_a_thousand_are_not_read():
    """The newest are, and the log says that there are more."""
    double = GitLabDouble()
    numbers = [double.open(f"Change {number}") for number in range(1_001)]
    with capture_logs() as lines:
        found = told(double, lambda adapter: adapter.opened())
    assert [pull.number for pull in found] == numbers[1:]
    assert [(line["event"], line["most"]) for line in lines] == [("not everything is read", 1_000)]


def test_just_a_thousand_are_all():
    """Nothing is said then."""
    double = GitLabDouble()
    for number in range(1_000):
        double.open(f"Change {number}")
    with capture_logs() as lines:
        assert len(told(double, lambda adapter: adapter.opened())) == 1_000
    assert lines == []


def test_our_comment_is_found_behind_many_others(double):
    """On whichever page it is; who deleted their account is nobody."""
    number = double.open("Change")
    double.write(number, None, f"{MARKER} by nobody")
    for each in range(250):
        double.write(number, EVE, f"{MARKER} {each}")
    written = told(double, lambda adapter: adapter.write_comment(number, f"{MARKER} ours"))
    assert told(double, lambda adapter: adapter.find_comment(number, MARKER)).id == written


def test_who_we_are_is_asked_once(double):
    """Until the token is another one's."""
    number = double.open("Change")

    async def story(adapter):
        for _ in range(3):
            await adapter.find_comment(number, MARKER)

    told(double, story)
    assert double.transport.seen.count("GET /user") == 1


@pytest.mark.parametrize("make", [GitHubDouble, BitbucketDouble])
def test_a_token_that_may_not_ask_knows_its_comments_by_the_bot(make):
    """As GitHub Actions' token, and one of a repository of Bitbucket's; a person's comment is none of ours."""
    double = make()
    double.may_ask_who, double.me = False, ACTIONS
    number = double.open("Change")
    double.say(number, f"{MARKER} nothing changes")
    assert told(double, lambda adapter: adapter.find_comment(number, MARKER)) is None
    written = told(double, lambda adapter: adapter.write_comment(number, f"{MARKER} ours"))
    assert told(double, lambda adapter: adapter.find_comment(number, MARKER)).id == written


def test_github_tells_a_closed_one_from_a_merged_one():
    """Each has a merge commit: of a merge that might have been."""
    double = GitHubDouble()
    number = double.open("Change")
    double.close(number)
    assert told(double, lambda adapter: adapter.pull_request(number)).merge_commit == ""


@pytest.mark.parametrize("how", ["merge", "squash", "fast-forward"])
def test_gitlab_tells_three_kinds_of_merges(how):
    """Each names the commit that main holds since in another field."""
    double = GitLabDouble()
    number = double.open("Change")
    double.merge(number)
    told_by = {"merge": "merge_commit_sha", "squash": "squash_commit_sha", "fast-forward": "sha"}
    double.merged_by = told_by[how]
    assert told(double, lambda adapter: adapter.pull_request(number)).merge_commit == double.tip()


def test_gitlab_knows_the_tip_of_a_branch_only_while_it_is_there():
    """A merge request may be for one that was deleted."""
    double = GitLabDouble()
    number = double.open("Change")
    double.branches = set()
    assert told(double, lambda adapter: adapter.pull_request(number)).base == ""


def test_gitlab_is_asked_once_for_the_tip_of_a_branch():
    """However many merge requests are for it."""
    double = GitLabDouble()
    for number in range(5):
        double.open(f"Change {number}")
    told(double, lambda adapter: adapter.opened())
    assert [name for name in double.transport.seen if "branches" in name] == [
        "GET /projects/{id}/repository/branches/{branch}"
    ]


def test_bitbucket_is_asked_once_for_each_commit():
    """It tells twelve digits of them each time; the heads of forks are told by the pull request."""
    double = BitbucketDouble()
    for fork in ("", "there", "gone"):
        double.open("Change", fork=fork)

    async def story(adapter):
        return [await adapter.opened() for _ in range(3)][-1]

    found = told(double, story)
    assert [pull.head for pull in found] == [double.head(number) for number in (1, 2, 3)]
    assert (
        len([name for name in double.transport.seen if "commit" in name]) == 4
    )  # main, a head, two of forks


def test_bitbucket_leaves_out_a_head_that_is_gone():
    """There is nothing to plan the merge of."""
    double = BitbucketDouble()
    double.open("Change")
    double.open("Change")
    double.gone = {double.head(1)}
    assert [pull.number for pull in told(double, lambda adapter: adapter.opened())] == [2]
    assert told(double, lambda adapter: adapter.pull_request(1)).head == ""


def test_bitbucket_has_to_be_told_where_to_read_more():
    """The commit's own page where there is nothing better."""
    double = BitbucketDouble()
    commit = double.head(double.open("Change"))
    told(double, lambda adapter: adapter.set_status(commit, CommitStatus("success", "fine")))
    assert double.status(commit).url == f"https://bitbucket.org/acme/models/commits/{commit}"


def test_heads_can_be_fetched_from_the_base(double):
    """Under the ref that the provider keeps; Bitbucket keeps none for forks."""
    number, forked = double.open("Change"), double.open("Change", fork="there")
    refs = [pull.head_ref for pull in told(double, lambda adapter: adapter.opened())]
    kept = {
        "github": [f"refs/pull/{number}/head", f"refs/pull/{forked}/head"],
        "gitlab": [f"refs/merge-requests/{number}/head", f"refs/merge-requests/{forked}/head"],
        "bitbucket": [f"refs/heads/change/{number}", ""],
    }
    assert refs == kept[double.name]


def test_every_operation_that_is_described_is_asked_for(double):
    """What no adapter asks for is in no excerpt."""
    number, fork = double.open("Change"), double.open("Change", fork="there")

    async def story(adapter):
        await adapter.is_public()
        await adapter.opened()
        await adapter.pull_request(fork)
        comment = await adapter.write_comment(number, MARKER)
        await adapter.write_comment(number, MARKER, comment)
        await adapter.find_comment(number, MARKER)
        await adapter.set_status(double.head(number), CommitStatus("pending", "planning"))
        await adapter.set_label(number, "a label", present=True)
        await adapter.set_label(number, "a label", present=False)

    told(double, story)
    assert set(double.transport.seen) == double.described.excerpt["operations"].keys()


def test_writes_go_one_by_one(double):
    """However many are wanted at once."""
    number = double.open("Change")

    async def story(adapter):
        await asyncio.gather(*(adapter.write_comment(number, f"{each}") for each in range(5)))

    told(double, story)
    assert sorted(double.comments(number)) == [(MOORAGE.name, f"{each}") for each in range(5)]


def test_a_deleted_comment_of_bitbucket_is_not_found():
    """It stays in the list, marked."""
    double = BitbucketDouble()
    number = double.open("Change")
    double.pulls[number].notes.append(Note(5, MOORAGE, MARKER, deleted=True))
    assert told(double, lambda adapter: adapter.find_comment(number, MARKER)) is None

"""What deliveries say: golden payloads of each provider, and bytes of nobody."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.urls import Location
from reconciler.source.webhooks import payloads
from reconciler.source.webhooks.delivery import Delivery, Hint
from reconciler.source.webhooks.payloads import MAX_REFS, parse
from schemas.errors import InputError
from tests.webhooks.deliveries import payload

GITHUB = (Location("github.com", "octo/models"),)
GITEA = (Location("git.example.org", "team/models"),)
BITBUCKET = (Location("bitbucket.org", "team/models"),)
GITLAB = (Location("gitlab.example.org", "group/sub/models"),)


def delivered(provider, event: str, body: bytes) -> tuple[Hint, ...]:
    return parse(Delivery(provider, event, body, frozenset()))


@pytest.mark.parametrize(
    ("provider", "event", "file", "hints"),
    [
        ("github", "push", "github_push", [Hint(GITHUB, ("refs/heads/main",))]),
        ("github", "delete", "github_delete", [Hint(GITHUB, ("refs/tags/v1.2",))]),
        ("github", "ping", "github_ping", []),
        ("gitea", "push", "gitea_push", [Hint(GITEA, ("refs/heads/release/1.0",))]),
        ("gitea", "create", "gitea_create", [Hint(GITEA, ("refs/heads/canary",))]),
        ("gitlab", "Push Hook", "gitlab_push", [Hint(GITLAB, ("refs/heads/main",))]),
        ("gitlab", "Tag Push Hook", "gitlab_tag_push", [Hint(GITLAB, ("refs/tags/v1.0.0",))]),
        (
            "bitbucket",
            "repo:push",
            "bitbucket_push",
            [Hint(BITBUCKET, ("refs/heads/main", "refs/tags/v1"))],
        ),
        (
            "bitbucket",
            "repo:refs_changed",
            "bitbucket_server_push",
            [Hint((Location("*", "ml/models"),), ("refs/heads/main",))],
        ),
        (
            "generic",
            "",
            "generic",
            [Hint((Location("git.example.org", "srv/models"),), ("refs/heads/main",))],
        ),
    ],
)
def test_a_payload_names_what_moved(provider, event, file, hints) -> None:
    """Every spelling of an address is one location; what is no push is no hint."""
    assert list(delivered(provider, event, payload(file))) == hints


@pytest.mark.parametrize(
    ("provider", "event", "file", "repositories"),
    [
        ("github", "pull_request", "github_pull_request", GITHUB),
        ("gitea", "pull_request", "gitea_pull_request", GITEA),
        ("gitlab", "Merge Request Hook", "gitlab_merge_request", GITLAB),
        ("bitbucket", "pullrequest:created", "bitbucket_pull_request", BITBUCKET),
        ("bitbucket", "pullrequest:updated", "bitbucket_pull_request", BITBUCKET),
        ("bitbucket", "pullrequest:fulfilled", "bitbucket_pull_request", BITBUCKET),
        ("bitbucket", "pullrequest:rejected", "bitbucket_pull_request", BITBUCKET),
        ("generic", "", "generic_pulls", (Location("git.example.org", "srv/models"),)),
    ],
)
def test_a_pull_request_names_the_repository_that_it_goes_into(provider, event, file, repositories) -> None:
    """Never the fork that it comes from, and no ref, for none of that repository moved."""
    assert delivered(provider, event, payload(file)) == (Hint(repositories, (), pulls=True),)


@pytest.mark.parametrize("pulls", [False, None, 1, "true", [], {}])
def test_a_push_is_a_push_unless_it_says_otherwise(pulls) -> None:
    """Nothing but ``true`` makes a delivery of one's own one of pull requests."""
    body = json.dumps({"repository": "https://h/r", "ref": "refs/heads/main", "pulls": pulls}).encode()
    assert delivered("generic", "", body) == (Hint((Location("h", "r"),), ("refs/heads/main",)),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"payload=%7B%7D",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("event", ["push", "ping", "anything"])
def test_what_is_no_json_object_is_refused(body: bytes, event: str) -> None:
    """Whatever the event, with a reason and without repeating the body."""
    with pytest.raises(InputError) as caught:
        delivered("github", event, body)
    assert caught.value.reason == "InvalidPayload"


@pytest.mark.parametrize(
    "repository",
    [None, 1, [], {}, {"clone_url": 5}, {"clone_url": "https://[bad/x"}, {"clone_url": "x" * 3000}],
)
def test_a_push_that_names_no_repository_is_refused(repository) -> None:
    """Its sender is not what it says."""
    with pytest.raises(InputError, match="InvalidPayload"):
        delivered("gitea", "push", json.dumps({"repository": repository, "ref": "refs/heads/main"}).encode())


@pytest.mark.parametrize("ref", [None, 5, [], "", "x" * 3000])
def test_a_push_without_a_readable_ref_is_for_any(ref) -> None:
    """In doubt somebody looks."""
    body = json.dumps({"repository": "https://h/r", "ref": ref}).encode()
    assert delivered("generic", "", body) == (Hint((Location("h", "r"),)),)


def test_very_many_refs_are_any() -> None:
    """What is kept of a payload is bounded."""
    changes = [{"ref": {"id": f"refs/heads/b{n}"}} for n in range(MAX_REFS + 1)]
    body = {"repository": {"slug": "r", "project": {"key": "P"}}, "changes": changes}
    (hint,) = delivered("bitbucket", "repo:refs_changed", json.dumps(body).encode())
    assert hint.refs == ()


def hints_or_refusal(event, body: bytes) -> tuple[Hint, ...]:
    """What is made of a body; none where it is refused as it has to be."""
    try:
        return delivered(*event, body)
    except InputError as error:
        if error.reason == "InvalidPayload":
            return ()
        raise


EVENTS = st.sampled_from(sorted(payloads._READERS))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["https://h/r", "git@h:r", "//["]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "repository",
                    "project",
                    "push",
                    "changes",
                    "ref",
                    "ref_type",
                    "new",
                    "old",
                    "name",
                    "type",
                    "links",
                    "html",
                    "href",
                    "clone",
                    "clone_url",
                    "web_url",
                    "slug",
                    "key",
                    "id",
                    "pulls",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(EVENTS, VALUES)
def test_any_json_is_a_hint_or_an_error_of_ours(event, value) -> None:
    """Whatever the types of its fields; a hint is sorted and names a repository."""
    for hint in hints_or_refusal(event, json.dumps(value).encode()):
        assert hint.repositories
        assert list(hint.refs) == sorted(set(hint.refs))
        assert not (hint.refs and hint.pulls)


@given(EVENTS, st.binary(max_size=200))
def test_any_bytes_are_a_hint_or_an_error_of_ours(event, body) -> None:
    """Nothing else is raised."""
    hints_or_refusal(event, body)

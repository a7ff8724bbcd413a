"""Which applications look when something moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.urls import ANY_HOST, Location, location
from reconciler.source.webhooks.delivery import Hint
from reconciler.source.webhooks.matching import Followed, hinted, pulled

HERE = Location("git.example.org", "team/models")
MAIN = ("refs/heads/main",)


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example.org/team/models",
        "https://git.example.org/team/models.git",
        "https://git.example.org/team/models.git/",
        "https://GIT.Example.ORG./Team/Models.git",
        "https://user:secret@git.example.org:8443/team/models.git?x=y#z",
        "http://git.example.org/team/models",
        "ssh://git@git.example.org:2222/team/models.git",
        "git+ssh://git.example.org/team/models",
        "git@git.example.org:team/models.git",
        "ada@git.example.org:/team/models",
        "https://git.example.org/scm/TEAM/models.git",
        "https://git.example.org/te%61m/models",
    ],
)
def test_every_spelling_of_an_address_is_one_location(address: str) -> None:
    """Scheme, user, port, case, `.git` and slashes make no difference."""
    assert location(address) == HERE


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://git.example.org.evil.org/team/models", Location("git.example.org.evil.org", "team/models")),
        ("https://git.example.org/team/models2", Location("git.example.org", "team/models2")),
        ("file:///srv/Models.git", Location("", "/srv/Models.git")),
        ("/srv/Models.git/", Location("", "/srv/Models.git")),
        ("http://127.0.0.1:3000/t/r", Location("localhost", "t/r")),
        ("http://[::1]:3000/t/r.git", Location("localhost", "t/r")),
        ("javascript:alert(1)", None),
        ("relative/path", None),
        ("https://", None),
        ("https://[bad/x", None),
        ("", None),
    ],
)
def test_another_address_is_another_location_or_none(address: str, found: Location | None) -> None:
    """Hosts are compared whole; a local path keeps its case; nonsense has no location."""
    assert location(address) == found


@given(st.text(max_size=80))
def test_any_text_has_a_location_or_none(text: str) -> None:
    """Nothing is raised, whatever somebody calls an address."""
    location(text)


@pytest.mark.parametrize("revision", ["main", "refs/heads/main", "HEAD", "1" * 40, "abcdef0"])
def test_who_follows_a_ref_that_moved_is_hinted_at(revision: str) -> None:
    """By its name; HEAD may be any branch, and a commit may come with any of them."""
    followed = [Followed("a", "git@git.example.org:team/models.git", revision)]
    assert hinted([Hint((HERE,), MAIN)], followed) == ("a",)


@pytest.mark.parametrize("revision", ["maintenance", "v1", "other/main"])
def test_who_follows_another_ref_is_not(revision: str) -> None:
    """A push elsewhere in the repository is none of its business."""
    assert (
        hinted([Hint((HERE,), MAIN)], [Followed("a", "https://git.example.org/team/models", revision)]) == ()
    )


def test_a_tag_is_followed_by_its_name() -> None:
    """As a branch is."""
    followed = [Followed("a", "https://git.example.org/team/models", "v1")]
    assert hinted([Hint((HERE,), ("refs/tags/v1",))], followed) == ("a",)


def test_no_refs_are_any() -> None:
    """A payload that does not say makes everybody look who follows the repository."""
    assert hinted([Hint((HERE,))], [Followed("a", "https://git.example.org/team/models", "v1")]) == ("a",)


def test_several_applications_of_one_repository_all_look() -> None:
    """Sorted, each once."""
    followed = [Followed(name, "https://git.example.org/team/models", "main") for name in ("b", "a")]
    followed.append(Followed("c", "https://git.example.org/team/other", "main"))
    assert hinted([Hint((HERE,), MAIN), Hint((HERE,))], followed) == ("a", "b")


def test_a_repository_without_a_host_counts_on_any() -> None:
    """Bitbucket Server does not always tell its own address."""
    followed = [Followed("a", "ssh://git@bitbucket.internal:7999/ML/models.git", "main")]
    assert hinted([Hint((Location(ANY_HOST, "ml/models"),), MAIN)], followed) == ("a",)


# Pull requests


PULLS = Hint((HERE,), pulls=True)


@pytest.mark.parametrize("revision", ["main", "v1", "HEAD", "1" * 40])
def test_a_pull_request_makes_nobody_look_at_their_source(revision: str) -> None:
    """No ref moved, not even for those that look at any."""
    assert hinted([PULLS], [Followed("a", "https://git.example.org/team/models", revision)]) == ()


def test_a_pull_request_concerns_those_of_its_repository() -> None:
    """Whatever they follow there: which branch it goes into is asked of the provider. Sorted, each once."""
    followed = [Followed(name, "git@git.example.org:team/models", name) for name in ("v1", "main")]
    followed.append(Followed("other", "https://git.example.org/team/other", "main"))
    assert pulled([PULLS, PULLS], followed) == ("main", "v1")


@pytest.mark.parametrize(("revision", "found"), [("main", ("a",)), ("HEAD", ("a",)), ("v1", ())])
def test_a_push_to_what_is_followed_concerns_its_pull_requests(revision: str, found: tuple[str, ...]) -> None:
    """What they are to be merged into is another; a push elsewhere leaves them as they are."""
    followed = [Followed("a", "https://git.example.org/team/models", revision)]
    assert pulled([Hint((HERE,), MAIN)], followed) == found

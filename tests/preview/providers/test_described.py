"""What the providers' descriptions refuse: else nothing that is held to them would be worth much."""

import json

import pytest

from tests.preview.providers.described import FOLDER, Described, NotDescribedError

STATUS = "/repos/acme/models/statuses/abc"
GOOD = {"state": "success", "context": "moorage/plan"}


@pytest.fixture
def github() -> Described:
    return Described.read("github")


def check(described: Described, method: str, path: str, query: str = "", body: object = None) -> str:
    return described.check_request(method, path, query, b"" if body is None else json.dumps(body).encode())


def test_a_described_request_is_let_pass(github):
    """With the name of its operation."""
    assert check(github, "POST", STATUS, body=GOOD) == "POST /repos/{owner}/{repo}/statuses/{sha}"
    assert check(github, "GET", "/repos/a/b/pulls", "state=open&per_page=100").endswith("/pulls")


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", STATUS, "", GOOD | {"state": "fine"}),
        ("POST", STATUS, "", {"context": "moorage/plan"}),
        ("POST", STATUS, "", GOOD | {"description": 7}),
        ("GET", STATUS, "", None),
        ("GET", "/repos/a/b/pull", "", None),
        ("GET", "/repos/a/b/pulls", "state=opened", None),
        ("GET", "/repos/a/b/pulls", "limit=50", None),
        ("GET", "/repos/a/b/pulls", "per_page=all", None),
        ("GET", "/repos/a/b/pulls", "", {"state": "open"}),
        ("GET", "/user", "page=1", None),
    ],
)
def test_what_is_not_described_is_refused(github, method, path, query, body):
    """An operation, a field of the query, a value or a body that the provider does not know."""
    with pytest.raises(NotDescribedError):
        check(github, method, path, query, body)


def test_an_answer_is_held_to_its_schema(github):
    """A double that tells less, or something else, is found out; so is a success that there is not."""
    name = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
    whole = github.filled(github.excerpt["operations"][name]["answers"]["201"], {"id": 1})
    github.check_answer(name, 201, json.dumps(whole).encode())
    for wrong in ({**whole, "id": "1"}, {key: whole[key] for key in whole if key != "user"}, []):
        with pytest.raises(NotDescribedError):
            github.check_answer(name, 201, json.dumps(wrong).encode())
    with pytest.raises(NotDescribedError):
        github.check_answer(name, 204, b"")


@pytest.mark.parametrize("provider", ["github", "gitlab", "bitbucket"])
def test_a_double_cannot_tell_what_the_provider_does_not(provider):
    """A field of another name is refused where it is made."""
    described = Described.read(provider)
    with pytest.raises(NotDescribedError, match="forked"):
        described.filled(described.excerpt["operations"]["GET /user"]["answers"]["200"], {"forked": True})


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_a_description_says_where_it_is_from(file):
    """A package with its version and licence, or somebody's hand."""
    source = json.loads(file.read_text())["source"]
    assert {"package", "version", "licence"} <= source.keys() or "by_hand" in source

"""How every provider is asked: rate limits, retries, refusals, redirects, and what nobody learns."""

import logging
from email.utils import formatdate

import httpx
import pytest
from structlog.testing import capture_logs

from reconciler.preview.pulls.providers.addresses import Provider
from reconciler.preview.pulls.pull_requests import CommitStatus
from schemas.errors import InputError, TransientError, WaitError
from tests.preview.providers.doubles import VARIABLE
from tests.preview.providers.people import TOKEN
from tests.preview.providers.scripted import ADDRESSES, NOW, PRIVATE, Script, answer, is_public

PROVIDERS: list[Provider] = sorted(ADDRESSES)
STATUS = CommitStatus("success", "fine")
COMMIT = "a" * 40
SENT = httpx.ReadError("after it was sent")


@pytest.fixture(params=PROVIDERS)
def provider(request) -> Provider:
    return request.param


def private(provider: Provider) -> httpx.Response:
    return answer(200, PRIVATE[provider])


# Rate limits


LIMITS = [
    pytest.param(429, {"retry_after": "7"}, 7, id="a delay"),
    pytest.param(429, {"retry_after": formatdate(NOW + 9, usegmt=True)}, 9, id="a date"),
    pytest.param(429, {"retry_after": "0"}, 1, id="at once is a second"),
    pytest.param(429, {}, 60, id="nothing said is a minute"),
    pytest.param(429, {"retry_after": "soon"}, 60, id="nothing readable is a minute"),
    pytest.param(429, {"retry_after": "-5"}, 60, id="no delay at all"),
    pytest.param(403, {"retry_after": "30"}, 30, id="GitHub's second limit"),
    pytest.param(403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": f"{NOW + 41:.0f}"}, 41, id="GitHub's reset"),
    pytest.param(429, {"ratelimit_remaining": "0", "ratelimit_reset": f"{NOW + 12:.0f}"}, 12, id="GitLab's reset"),
    pytest.param(429, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "13"}, 13, id="a reset as a delay"),
    pytest.param(429, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1000000001"}, 1, id="a reset long ago"),
    pytest.param(429, {"x_ratelimit_remaining": "9", "x_ratelimit_reset": f"{NOW + 9:.0f}"}, 60, id="not that limit"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "seconds"), LIMITS)
def test_a_short_limit_is_waited_out(provider, status, headers, seconds):
    """As long as the provider says, then the same is asked again."""
    script = Script(provider, [answer(status, **headers), private(provider)])
    assert script.run(is_public) is False
    assert script.slept == [pytest.approx(seconds)]
    assert script.asked[0] == script.asked[1]


LONG = [
    ("retry_after", "61", "2026-01-02T03:05:06+00:00"),
    ("retry_after", "3600", "2026-01-02T04:04:05+00:00"),
    ("retry_after", "999999999999", "2026-01-03T03:04:05+00:00"),
    ("retry_after", "Fri, 31 Dec 9999 23:59:59 GMT", "2026-01-03T03:04:05+00:00"),
]


@pytest.mark.parametrize(("header", "value", "until"), LONG)
def test_a_long_limit_is_told(provider, header, value, until):
    """With the time until which nothing can be asked, a day ahead at most; nobody waits here."""
    script = Script(provider, [answer(429, **{header: value})])
    with pytest.raises(WaitError, match=f"RateLimited.*{until[:-6]}"):
        script.run(is_public)
    assert script.slept == []


def test_limits_come_to_an_end(provider):
    """Who is put off three times waits no longer."""
    script = Script(provider, [answer(429, retry_after="2")] * 3)
    with pytest.raises(WaitError, match="RateLimited"):
        script.run(is_public)
    assert len(script.requests) == 3


def test_a_limit_holds_a_comment_back(provider):
    """It was not taken, so it is written again."""
    script = Script(provider, [answer(429, retry_after="2"), answer(201, {"id": 5})])
    assert script.run(lambda adapter: adapter.write_comment(1, "text")) == 5


def test_github_is_written_to_once_a_second():
    """Its own advice; reads do not wait, and writes wait for those before them."""
    made = [answer(201, {}), answer(201, {}), private("github"), answer(201, {})]
    script = Script("github", made)

    async def story(adapter):
        await adapter.set_status(COMMIT, STATUS)
        await adapter.set_status(COMMIT, STATUS)
        await adapter.is_public()
        script.now -= 3_600  # somebody sets the clock
        await adapter.set_status(COMMIT, STATUS)

    script.run(story)
    assert script.slept == [1.0, 1.0]


# Tries


FAILURES = [
    answer(500),
    answer(502, b"<html>"),
    answer(503),
    answer(408),
    SENT,
    httpx.ReadTimeout("slow"),
    httpx.ConnectError("away"),
    httpx.RemoteProtocolError("odd"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_read_is_tried_again(provider, failure):
    """Until it succeeds."""
    script = Script(provider, [failure, failure, private(provider)])
    assert script.run(is_public) is False
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_tries_come_to_an_end(provider, failure):
    """Then the next look at the pull requests is soon enough."""
    script = Script(provider, [failure] * 3)
    with pytest.raises(TransientError, match="ProviderUnreachable"):
        script.run(is_public)


def test_a_status_is_tried_again(provider):
    """Saying it twice says it once."""
    script = Script(provider, [SENT, answer(201, {})])
    script.run(lambda adapter: adapter.set_status(COMMIT, STATUS))
    assert len(script.requests) == 2


@pytest.mark.parametrize("failure", [SENT, answer(502), httpx.WriteTimeout("slow")], ids=repr)
def test_a_comment_that_may_be_there_is_not_written_again(provider, failure):
    """Whoever wanted it looks for it first."""
    steps = [failure, answer(404)] if provider == "gitea" else [failure]  # it asks for the pull request then
    script = Script(provider, steps)
    with pytest.raises((TransientError, InputError)):
        script.run(lambda adapter: adapter.write_comment(1, "text"))
    assert [each for each in script.asked if each.startswith("POST")] == script.asked[:1]


def test_a_comment_that_was_never_sent_is_sent(provider):
    """Nobody answered the phone."""
    script = Script(provider, [httpx.ConnectError("away"), answer(201, {"id": 5})])
    assert script.run(lambda adapter: adapter.write_comment(1, "text")) == 5


def test_gitlab_is_asked_again_while_somebody_else_sets_a_status():
    """It answers 409 then."""
    script = Script("gitlab", [answer(409), answer(201, {})])
    script.run(lambda adapter: adapter.set_status(COMMIT, STATUS))
    assert len(script.requests) == 2


# Refusals


NEEDED: dict[tuple[Provider, str], str] = {
    ("github", "read"): "Metadata: read",
    ("github", "comment"): "Pull requests: write",
    ("github", "status"): "Commit statuses: write",
    ("gitlab", "read"): "read_api",
    ("gitlab", "comment"): "scope api",
    ("gitlab", "status"): "Developer",
    ("gitea", "read"): "read:repository",
    ("gitea", "comment"): "write:issue",
    ("gitea", "status"): "write:repository",
    ("bitbucket", "read"): "repository: read",
    ("bitbucket", "comment"): "pullrequest: write",
    ("bitbucket", "status"): "repository: write",
}
ASKED = {
    "read": is_public,
    "comment": lambda adapter: adapter.write_comment(1, "text"),
    "status": lambda adapter: adapter.set_status(COMMIT, STATUS),
}


@pytest.mark.parametrize(("of", "permission"), NEEDED.items(), ids=str)
def test_a_refusal_names_what_the_token_needs(of, permission):
    """For just what was asked, and the page that lists all of it; it is not asked again."""
    script = Script(of[0], [answer(403, {"message": "no"})])
    with pytest.raises(InputError, match="ProviderDenied") as error:
        script.run(ASKED[of[1]])
    assert permission in error.value.message
    assert "docs/previews.md" in error.value.hint


@pytest.mark.parametrize("asked", ASKED.values(), ids=[*ASKED])
def test_a_token_that_nobody_knows_is_refused(provider, asked):
    """Whatever it is for."""
    with pytest.raises(InputError, match=r"ProviderDenied.*401"):
        Script(provider, [answer(401)]).run(asked)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 418, 422, 451])
def test_another_refusal_names_its_status(provider, status):
    """A status on a commit is about no pull request."""
    with pytest.raises(InputError, match=f"ProviderDenied.*{status}"):
        Script(provider, [answer(status, {"message": "no"})]).run(ASKED["status"])


def test_a_comment_that_may_not_be_changed_is_not_written_anew(provider):
    """Only one that is gone is."""
    script = Script(provider, [answer(403)])
    with pytest.raises(InputError, match="ProviderDenied"):
        script.run(lambda adapter: adapter.write_comment(1, "text", 7))


# Redirects


@pytest.mark.parametrize("status", [301, 307])
def test_a_renamed_repository_is_read_where_it_is(provider, status):
    """At the same origin, by a path or a whole address."""
    script = Script(provider, [])
    first = httpx.URL(f"{origin(provider)}/elsewhere")
    script.steps += [
        answer(status, location=str(first)),
        answer(status, location="/there"),
        private(provider),
    ]
    assert script.run(is_public) is False
    assert [each.url.path for each in script.requests[1:]] == ["/elsewhere", "/there"]
    assert all(TOKEN in each.headers["authorization"] for each in script.requests)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.com/repos/acme/models",
        "http://{host}/x",
        "https://{host}:8443/x",
        "https://me@{host}/x",
        "//evil.example.com/x",
        "https://[/x",
        "",
    ],
)
def test_nobody_else_is_asked(provider, location):
    """A redirect to another origin is a refusal, and the token stays here."""
    host = httpx.URL(origin(provider)).host
    script = Script(provider, [answer(301, location=location.format(host=host))])
    with pytest.raises(InputError, match=r"ProviderDenied.*moved"):
        script.run(is_public)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_write_is_not_taken_elsewhere(provider, status):
    """Whoever configures has to name the new place."""
    script = Script(provider, [answer(status, location="/there")])
    with pytest.raises(InputError, match=r"ProviderDenied.*moved"):
        script.run(ASKED["status"])
    assert len(script.requests) == 1


def test_redirects_come_to_an_end(provider):
    """In a circle too."""
    script = Script(provider, [answer(301, location=f"/{number}") for number in range(3)])
    with pytest.raises(InputError, match="ProviderDenied"):
        script.run(is_public)


def origin(provider: Provider) -> str:
    """Where its API is."""
    hosts = {"github": "api.github.com", "gitlab": "gitlab.com", "bitbucket": "api.bitbucket.org"}
    return f"https://{hosts.get(provider, 'gitea.example.com')}"


# Secrets


@pytest.mark.parametrize(
    "step",
    [
        answer(401),
        answer(403),
        answer(500),
        answer(429, retry_after="999"),
        SENT,
        answer(200, b"{"),
        answer(301),
    ],
    ids=repr,
)
def test_the_token_is_in_no_error_and_no_log(provider, step, caplog):
    """Neither is what the provider answered."""
    if isinstance(step, httpx.Response):
        step = answer(step.status_code, f"{TOKEN} and more".encode(), **dict(step.headers))
    with caplog.at_level(logging.DEBUG), capture_logs() as lines, pytest.raises(Exception) as error:  # noqa: PT011
        Script(provider, [step] * 3).run(is_public)
    told = f"{error.value} {error.value!r} {vars(error.value)} {caplog.text} {lines}"
    assert TOKEN not in told
    assert "and more" not in told


@pytest.mark.parametrize("text", ["two\nlines", "tök", "a b", "\x7fx", ""])
def test_a_token_that_fits_no_header_is_not_repeated(provider, text, monkeypatch):
    """A library would do so in its error; nobody is asked."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InputError, match="CredentialUnreadable") as error:
        Script(provider, []).run(is_public)
    assert not text or text not in str(error.value)


def test_a_rotated_token_holds_at_once(provider, monkeypatch):
    """It is read for each request."""
    script = Script(provider, [private(provider), private(provider)])

    async def story(adapter):
        await adapter.is_public()
        monkeypatch.setenv(VARIABLE, "another-one")
        await adapter.is_public()

    script.run(story)
    assert TOKEN in script.requests[0].headers["authorization"]
    assert "another-one" in script.requests[1].headers["authorization"]


def test_bitbucket_takes_a_user_with_the_token(monkeypatch):
    """An API token is one's own, so both are needed."""
    monkeypatch.setenv(VARIABLE, "ada@example.org:secret")
    script = Script("bitbucket", [private("bitbucket")])
    script.run(is_public)
    assert (
        script.requests[0].headers["authorization"]
        == httpx.BasicAuth("ada@example.org", "secret")._auth_header
    )


def test_connections_are_closed(provider):
    """Whoever is done says so."""
    script = Script(provider, [private(provider)])
    script.run(is_public)
    assert script.closed

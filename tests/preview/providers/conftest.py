"""The sides of the contract: doubles of GitHub, GitLab and Bitbucket, and the real Gitea."""

from pathlib import Path

import pytest

from tests.preview.providers.bitbucket_double import BitbucketDouble
from tests.preview.providers.doubles import VARIABLE, Double
from tests.preview.providers.github_double import GitHubDouble
from tests.preview.providers.gitlab_double import GitLabDouble
from tests.preview.providers.people import TOKEN, Side
from tests.preview.providers.real_gitea import RealGitea

DOUBLES = {"github": GitHubDouble, "gitlab": GitLabDouble, "bitbucket": BitbucketDouble}
GITEA = pytest.param("gitea", marks=[pytest.mark.real, pytest.mark.needs("gitea")])


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the adapters read it."""
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture(params=[*DOUBLES, GITEA])
def side(request: pytest.FixtureRequest) -> Side:
    """Each provider in turn, with a repository that holds one commit."""
    return real_gitea(request) if request.param == "gitea" else DOUBLES[request.param]()


@pytest.fixture(params=[*DOUBLES])
def double(request: pytest.FixtureRequest) -> Double:
    """Each double in turn."""
    return DOUBLES[request.param]()


@pytest.fixture
def gitea_side(request: pytest.FixtureRequest) -> RealGitea:
    """The real Gitea alone."""
    return real_gitea(request)


def real_gitea(request: pytest.FixtureRequest) -> RealGitea:
    folder: Path = request.getfixturevalue("tmp_path")
    return RealGitea(request.getfixturevalue("team"), folder)

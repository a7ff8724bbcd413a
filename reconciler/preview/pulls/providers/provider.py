"""The adapter of a repository's provider, from what the configuration says."""

from collections.abc import Callable
from typing import Final

import httpx

from reconciler.preview.pulls.providers import bitbucket, gitea, github, gitlab
from reconciler.preview.pulls.providers.addresses import Provider, place
from reconciler.preview.pulls.providers.api import USUAL, Api, Host, Patience
from reconciler.preview.pulls.pull_requests import PullRequests
from reconciler.source.secrets import SecretFrom

_ADAPTERS: Final[dict[Provider, tuple[Callable[[str], Host], Callable[[Api, str], PullRequests]]]] = {
    "github": (github.host, github.GitHub),
    "gitlab": (gitlab.host, gitlab.GitLab),
    "gitea": (gitea.host, gitea.Gitea),
    "bitbucket": (bitbucket.host, bitbucket.Bitbucket),
}


def pull_requests(
    provider: Provider,
    repository: str,
    api: str,
    token: SecretFrom,
    transport: httpx.AsyncBaseTransport | None = None,
    patience: Patience = USUAL,
) -> PullRequests:
    """The pull requests of the repository at an https or ssh address. ``api`` is the address of the
    provider's API, empty where the repository's tells it; Forgejo's is Gitea's. ``transport`` is for tests.

    Raises InputError ``ProviderUnknown``. To be used in one event loop, and closed.
    """
    host, adapter = _ADAPTERS[provider]
    there = place(provider, repository, api)
    return adapter(Api(host(there.api), token, transport, patience), there.path)

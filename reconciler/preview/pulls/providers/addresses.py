"""Where the API of a repository's provider is, and what it calls the repository: told from the address alone.

An address by ssh says nothing of the API's scheme and port; it is https on the usual one then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from reconciler.observability.notifications import is_web
from reconciler.source.urls import location, redacted, scp_as_url
from schemas.errors import InputError

Provider = Literal["github", "gitlab", "gitea", "bitbucket"]

_SSH_HOSTS: Final = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
"""Names of ssh on port 443, where nothing else answers."""
_OWN_HOSTS: Final = {
    ("github", "github.com"): "https://api.github.com",
    ("bitbucket", "bitbucket.org"): "https://api.bitbucket.org/2.0",
}
_BELOW: Final[dict[Provider, str]] = {
    "github": "/api/v3",
    "gitlab": "/api/v4",
    "gitea": "/api/v1",
}
"""Where a host of one's own has its API. There is no Bitbucket Cloud but Atlassian's."""


@dataclass(frozen=True)
class Place:
    """``api`` is the API's address without a slash at its end, ``path`` the repository's path in it, as one
    segment or as two, ready for an address. Paths are in one case: no provider tells them apart by it."""

    api: str
    path: str


def place(provider: Provider, repository: str, api: str = "") -> Place:
    """``api`` is where the API is if that is not where ``repository`` tells. Raises InputError
    ``ProviderUnknown``."""
    there, url = location(repository), _split(repository)
    if there is None or not there.host or url is None:
        raise _unknown(f"{redacted(repository)} is no address of a repository at a provider")
    if api and (not is_web(api) or "@" in urlsplit(api).netloc or urlsplit(api).query):
        raise _unknown("the API's address is no http or https URL without a user and a query")
    try:
        api = str(httpx.URL(api)).rstrip("/") if api else _api(provider, url, there.path)
    except httpx.InvalidURL:
        raise _unknown("the name of its host is none") from None
    parts = _without_root(there.path, url, api).split("/")
    if not _NAMES[provider](len(parts)) or not all(part.strip(".") for part in parts):
        raise _unknown(f"{redacted(repository)} names no repository as {provider} does")
    return Place(api, _PATHS[provider]([quote(part, safe="") for part in parts]))


_NAMES: Final[dict[Provider, Callable[[int], bool]]] = {
    "github": lambda count: count == 2,
    "gitlab": lambda count: count >= 2,
    "gitea": lambda count: count >= 2,
    "bitbucket": lambda count: count == 2,
}
_PATHS: Final[dict[Provider, Callable[[list[str]], str]]] = {
    "github": "/".join,
    "gitlab": "%2F".join,  # groups have groups
    "gitea": lambda parts: "/".join(parts[-2:]),  # what stands before is the root that Gitea is served at
    "bitbucket": "/".join,
}


def _api(provider: Provider, url: SplitResult, path: str) -> str:
    host = (url.hostname or "").rstrip(".")
    host = _SSH_HOSTS.get(host, host)
    if (provider, host) in _OWN_HOSTS:
        return _OWN_HOSTS[provider, host]
    if provider not in _BELOW:
        raise _unknown(f"{provider} is not at {host}")
    web = url.scheme in ("http", "https")
    root = "/".join(["", *path.split("/")[:-2]]) if provider == "gitea" and web else ""
    origin = httpx.URL(scheme=url.scheme if web else "https", host=host, port=url.port if web else None)
    return f"{str(origin).rstrip('/')}{root}{_BELOW[provider]}"


def _without_root(path: str, url: SplitResult, api: str) -> str:
    """The path without the one that the API's address has on the same host: where GitLab is served at."""
    there = urlsplit(api)
    root = there.path.rpartition("/api/")[0].strip("/").casefold()
    same = url.scheme in ("http", "https") and there.hostname == url.hostname
    return path.removeprefix(f"{root}/") if root and same else path


def _split(repository: str) -> SplitResult | None:
    """None where its port is none either."""
    try:
        url = urlsplit(scp_as_url(repository))
        has_port = url.port != 0
    except ValueError:
        return None
    return url if has_port else None


def _unknown(why: str) -> InputError:
    return InputError(
        "ProviderUnknown", why, "write the repository's https or ssh address, and the API's own"
    )

"""Who we are to a remote repository, and whom we tell: values, and which of them an address gets.

Secrets are named here and read only when a server asks (:mod:`reconciler.source.fetching`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.source.secrets import SecretFrom
from reconciler.source.urls import scp_as_url

TOKEN_USER = "x-access-token"  # noqa: S105 (a name; hosts that take a token as password ignore it)
_PORTS = {"https": 443, "http": 80, "ssh": 22}


@dataclass(frozen=True)
class Credentials:
    """For https a password or token with its user; for ssh a private key's file and its passphrase.

    What is None is left to the address and the ssh agent.
    """

    username: str | None = None
    password: SecretFrom | None = None
    key: Path | None = None
    passphrase: SecretFrom | None = None


@dataclass(frozen=True)
class CredentialsFor:
    """What every repository below ``url`` gets that has no credentials of its own."""

    url: str
    credentials: Credentials


AGENT = Credentials()


def credentials_for(repository: str, own: Credentials, common: Iterable[CredentialsFor] = ()) -> Credentials:
    """Its own, or those of the longest address that it lies below, or none at all."""
    if own != AGENT:
        return own
    fitting = [each for each in common if _below(repository, each.url)]
    return max(fitting, key=lambda each: len(_path(each.url))).credentials if fitting else AGENT


def origin(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of a remote address: whoever answers there is told its credentials."""
    url = _split(address)
    return url.scheme, (url.hostname or "").rstrip("."), url.port or _PORTS.get(url.scheme, 0)


def _below(address: str, prefix: str) -> bool:
    """Hosts are compared whole, paths by folders; a path that climbs is below nothing."""
    try:
        if origin(address) != origin(prefix):
            return False
        here, there = _path(address), _path(prefix)
    except ValueError:
        return False
    return ".." not in here and here[: len(there)] == there


def _path(address: str) -> list[str]:
    return [part for part in unquote(_split(address).path).split("/") if part not in ("", ".")]


def _split(address: str) -> SplitResult:
    return urlsplit(scp_as_url(address))

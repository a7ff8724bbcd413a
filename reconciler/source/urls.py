"""Where a repository is: on this machine or elsewhere, and how its address is shown.

An address may hold a password or a token. None of them leaves this module in a text for people.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from schemas.errors import InputError

ANY_HOST: Final = "*"
"""Host of a location that is known by its path alone."""
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_SCHEMES = frozenset({"git", "git+ssh", "http", "https", "ssh", "ssh+git"})


@dataclass(frozen=True, order=True)
class Location:
    """Where a repository is, however its address is spelled: host and path, both in one case.

    ``host`` is empty for a folder of this machine, whose path is absolute and kept as it is.
    """

    host: str
    path: str


def location(address: str) -> Location | None:
    """The location of an https, ssh, git or file address, of its scp form or of an absolute path; None for
    anything else. Names of users, ports, ``.git`` and slashes at the ends make no difference.

    Hosts of Git do not tell paths apart by case, so one location may stand for two where a host does.
    """
    try:
        url = urlsplit(scp_as_url(address))
        host = (url.hostname or "").rstrip(".")
    except ValueError:
        return None
    if url.scheme in _SCHEMES and host:
        path = unquote(url.path).strip("/").removeprefix("scm/").removesuffix(".git")
        return Location("localhost" if host in _LOOPBACK else host, path.strip("/").casefold())
    path = unquote(url.path) if url.scheme == "file" else address
    return Location("", path.rstrip("/")) if path.startswith("/") else None


def scp_as_url(address: str) -> str:
    """``git@host:path`` written as the ssh URL that it stands for; anything else as it is."""
    if not _is_scp(address) or "://" in address:
        return address
    head, _, path = address.partition(":")
    return f"ssh://{head}/{path.lstrip('/')}"


def local_path(repository: str) -> Path | None:
    """The folder of a repository that is on this machine, or None for a remote URL."""
    url = _split(repository)
    if url.scheme == "file":
        return Path(url.path)
    if url.scheme or _is_scp(repository):
        return None
    return Path(repository).expanduser()


def redacted(repository: str) -> str:
    """The URL without user name, password and query: safe to show."""
    url = _split(repository)
    if not url.scheme or not url.netloc:
        return repository
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def without_credentials(message: str, repository: str) -> str:
    """``message`` with nothing of the address in it that is secret."""
    message = message.replace(repository, redacted(repository))
    for secret in _secrets(_split(repository)):
        message = message.replace(secret, "***")
    return message


def _secrets(url: SplitResult) -> list[str]:
    """The password as written and as meant; a name alone in a web address is a token."""
    alone = url.username if url.scheme in ("http", "https") and url.password is None else None
    return [text for part in (url.password, alone) if part for text in (part, unquote(part))]


def _is_scp(repository: str) -> bool:
    """``git@host:path``, the short form of an ssh URL."""
    head, colon, _ = repository.partition(":")
    return bool(colon) and "@" in head and "/" not in head


def _split(repository: str) -> SplitResult:
    try:
        return urlsplit(repository)
    except ValueError:  # its words may repeat what must not be shown
        raise InputError("RepositoryNotFound", "the address of a repository is no URL and no path") from None

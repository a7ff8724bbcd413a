"""Names of other applications' things within sentences, and what stands for them instead.

Pure. Messages of a plan name servers, models and applications; a word that is one of those names is replaced
wherever it stands, unless the pull request's own applications use it, too.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from placement.inventory import ReplicaId
from reconciler.preview.preview import Preview
from reconciler.preview.rendering.ownership import OTHERS, Owners
from schemas.resource import ResourceKey, key

ANOTHER_MODEL: Final = f"{OTHERS}'s model"
ANOTHER_RESOURCE: Final = f"{OTHERS}'s resource"
ANOTHER_SERVER: Final = f"{OTHERS}'s server"

_WORD = re.compile(
    r"(?:(?P<noun>[Aa]pplication|[Ss]erver|[Mm]odel|[Ee]xperiment|[Pp]ipeline|nearest) )?"
    r"(?P<path>[\w-]+(?:\.[\w-]+)*(?:/[\w-]+(?:\.[\w-]+)*)*)"
)
"""A name or a path of names, with the noun that says what it is."""
_CUT = re.compile(r"[\w./-]+…\Z")
"""A word that a message was cut in: part of a name is not found among names."""


class Aliases:
    """What ``preview`` calls that it may not name. Servers have aliases with ``public``, numbered by identity."""

    def __init__(self, preview: Preview, owners: Owners, *, public: bool) -> None:
        self._owners = owners
        self._public = public
        self._servers = dict(_server_aliases(owners)) if public else {}
        own = {name for each in owners.keys(own=True) for name in (each.namespace, each.name)}
        own |= owners.applications | {each.namespace for each in preview.applications}
        found = dict(_names(owners, self._servers))
        self._names: Mapping[str, str] = {name: alias for name, alias in found.items() if name not in own}
        self._own_servers = {each.name for each in owners.keys(own=True) if each.kind == "Server"}

    def replica(self, at: ReplicaId) -> ReplicaId:
        """A server replica, by its server's alias where it has one."""
        alias = self._servers.get(key("Server", at.namespace, at.server))
        return at if alias is None else ReplicaId("", alias, at.index)

    def server(self, name: str) -> str:
        """A server that a remedy names."""
        return self._names.get(name, name)

    def text(self, said: str) -> str:
        """A sentence without the names of others."""
        whole = _CUT.sub("…", said) if self._public else said
        return _WORD.sub(self._replaced, whole)

    def _replaced(self, found: re.Match[str]) -> str:
        noun, parts = found["noun"] or "", found["path"].split("/")
        if noun.lower() == "application" and parts[0] not in self._owners.applications:
            return OTHERS
        hidden = [self._names[part] for part in parts if part in self._names]
        if not hidden and self._is_unknown_server(noun, parts[0]):
            hidden = [ANOTHER_SERVER]
        if not hidden:
            return found[0]
        index = f"/{parts[-1]}" if hidden[-1].startswith(ANOTHER_SERVER) and parts[-1].isdecimal() else ""
        return f"{'nearest ' if noun == 'nearest' else ''}{hidden[-1]}{index}"

    def _is_unknown_server(self, noun: str, name: str) -> bool:
        """True for the nearest server where nobody knows whose it is, as one without replicas."""
        return self._public and noun == "nearest" and name not in self._own_servers


def _server_aliases(owners: Owners) -> Iterator[tuple[ResourceKey, str]]:
    servers = [each for each in owners.keys(own=False) if each.kind == "Server"]
    return ((each, f"{ANOTHER_SERVER} {number}") for number, each in enumerate(servers, 1))


def _names(owners: Owners, servers: Mapping[ResourceKey, str]) -> Iterator[tuple[str, str]]:
    """Later ones count: a server's alias tells more than that of its namespace."""
    hidden = [each for each in owners.keys(own=False) if each.kind != "Server" or each in servers]
    yield from ((each.namespace, "another namespace") for each in hidden)
    yield from ((name, OTHERS) for name in sorted(owners.others()))
    for each in hidden:
        yield each.name, servers.get(each, ANOTHER_MODEL if each.kind == "Model" else ANOTHER_RESOURCE)

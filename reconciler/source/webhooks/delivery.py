"""The values between a request and a hint, and the ways in which a delivery is refused.

Everything in a delivery was written by somebody else. What is kept of it is bounded here, and none of it
is shown to anybody but by :func:`repr`.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from reconciler.source.urls import Location

Provider = Literal["bitbucket", "generic", "gitea", "github", "gitlab"]
"""``gitea`` is Gitea, Forgejo and Gogs alike; ``bitbucket`` is Cloud and Server."""

MAX_BODY: Final = 3 << 20
"""Bytes of a delivery. GitHub's longest are 25 MB, but those of a push list at most 2,048 commits."""
MAX_HEADERS: Final = 32 << 10
"""Bytes of all header names and values together."""
TOLERANCE: Final = 300.0
"""Seconds by which the timestamp of a generic delivery may be off, either way."""


@dataclass(frozen=True)
class Secret:
    """One shared secret, and the applications that whoever knows it may hint at."""

    value: bytes = field(repr=False)
    applications: frozenset[str]


@dataclass(frozen=True)
class Delivery:
    """A body whose signature was checked. ``applications`` are those of the secrets that signed it.

    ``signature`` is set where the provider signs a time as well, and ``expires`` says until when (seconds
    since 1970) it would be accepted again if nobody remembered it.
    """

    provider: Provider
    event: str
    body: bytes = field(repr=False)
    applications: frozenset[str]
    signature: str = field(default="", repr=False)
    expires: float = 0.0


@dataclass(frozen=True, order=True)
class Hint:
    """A repository, under every name that the payload gives it, and the refs that moved there.

    No refs means any. Both are sorted. Where ``pulls`` is set no ref moved, but a pull request into that
    repository was opened, changed or closed.
    """

    repositories: tuple[Location, ...]
    refs: tuple[str, ...] = ()
    pulls: bool = False

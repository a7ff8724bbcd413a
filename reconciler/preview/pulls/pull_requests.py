"""Pull requests of one repository, and what is said on them: values and the protocol of a provider.

Nothing here knows a provider; each is an adapter of its own below :mod:`reconciler.preview.pulls.providers`.
Everything that a pull request says was written by somebody else, and nothing of it is believed but ids.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

PullState = Literal["open", "merged", "closed"]
StatusState = Literal["pending", "success", "failure"]

CONTEXT = "moorage/plan"
"""Name of our commit status, which branch protection can require."""


@dataclass(frozen=True)
class PullRequest:
    """One pull request (GitLab: merge request) as its provider tells it.

    ``head`` is the commit to be merged, ``head_ref`` the ref of the *base* repository under which the provider
    keeps it (``refs/pull/7/head``), empty where it keeps none. ``base`` is the commit of ``base_branch`` as the
    provider saw it last. ``fork`` is True where the head is of another repository. ``merge_commit`` is what
    the base branch holds since the merge, empty before. ``labels`` are sorted.
    """

    number: int
    state: PullState
    title: str
    author: str
    url: str
    head: str
    head_ref: str
    base: str
    base_branch: str
    fork: bool = False
    draft: bool = False
    labels: tuple[str, ...] = ()
    merge_commit: str = ""


@dataclass(frozen=True)
class CommitStatus:
    """What is said of a commit under the name :data:`CONTEXT`. ``description`` is cut to what the provider
    takes; ``url`` is where people read more, or empty."""

    state: StatusState
    description: str
    url: str = ""


@dataclass(frozen=True)
class Comment:
    """A comment of ours."""

    id: int
    text: str


class PullRequests(Protocol):
    """The pull requests of one repository at its provider.

    Every method may raise InputError ``ProviderDenied``, ``PullRequestNotFound`` or ``CredentialUnreadable``,
    WaitError ``RateLimited``, TransientError ``ProviderUnreachable``.
    """

    @property
    def longest(self) -> int:
        """Characters of the longest comment that the provider takes."""

    async def is_public(self) -> bool:
        """True where everybody may read the repository, and so its comments."""

    async def opened(self) -> tuple[PullRequest, ...]:
        """Every open pull request, by number."""

    async def pull_request(self, number: int) -> PullRequest:
        """One pull request, whatever its state."""

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """The comment that we wrote and that holds ``marker``, the oldest of several."""

    async def write_comment(self, number: int, text: str, comment: int | None = None) -> int:
        """Write a new comment, or replace the text of our own ``comment``; gives its id. A comment that is
        gone is written anew."""

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """Say this of ``commit`` under :data:`CONTEXT`, in place of what we said before."""

    async def set_label(self, number: int, label: str, *, present: bool) -> None:
        """Put ``label`` on the pull request, or take it away."""

    async def close(self) -> None:
        """Close connections."""

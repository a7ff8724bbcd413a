"""Which pull requests are previewed at all, and for which applications. Pure.

Planning a pull request executes nothing of it, but it takes time and writes a comment, and anybody may open
one from a fork. So somebody who may label it is asked first, unless the configuration says otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reconciler.config import ApplicationConfig
from reconciler.preview.pulls.pull_requests import PullRequest, StatusState
from reconciler.preview.pulls.settings import PreviewSettings


@dataclass(frozen=True)
class Refusal:
    """Why there is no preview: nothing more can be said of that pull request."""

    reason: str
    message: str

    @property
    def state(self) -> StatusState:
        """How the commit status tells it: somebody may still let it be previewed, it is none of our business, or
        it is wrong."""
        if self.reason in ("ForkNotPreviewed", "LabelMissing"):
            return "pending"
        return "success" if self == NOT_FOLLOWED else "failure"


NOT_FOLLOWED: Final = Refusal("BranchNotFollowed", "no application follows the branch that it is for")
"""Of a pull request that was previewed and is for another branch now."""


def refusal_of(pull: PullRequest, settings: PreviewSettings) -> Refusal | None:
    """Why there is no preview of ``pull``, or None."""
    if not pull.fork or settings.forks == "always":
        return None
    if settings.forks == "never":
        return Refusal("ForkNotPreviewed", "pull requests of forks are not previewed here")
    if settings.label in pull.labels:
        return None
    return Refusal("LabelMissing", f"a pull request of a fork needs the label {settings.label!r}")


def concerned(
    pull: PullRequest, applications: Iterable[ApplicationConfig], default: str | None
) -> tuple[ApplicationConfig, ...]:
    """Those of ``applications`` that follow the branch that the pull request is for; ``default`` is the commit
    of the repository's HEAD, None where it is not known."""
    branch = f"refs/heads/{pull.base_branch}"
    return tuple(
        each
        for each in applications
        if each.revision in (pull.base_branch, branch) or (each.revision == "HEAD" and default == pull.base)
    )

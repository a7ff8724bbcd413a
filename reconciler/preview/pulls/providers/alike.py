"""What all adapters do alike with the pull requests that they read and the statuses that they write."""

from collections.abc import Iterable
from typing import Final

from reconciler.observability.notifications import is_web
from reconciler.preview.pulls.pull_requests import CommitStatus, PullRequest

MOST: Final = 1_000
"""Open pull requests that are read."""


def in_order(pulls: Iterable[PullRequest]) -> tuple[PullRequest, ...]:
    """By number, each once: pages overlap where somebody opens one meanwhile."""
    return tuple(pull for _, pull in sorted({pull.number: pull for pull in pulls}.items()))


def address_field(name: str, status: CommitStatus) -> dict[str, str]:
    """The field ``name`` with where people read more; no field where that is no address of the web."""
    return {name: status.url} if is_web(status.url) else {}


def shortened(text: str, most: int) -> str:
    """At most that many characters, the last one a mark where any are left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"

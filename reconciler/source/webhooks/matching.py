"""Which applications a hint is for. In doubt it is for one more: a needless look costs little, a missed
one lasts until the next poll.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.source.urls import ANY_HOST, Location, location
from reconciler.source.webhooks.delivery import Hint

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Followed:
    """What an application follows, as it is configured."""

    application: str
    repository: str
    revision: str


def hinted(hints: Iterable[Hint], followed: Iterable[Followed]) -> tuple[str, ...]:
    """The applications that follow a ref that moved, sorted."""
    return _concerned((hint for hint in hints if not hint.pulls), followed)


def pulled(hints: Iterable[Hint], followed: Iterable[Followed]) -> tuple[str, ...]:
    """The applications for which a pull request may have come to mean something else, sorted: one of their
    repository changed, or the ref that they follow moved, into which it is to be merged."""
    return _concerned(hints, followed)


def _concerned(hints: Iterable[Hint], followed: Iterable[Followed]) -> tuple[str, ...]:
    hints = tuple(hints)
    return tuple(sorted({each.application for each in followed if any(_concerns(each, h) for h in hints)}))


def _concerns(followed: Followed, hint: Hint) -> bool:
    """A hint at pull requests names no ref, and so is for any."""
    here = location(followed.repository)
    return (
        here is not None
        and any(_same(here, there) for there in hint.repositories)
        and _moves(hint.refs, followed.revision)
    )


def _same(here: Location, there: Location) -> bool:
    return here.path == there.path and there.host in (here.host, ANY_HOST)


def _moves(refs: tuple[str, ...], revision: str) -> bool:
    """HEAD is any branch here, and a commit may just have come with any of them."""
    if not refs or revision == "HEAD" or _COMMIT.fullmatch(revision):
        return True
    return any(name in refs for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"))

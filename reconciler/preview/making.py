"""From what was read of a pull request, and the terms of each application now, to its preview. Pure.

The terms are the controller's own: what planning depends on, what keeps a sync back, where somebody pinned it.
"""

from collections.abc import Mapping
from typing import Protocol

from reconciler.control.gates import Gate
from reconciler.control.intent import Pin
from reconciler.planning.planner import Policy
from reconciler.preview.comparison import Commits, compare
from reconciler.preview.preview import Note, Preview
from reconciler.preview.reading import Comparison
from reconciler.preview.serving import Timeouts
from reconciler.preview.ways import Side
from runtime.state import LiveState
from schemas.codec import digest

Terms = tuple[Policy, Gate, Pin | None]
"""What planning an application depends on, what keeps it from being synced, where it is pinned."""


class World(Protocol):
    """What a preview is planned against: the controller."""

    async def live(self) -> LiveState:
        """What the runtime reports now."""

    def terms(self, name: str) -> Terms:
        """What planning an application depends on, what keeps it from being synced, where it is pinned."""

    def reconsider(self) -> None:
        """What pull requests showed has changed."""


def made_of(
    found: Comparison,
    head: str,
    live: LiveState,
    terms: Mapping[str, Terms],
    timeouts: Timeouts,
) -> Preview:
    """The preview of what was read, under the terms of each application."""
    sides = []
    for each in found.sides:
        policy, gate, pin = terms[each.application.name]
        sides.append(
            Side(
                each.base,
                each.head,
                policy,
                notes_of(gate, pin),
                depends_on=each.application.sync.depends_on,
            )
        )
    return compare(Commits(found.base, head, merged=True), sides, live, timeouts)


def notes_of(gate: Gate, pin: Pin | None) -> tuple[Note, ...]:
    """What keeps a merge from being synced by itself."""
    pinned = [] if pin is None else [Note("Pinned", f"stays at {pin.revision[:7]} until it is unpinned")]
    return (*pinned, *([Note(gate.reason, gate.message)] if gate.reason else []))


def planned_from(terms: Terms) -> list[str]:
    """What of the terms a preview depends on, for telling whether it has changed."""
    policy, gate, pin = terms
    return [digest(policy), gate.reason, pin.revision if pin is not None else ""]

"""A server replica's memory before and after, as one bar: lengths in bytes, and in cells of a line of text.

Pure. Whoever draws it chooses glyphs and colours; what each stretch means is said once, in :data:`MEANINGS`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reconciler.preview.preview import ReplicaChange

Kind = Literal["kept", "exchanged", "added", "over", "freed", "free", "spare"]

MEANINGS: Final[dict[Kind, str]] = {
    "kept": "used before and after",
    "exchanged": "freed and used again",
    "added": "added",
    "over": "used beyond capacity",
    "freed": "freed",
    "free": "free",
    "spare": "free by overcommit",
}
GLYPHS: Final[dict[Kind, str]] = {
    "kept": "#",
    "exchanged": "~",
    "added": "+",
    "over": "!",
    "freed": "-",
    "free": ".",
    "spare": ":",
}
"""ASCII, for wherever a line of text is all there is."""


@dataclass(frozen=True)
class Stretch:
    """A part of a bar, in bytes."""

    kind: Kind
    size: int


@dataclass(frozen=True)
class Bar:
    """A replica's memory from 0 to ``length`` bytes. ``capacity`` is what it has, ``limit`` what may be promised
    of it; more may be used than either."""

    stretches: tuple[Stretch, ...]
    capacity: int
    limit: int
    length: int


def bar(change: ReplicaChange) -> Bar:
    """The bar of one replica; of one that goes it has the memory that is given back."""
    room = change.after or change.before
    capacity, limit = (room.capacity, room.limit) if room is not None else (0, 0)
    before = change.before.used if change.before is not None else 0
    after = change.after.used if change.after is not None else 0
    came = min(after, sum(model.memory for model in change.comes))
    kept = min(before, after - came)
    used = (
        Stretch("kept", kept),
        Stretch("exchanged", min(before, after) - kept),
        Stretch("added", max(0, after - before)),
    )
    stretches = [
        *_within(used, capacity),
        Stretch("over", max(0, after - capacity)),
        Stretch("freed", max(0, before - after)),
        Stretch("free", max(0, capacity - max(before, after))),
        Stretch("spare", max(0, limit - max(capacity, before, after))),
    ]
    length = max(limit, capacity, before, after)
    return Bar(tuple(each for each in stretches if each.size), capacity, limit, length)


def _within(used: Sequence[Stretch], capacity: int) -> Iterator[Stretch]:
    """What of them lies within the capacity."""
    start = 0
    for each in used:
        yield Stretch(each.kind, max(0, min(start + each.size, capacity) - start))
        start += each.size


def cells(shown: Bar, width: int) -> tuple[tuple[Kind, int], ...]:
    """The bar in ``width`` cells, by size, but at least one for each of its stretches."""
    stretches = shown.stretches
    total = sum(each.size for each in stretches)
    if not total:
        return ()
    shares = [divmod(each.size * width, total) for each in stretches]
    given = [max(1, whole) for whole, _ in shares]
    by_rest = sorted(range(len(given)), key=lambda at: -shares[at][1])
    for place in by_rest[: max(0, width - sum(given))]:
        given[place] += 1
    while sum(given) > width:
        given[given.index(max(given))] -= 1
    return tuple((each.kind, count) for each, count in zip(stretches, given, strict=True))


def text_bar(shown: Bar, width: int) -> str:
    """``[######++++....]``."""
    return "[" + "".join(GLYPHS[kind] * count for kind, count in cells(shown, width)).ljust(width) + "]"


def legend(bars: Sequence[Bar]) -> str:
    """What the glyphs mean that occur in ``bars``, on one line."""
    found = {each.kind for shown in bars for each in shown.stretches}
    return "   ".join(f"{glyph} {MEANINGS[kind]}" for kind, glyph in GLYPHS.items() if kind in found)

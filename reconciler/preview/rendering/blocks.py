"""A text of bounded length made of blocks that are shown whole or not at all.

Pure. Where not everything fits, the blocks of the greatest rank go first, so what is worst stays; what frames
them (a table's head, a fence, a fold) is there as long as one of them is, and so is never left open.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Rank = tuple[int, ...]
Left = Mapping[str, int]
"""How many of what were left out, by noun."""


@dataclass(frozen=True)
class Block:
    """Something whole, with its line ends. The least ``rank`` is given up last; ``noun`` is what it counts as
    where it is left out, empty where nobody misses it."""

    text: str
    rank: Rank
    noun: str = ""


@dataclass(frozen=True)
class Group:
    """Blocks in their order, between two texts."""

    blocks: tuple[Block, ...]
    opening: str = ""
    closing: str = ""


def bounded(groups: Sequence[Group], longest: int, tell: Callable[[Left], str]) -> str:
    """The text of ``groups`` in at most ``longest`` characters; what is left out is told at its end. A count
    that grows must not make that shorter."""
    whole = "".join(_texts(groups, len(_ranked(groups))))
    if len(whole) <= longest:
        return whole
    blocks = [block for group in groups for block in group.blocks]
    kept = _fitting(groups, longest - len(tell(_counted(blocks))))
    left = _counted([groups[at].blocks[number] for at, number in _ranked(groups)[kept:]])
    text = "".join(_texts(groups, kept))
    return text + tell(left) if kept else ""


def _ranked(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """Places of all blocks, the last to be given up first."""
    places = [(at, number) for at, group in enumerate(groups) for number in range(len(group.blocks))]
    return sorted(places, key=lambda place: groups[place[0]].blocks[place[1]].rank)


def _fitting(groups: Sequence[Group], room: int) -> int:
    """How many of the first blocks by rank there is room for."""
    framed = set[int]()
    for kept, (at, number) in enumerate(_ranked(groups)):
        group = groups[at]
        room -= len(group.blocks[number].text)
        room -= 0 if at in framed else len(group.opening) + len(group.closing)
        framed.add(at)
        if room < 0:
            return kept
    return len(_ranked(groups))


def _texts(groups: Sequence[Group], kept: int) -> Iterator[str]:
    chosen = set(_ranked(groups)[:kept])
    for at, group in enumerate(groups):
        texts = [block.text for number, block in enumerate(group.blocks) if (at, number) in chosen]
        if texts:
            yield group.opening
            yield from texts
            yield group.closing


def _counted(blocks: Sequence[Block]) -> Left:
    return Counter(block.noun for block in blocks if block.noun)

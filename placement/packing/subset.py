"""Which of a few sizes fill a gap best: subset sum by depth-first search, cut off after some nodes."""

from collections.abc import Sequence

_NODES = 400


def fullest(sizes: Sequence[int], room: int) -> tuple[list[int], int]:
    """Positions of the subset with the largest sum up to ``room`` among those looked at, and how many
    nodes that took. Sizes are sorted, largest first; the first descent is the greedy one."""
    rest = [0] * (len(sizes) + 1)
    for position in range(len(sizes) - 1, -1, -1):
        rest[position] = rest[position + 1] + sizes[position]
    best, chosen, nodes = 0, [], 0
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    while stack and best < room and nodes < _NODES:
        position, total, taken = stack.pop()
        nodes += 1
        if total > best:
            best, chosen = total, list(taken)
        if position < len(sizes) and total + rest[position] > best:
            stack.append((position + 1, total, taken))
            if total + sizes[position] <= room:
                stack.append((position + 1, total + sizes[position], (*taken, position)))
    return chosen, nodes

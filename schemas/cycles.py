"""Cycles in a directed graph of names, for pipelines and between them."""

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from schemas.finding import shown

# Enough to act on; each further one costs a pass over the graph.
MOST_REPORTED = 10
_MOST_SHOWN = 8


def cycles(graph: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """Disjoint cycles among ``graph`` (name → what it needs), each from its smallest name on in the
    direction of the needs; at most :data:`MOST_REPORTED`, sorted. Targets without an entry are ignored."""
    rest = {name: sorted({need for need in needs if need in graph}) for name, needs in sorted(graph.items())}
    found: list[tuple[str, ...]] = []
    while len(found) < MOST_REPORTED:
        cycle = _first_cycle(rest)
        if cycle is None:
            break
        found.append(cycle)
        gone = set(cycle)
        rest = {
            name: [need for need in needs if need not in gone]
            for name, needs in rest.items()
            if name not in gone
        }
    return tuple(sorted(found))


def shown_cycle(cycle: Sequence[str]) -> str:
    """``a → b → a``; a long one is cut."""
    names = [shown(name) for name in cycle[:_MOST_SHOWN]]
    return " → ".join((*names, "…" if len(cycle) > _MOST_SHOWN else names[0]))


def _first_cycle(graph: Mapping[str, Collection[str]]) -> tuple[str, ...] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # The list closes on its first member, and each entry is needed by the next one.
        members: list[str] = list(reversed(error.args[1][:-1]))
        start = members.index(min(members))
        return (*members[start:], *members[:start])
    return None

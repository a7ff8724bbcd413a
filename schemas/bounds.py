"""Bounds on what a file may cost: its size, its depth, and what its aliases expand to.

A file is hostile input. Depth is measured before anything recurses, expansion before anything is
built.
"""

import re
from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from schemas.nodes import Composer, Fault, place_of

MAX_FILE_BYTES = 4 * 2**20
MAX_DOCUMENT_CHARACTERS = 2**20
MAX_DOCUMENTS = 20_000
MAX_DEPTH = 64
MAX_EXPANDED_NODES = 100_000

# A line that opens many block collections at once, or many brackets in one file: the only ways to
# nest deeply, because a block collection inside another one stands further to the right.
_DEEP_LINE = re.compile(rf"^[ \-?:\t]{{{MAX_DEPTH},}}", re.MULTILINE)


def depth_fault(text: str) -> Fault | None:
    """A fault where anything nests deeper than :data:`MAX_DEPTH`, found without recursion.

    Composing recurses, so this comes first; the count is exact only where the text may be deep at
    all, which keeps ordinary files cheap. What is not looked at nests at most three times as deep.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH and not _DEEP_LINE.search(text):
        return None
    composer = Composer(text)
    depth = 0
    try:
        while composer.check_event():
            event = composer.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    return Fault("DocumentTooDeep", place_of(event), f"nested deeper than {MAX_DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return None  # composing finds the same mistake and reports it with what was read before it
    finally:
        composer.dispose()
    return None


def expansion_fault(root: Node) -> Fault | None:
    """A fault where aliases contain themselves, or expand to too much or too deep."""
    measures: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()

    def measure(node: Node) -> tuple[int, int]:
        """Nodes and levels below ``node``. An alias stands behind its anchor, so it is known already."""
        if id(node) in measures:
            return measures[id(node)]
        if id(node) in open_nodes:
            raise _Expansion(node, "an alias stands inside what it names")
        open_nodes.add(id(node))
        parts = [measure(child) for child in _children(node)]
        size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if size > MAX_EXPANDED_NODES or depth > MAX_DEPTH + 1:
            raise _Expansion(
                node, f"aliases expand to more than {MAX_EXPANDED_NODES} values or {MAX_DEPTH} levels"
            )
        open_nodes.discard(id(node))
        measures[id(node)] = size, depth
        return size, depth

    try:
        measure(root)
    except _Expansion as found:
        return Fault("AliasExpansion", place_of(found.node), str(found), "write the values out")
    return None


class _Expansion(Exception):  # noqa: N818 (never leaves this module; its message becomes a Fault)
    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for name, item in node.value:
            yield name
            yield item
    elif isinstance(node, SequenceNode):
        yield from node.value

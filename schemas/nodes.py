"""YAML nodes to plain JSON values, and where each of them stands.

libyaml composes the nodes, which keep their places. Only the core tags are known and the names of
an object are unique; whatever is not is a :class:`Fault`, and the value is built without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from schemas.finding import MOST_PER_DOCUMENT, Path, Place, shown
from schemas.scalars import SUSPECTS, plain_scalar

STR = "tag:yaml.org,2002:str"
SEQ = "tag:yaml.org,2002:seq"
MAP = "tag:yaml.org,2002:map"
# Our own tags for scalars that are neither quoted nor tagged.
PLAIN = "plain"
MERGE = "merge"
_CORE_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}


@dataclass(frozen=True)
class Fault:
    """Something in the YAML itself that is wrong. ``path`` is where it stands inside its document."""

    code: str
    place: Place
    message: str
    hint: str = ""
    path: Path = ()


class Composer(yaml.CSafeLoader):
    """libyaml's nodes, with plain scalars marked instead of resolved; constructs nothing."""

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        """The tag of a node that has none of its own; called by libyaml's binding."""
        if kind is ScalarNode:
            if not implicit[0] or (value and value[0] not in SUSPECTS and value[0] != "<"):
                return STR
            return MERGE if value == "<<" else PLAIN
        return SEQ if kind is SequenceNode else MAP


@dataclass
class Build:
    """Nodes to values; ``faults`` collects what had to be left out on the way."""

    faults: list[Fault] = field(default_factory=list)

    def value(self, node: Node, path: Path) -> Any:
        """The JSON value of ``node``, which stands at ``path``; None in place of what is at fault."""
        tag = node.tag
        if tag == STR:
            return node.value
        if tag == PLAIN:
            return self._plain(node, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._tagged_scalar(node, path)

    def _plain(self, node: Node, path: Path) -> Any:
        value = plain_scalar(node.value)
        if type(value) is float and not -1e308 <= value <= 1e308:
            self._fault(
                "UnsupportedValue", node, path, f"{shown(node.value)} has no form in JSON", "quote it"
            )
            return None
        return value

    def _tagged_scalar(self, node: Node, path: Path) -> Any:
        if node.tag == MERGE:
            return node.value
        if node.tag not in _CORE_SCALARS:
            self._fault("CustomTag", node, path, f"tag {shown(node.tag)} is not known", "remove the tag")
            return None
        return self._plain(node, path)

    def _sequence(self, node: Node, path: Path) -> list[Any]:
        self._refuse_tag(node, path, SEQ)
        return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        self._refuse_tag(node, path, MAP)
        values: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for name_node, item in node.value:
            if name_node.tag == MERGE:
                merged.extend(self._merged(item, path))
                continue
            name = field_name(name_node)
            if name is None:
                message = "the name of a field must be a string"
                self._fault("UnsupportedValue", name_node, path, message, "quote it")
                continue
            if name in values:
                self._repeated(node, name_node, (*path, name))
                continue
            values[name] = self.value(item, (*path, name))
        for other in merged:
            values = {**other, **values}
        return values

    def _repeated(self, node: Node, name_node: Node, path: Path) -> None:
        known = step_into(node, path[-1]) if len(self.faults) < MOST_PER_DOCUMENT else None
        line = place_of(known[0])[0] if known and known[0] else 0
        message = f"field {shown(str(path[-1]))} is already set on line {line}"
        self._fault("DuplicateField", name_node, path, message, "keep one of the two")

    def _merged(self, node: Node, path: Path) -> Iterator[dict[str, Any]]:
        """What ``<<`` takes in: one object or a list of them, the first one wins."""
        for part in node.value if isinstance(node, SequenceNode) else [node]:
            if isinstance(part, MappingNode):
                yield self._mapping(part, path)
            else:
                self._fault(
                    "UnsupportedValue", part, path, "<< merges objects only", "name an anchored object"
                )

    def _refuse_tag(self, node: Node, path: Path, expected: str) -> None:
        if node.tag != expected:
            self._fault("CustomTag", node, path, f"tag {shown(node.tag)} is not known", "remove the tag")

    def _fault(self, code: str, node: Node, path: Path, message: str, hint: str) -> None:
        if len(self.faults) < MOST_PER_DOCUMENT:
            self.faults.append(Fault(code, place_of(node), message, hint, path))
        elif self.faults[-1].code != "TooManyProblems":
            message = f"only the first {MOST_PER_DOCUMENT} problems are listed"
            self.faults.append(Fault("TooManyProblems", place_of(node), message))


def field_name(node: Node) -> str | None:
    """The name that ``node`` gives a field, None where it cannot. Names become strings as JSON needs
    it: ``1:`` is ``"1"``, ``on:`` is ``"true"``."""
    value = node.value if node.tag == STR else plain_scalar(node.value) if node.tag == PLAIN else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, str | int) else None


def step_into(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """The (name, value) nodes of one step into ``node``; list items have no name."""
    if isinstance(node, MappingNode):
        return next(((name, item) for name, item in node.value if field_name(name) == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def place_of(part: Node | yaml.Event) -> Place:
    """Line and column, from 1, where a node or an event starts."""
    mark = part.start_mark
    assert mark is not None  # libyaml sets it
    return mark.line + 1, mark.column + 1

"""Bytes to YAML documents that know where everything stands, within bounds.

A file is hostile input: its size, the number and size of its documents, their depth and what
aliases expand to are bounded; only the core tags are known and keys must be unique. Whatever is
wrong is a :class:`Fault` with a place; the documents beside it are still read. It stops at plain
JSON values: what they mean is decided in :mod:`schemas.identity` and :mod:`schemas.check`.

One parser serves for accepting and for explaining: libyaml composes nodes, which keep their places,
and the values are built from the nodes. Measured, that costs less than PyYAML's own C loader on the
same bytes, so there is no second, faster parser whose judgement would have to be proved equal.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from schemas.scalars import SUSPECTS, plain_scalar

MAX_FILE_BYTES = 4 * 2**20
MAX_DOCUMENT_CHARACTERS = 2**20
MAX_DOCUMENTS = 20_000
MAX_DEPTH = 64
MAX_EXPANDED_NODES = 100_000

Path = tuple[str | int, ...]
Place = tuple[int, int]

_STR = "tag:yaml.org,2002:str"
_PLAIN = "plain"
_MERGE = "merge"
_CORE_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_START = (1, 1)
# A line that opens many block collections at once, or many brackets in one file: the only ways to
# nest deeply, because a block collection inside another one stands further to the right.
_DEEP_LINE = re.compile(rf"^[ \-?:\t]{{{MAX_DEPTH},}}", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """Something in the YAML itself that is wrong. ``path`` is where it stands inside its document."""

    code: str
    place: Place
    message: str
    hint: str = ""
    path: Path = ()


@dataclass(frozen=True)
class Document:
    """One document: its JSON value, and its nodes for finding places in it."""

    value: Any
    node: Node
    faults: tuple[Fault, ...] = ()

    @property
    def place(self) -> Place:
        """Line and column of its first token."""
        return _place(self.node)

    def find(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Where the value at ``path`` stands (or its key), or the nearest object around it."""
        node, place = self.node, self.place
        for step in path:
            inner = _step(node, step)
            if inner is None:
                return place
            name, node = inner
            place = _place(name if key and name is not None else node)
        return place

    def text(self, path: Sequence[str | int]) -> str | None:
        """What is written at ``path`` where that is a scalar."""
        node = self.node
        for step in path:
            inner = _step(node, step)
            if inner is None:
                return None
            node = inner[1]
        return str(node.value) if isinstance(node, ScalarNode) else None


@dataclass(frozen=True)
class Parsed:
    """What one file holds. ``faults`` belong to no document: what follows them could not be read."""

    documents: tuple[Document, ...]
    faults: tuple[Fault, ...] = ()


def parse(data: bytes, *, json: bool = False) -> Parsed:
    """All documents of a YAML file (or a ``json`` one) up to the first fault of the file itself.

    Empty documents are left out. Never raises for any bytes.
    """
    fault = _refusal(data)
    if fault is not None:
        return Parsed((), (fault,))
    text = data.decode().removeprefix("\ufeff")
    if json:  # where a tab is a blank, and cannot stand in a string; YAML refuses it before a token
        text = text.replace("\t", " ")
    fault = _depth_fault(text)
    if fault is not None:
        return Parsed((), (fault,))
    return _compose(text)


def _refusal(data: bytes) -> Fault | None:
    if len(data) > MAX_FILE_BYTES:
        message = f"the file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read"
        return Fault("FileTooLarge", _START, message, "split it into several files")
    try:
        codecs.decode(data, "utf-8")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode()
        line = good.count("\n") + 1
        column = len(good) - (good.rfind("\n") + 1) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        return Fault("NotUtf8", (line, column), message, "save the file as UTF-8")
    return None


class _Composer(yaml.CSafeLoader):
    """libyaml's nodes, with plain scalars marked instead of resolved; constructs nothing."""

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            if not implicit[0] or (value and value[0] not in SUSPECTS and value[0] != "<"):
                return _STR
            return _MERGE if value == "<<" else _PLAIN
        return "tag:yaml.org,2002:seq" if kind is SequenceNode else "tag:yaml.org,2002:map"


def _compose(text: str) -> Parsed:
    composer = _Composer(text)
    documents: list[Document] = []
    try:
        while composer.check_node():
            if len(documents) == MAX_DOCUMENTS:
                message = f"more than {MAX_DOCUMENTS} documents in one file"
                return Parsed(tuple(documents), (Fault("TooManyDocuments", _START, message, "split it"),))
            node = composer.get_node()
            if node is not None and not (node.tag == _PLAIN and node.value == ""):
                documents.append(_document(node, aliases="*" in text))
    except yaml.YAMLError as error:
        return Parsed(tuple(documents), (_syntax_fault(error, text),))
    finally:
        composer.dispose()
    return Parsed(tuple(documents))


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    hint = "the rest of the file was not read"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else _START
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return Fault("YamlSyntax", place, _shown(what, 200), hint)
    before = text.encode()[: getattr(error, "position", 0)].decode(errors="ignore")
    place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return Fault("YamlSyntax", place, "a character that YAML does not allow", hint)


def _depth_fault(text: str) -> Fault | None:
    """A fault where anything nests deeper than :data:`MAX_DEPTH`, found without recursion.

    Composing recurses, so this comes first; the count is exact only where the text may be deep at
    all, which keeps ordinary files cheap. What is not looked at nests at most three times as deep.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH and not _DEEP_LINE.search(text):
        return None
    composer = _Composer(text)
    depth = 0
    try:
        while composer.check_event():
            event = composer.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    place = (event.start_mark.line + 1, event.start_mark.column + 1)
                    return Fault("DocumentTooDeep", place, f"nested deeper than {MAX_DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return None  # composing finds the same mistake and reports it with what was read before it
    finally:
        composer.dispose()
    return None


def _expansion_fault(root: Node) -> Fault | None:
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
        return Fault("AliasExpansion", _place(found.node), str(found), "write the values out")
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


def _document(node: Node, *, aliases: bool) -> Document:
    start, end = node.start_mark, node.end_mark
    assert start is not None  # a composed node has both
    assert end is not None
    size = end.index - start.index
    if size > MAX_DOCUMENT_CHARACTERS:
        message = f"the document has {size} characters, at most {MAX_DOCUMENT_CHARACTERS} are read"
        return Document(None, node, (Fault("DocumentTooLarge", _place(node), message),))
    if aliases:
        fault = _expansion_fault(node)
        if fault is not None:
            return Document(None, node, (fault,))
    build = _Build()
    value = build.value(node, ())
    return Document(value, node, tuple(build.faults))


@dataclass
class _Build:
    """Nodes to values; ``faults`` collects what had to be left out on the way."""

    faults: list[Fault] = field(default_factory=list)

    def value(self, node: Node, path: Path) -> Any:
        tag = node.tag
        if tag == _STR:
            return node.value
        if tag == _PLAIN:
            return self._plain(node, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._tagged_scalar(node, path)

    def _plain(self, node: Node, path: Path) -> Any:
        value = plain_scalar(node.value)
        if type(value) is float and not -1e308 <= value <= 1e308:
            self._fault("UnsupportedValue", node, path, f"{node.value} has no form in JSON", "quote it")
            return None
        return value

    def _tagged_scalar(self, node: Node, path: Path) -> Any:
        if node.tag == _MERGE:
            return node.value
        if node.tag not in _CORE_SCALARS:
            self._fault("CustomTag", node, path, f"tag {_shown(node.tag)} is not known", "remove the tag")
            return None
        return self._plain(node, path)

    def _sequence(self, node: Node, path: Path) -> list[Any]:
        self._refuse_tag(node, path, "tag:yaml.org,2002:seq")
        return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        self._refuse_tag(node, path, "tag:yaml.org,2002:map")
        values: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for name_node, item in node.value:
            if name_node.tag == _MERGE:
                merged.extend(self._merged(item, path))
                continue
            name = name_node.value if name_node.tag == _STR else self._name(name_node, path)
            if name is None:
                continue
            if name in values:
                first = _step(node, name)
                line = _place(first[0])[0] if first and first[0] else 0
                message = f"field {_shown(name)!r} is already set on line {line}"
                self._fault("DuplicateField", name_node, (*path, name), message, "keep one of the two")
                continue
            values[name] = self.value(item, (*path, name))
        for other in merged:
            values = {**other, **values}
        return values

    def _name(self, node: Node, path: Path) -> str | None:
        """Names become strings as JSON needs it: ``1:`` is ``"1"``, ``on:`` is ``"true"``."""
        value = plain_scalar(node.value) if node.tag == _PLAIN else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int):
            return str(value)
        if isinstance(value, float):
            return repr(value)
        self._fault("UnsupportedValue", node, path, "the name of a field must be a string", "quote it")
        return None

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
            self._fault("CustomTag", node, path, f"tag {_shown(node.tag)} is not known", "remove the tag")

    def _fault(self, code: str, node: Node, path: Path, message: str, hint: str) -> None:
        self.faults.append(Fault(code, _place(node), message, hint, path))


def _step(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """The (name, value) nodes of one step into ``node``; list items have no name."""
    if isinstance(node, MappingNode):
        return next(((name, item) for name, item in node.value if name.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _place(node: Node) -> Place:
    mark = node.start_mark
    assert mark is not None  # a composed node has one
    return mark.line + 1, mark.column + 1


def _shown(text: str, longest: int = 64) -> str:
    return text if len(text) <= longest else text[:longest] + "…"

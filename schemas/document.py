"""Bytes to YAML documents that know where everything stands, within bounds.

Whatever is wrong is a :class:`~schemas.nodes.Fault` with a place; the documents beside it are still
read. It stops at plain JSON values: what they mean is decided in :mod:`schemas.identity` and
:mod:`schemas.check`.

One parser serves for accepting and for explaining: libyaml composes nodes, which keep their places,
and the values are built from the nodes. Measured, that costs less than PyYAML's own C loader on the
same bytes, so there is no second, faster parser whose judgement would have to be proved equal.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from json import loads
from typing import Any

import yaml
from yaml.nodes import Node, ScalarNode

from schemas.bounds import (
    MAX_DOCUMENT_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_FILE_BYTES,
    depth_fault,
    expansion_fault,
)
from schemas.finding import Place, shown
from schemas.nodes import PLAIN, Build, Composer, Fault, place_of, step_into

_START = (1, 1)
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


@dataclass(frozen=True)
class Document:
    """One document: its JSON value, and its nodes for finding places in it."""

    value: Any
    node: Node
    faults: tuple[Fault, ...] = ()

    @property
    def place(self) -> Place:
        """Line and column of its first token."""
        return place_of(self.node)

    def find(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Where the value at ``path`` stands (or its key), or the nearest object around it."""
        node, place = self.node, self.place
        for step in path:
            inner = step_into(node, step)
            if inner is None:
                return place
            name, node = inner
            place = place_of(name if key and name is not None else node)
        return place

    def text(self, path: Sequence[str | int]) -> str | None:
        """What is written at ``path`` where that is a scalar."""
        node = self.node
        for step in path:
            inner = step_into(node, step)
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
    if json:
        text = _json_as_yaml(text)
    fault = depth_fault(text)
    if fault is not None:
        return Parsed((), (fault,))
    return _compose(text)


def _json_as_yaml(text: str) -> str:
    """Where JSON is no YAML 1.1: a tab is a blank (it cannot stand in a string), and a character beyond
    the basic plane may be written as two escapes. Lines stay, columns behind such escapes move."""
    return _SURROGATES.sub(lambda pair: str(loads(f'"{pair[0]}"')), text.replace("\t", " "))


def _refusal(data: bytes) -> Fault | None:
    if len(data) > MAX_FILE_BYTES:
        message = f"the file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read"
        return Fault("FileTooLarge", _START, message, "split it into several files")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        good = data[: error.start].decode()
        line = good.count("\n") + 1
        column = len(good) - (good.rfind("\n") + 1) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        return Fault("NotUtf8", (line, column), message, "save the file as UTF-8")
    return None


def _compose(text: str) -> Parsed:
    composer = Composer(text)
    documents: list[Document] = []
    try:
        while composer.check_node():
            if len(documents) == MAX_DOCUMENTS:
                message = f"more than {MAX_DOCUMENTS} documents in one file"
                return Parsed(tuple(documents), (Fault("TooManyDocuments", _START, message, "split it"),))
            node = composer.get_node()
            if node is not None and not (node.tag == PLAIN and node.value == ""):
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
        return Fault("YamlSyntax", place, shown(what, 200), hint)
    before = text.encode()[: getattr(error, "position", 0)].decode(errors="ignore")
    place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return Fault("YamlSyntax", place, "a character that YAML does not allow", hint)


def _document(node: Node, *, aliases: bool) -> Document:
    start, end = node.start_mark, node.end_mark
    assert start is not None  # a composed node has both
    assert end is not None
    size = end.index - start.index
    if size > MAX_DOCUMENT_CHARACTERS:
        message = f"the document has {size} characters, at most {MAX_DOCUMENT_CHARACTERS} are read"
        return Document(None, node, (Fault("DocumentTooLarge", place_of(node), message),))
    if aliases:
        fault = expansion_fault(node)
        if fault is not None:
            return Document(None, node, (fault,))
    build = Build()
    value = build.value(node, ())
    return Document(value, node, tuple(build.faults))

"""What a document says it is, and whether that makes it ours.

A document of another API group is skipped. What is meant for us but cannot be taken as it stands (a
misspelt group, an unknown kind, a list) is a finding: silence would prune what it stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Literal

from schemas.document import Document
from schemas.finding import Finding, did_you_mean, shown
from schemas.resource import API_VERSION, GROUP, KINDS, ResourceKey, key

# ours: to be checked; skipped: none of our business; rejected: meant for us, identity known;
# unreadable: meant for us or unclear, identity unknown
Standing = Literal["ours", "skipped", "rejected", "unreadable"]

_ALIKE = 0.85
_IDENTIFYING = frozenset(
    {
        (),
        ("apiVersion",),
        ("kind",),
        ("metadata",),
        ("metadata", "name"),
        ("metadata", "namespace"),
    }
)


@dataclass(frozen=True)
class Identity:
    """What could be read of apiVersion, kind, namespace and name; empty where it could not."""

    standing: Standing
    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def key(self) -> ResourceKey | None:
        """The resource that is meant, where that is known."""
        return key(self.kind, self.namespace, self.name) if self.kind in KINDS and self.name else None


def identify(document: Document, namespace: str) -> Identity:
    """The identity of ``document``; one without a namespace of its own is in ``namespace``."""
    value = document.value
    if any(fault.path in _IDENTIFYING for fault in document.faults):
        return Identity("unreadable")
    if not isinstance(value, dict):
        return _without_object(value)
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    said = Identity(
        "ours",
        api_version=_text(value.get("apiVersion")),
        kind=_text(value.get("kind")),
        # What is written stands for itself even where it is no string: the schema says so elsewhere.
        namespace=_written(document, metadata, "namespace") or namespace,
        name=_written(document, metadata, "name"),
    )
    return _judged(said, value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _written(document: Document, metadata: Mapping[str, Any], field: str) -> str:
    value = metadata.get(field)
    if value is None or isinstance(value, str):
        return value or ""
    return document.text(("metadata", field)) or ""


def _judged(said: Identity, value: Mapping[str, Any]) -> Identity:
    if said.api_version == API_VERSION:
        return _judged_kind(said)
    group, _, _ = said.api_version.partition("/")
    if group == GROUP:
        message = f"{shown(said.api_version)} is not a version that is known"
        return _with(
            said, _known(said), Finding("UnknownVersion", ("apiVersion",), message, f"use {API_VERSION}")
        )
    if not said.api_version and said.kind in KINDS:
        finding = Finding("MissingApiVersion", ("apiVersion",), "apiVersion is missing", f"use {API_VERSION}")
        return _with(said, _known(said), finding)
    if said.kind in KINDS and _is_alike(group):
        message = f"{shown(group)} is another group, so this {said.kind} is not taken"
        return _with(
            said, "skipped", Finding("SimilarGroup", ("apiVersion",), message, f"did you mean {API_VERSION}?")
        )
    if said.kind.endswith("List") and _holds_ours(value.get("items")):
        return _with(said, "unreadable", _list_finding(("items",)))
    return _with(said, "skipped")


def _is_alike(group: str) -> bool:
    return len(group) < 2 * len(GROUP) and SequenceMatcher(None, group, GROUP).ratio() >= _ALIKE


def _judged_kind(said: Identity) -> Identity:
    if not said.kind:
        return _with(
            said, "unreadable", Finding("MissingKind", ("kind",), "kind is missing", f"one of {_KINDS}")
        )
    if said.kind.endswith("List"):
        return _with(said, "unreadable", _list_finding(("kind",)))
    if not said.name:
        finding = Finding("MissingName", ("metadata", "name"), "metadata.name is missing")
        return _with(said, "unreadable", finding)
    if said.kind not in KINDS:
        hint = did_you_mean(said.kind, list(KINDS)) or f"one of {_KINDS}"
        finding = Finding("UnknownKind", ("kind",), f"{shown(said.kind)} is not a kind of {GROUP}", hint)
        return _with(said, "skipped", finding)
    return said


_KINDS = ", ".join(KINDS)


def _known(said: Identity) -> Standing:
    return "rejected" if said.key is not None else "unreadable"


def _with(said: Identity, standing: Standing, *findings: Finding) -> Identity:
    return replace(said, standing=standing, findings=findings)


def _without_object(value: Any) -> Identity:
    if isinstance(value, list) and _holds_ours(value):
        return Identity("unreadable", findings=(_list_finding(()),))
    if isinstance(value, str) and GROUP in value:
        hint = "check the blanks after the colons"
        return Identity(
            "unreadable", findings=(Finding("NotAManifest", (), "this is text, not an object", hint),)
        )
    return Identity("skipped")


def _list_finding(path: tuple[str, ...]) -> Finding:
    return Finding("ListNotSupported", path, "lists of resources are not read", "separate resources by ---")


def _holds_ours(items: Any) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, dict) and _text(item.get("apiVersion")).startswith(GROUP) for item in items
    )

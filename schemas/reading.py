"""One file of a source: its resources, and everything that is wrong with them.

A document that nothing is wrong with is accepted at once; any other one is looked at closely, so
that all its problems are told. One bad document makes itself invalid and nothing else.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from schemas.check import accepts, explain
from schemas.decode import decode_spec
from schemas.document import Document, parse
from schemas.finding import SEVERITIES, Finding, Path, Place, first, shown, shown_path
from schemas.identity import Identity, identify
from schemas.mentions import Mention, dependency_mentions, mentions
from schemas.names import LONGEST_NAME
from schemas.nodes import Fault
from schemas.problem import Problem, in_order
from schemas.resource import API_VERSION, KINDS, Origin, Resource, ResourceKey, key
from schemas.semantics import findings

Source = Literal["git", "configuration", "cluster", "manual"]


@dataclass(frozen=True)
class SkippedDocument:
    """A document that was not taken as a resource although it says a kind or a name.

    Most are of other API groups. A misspelt group and an unknown kind of ours stand here as well,
    each with a problem of its own: what is owned and bears this name must not be pruned for it.
    """

    file: str
    line: int
    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class InvalidDocument:
    """A document whose identity is known, but which cannot be applied as it stands."""

    key: ResourceKey
    origin: Origin


@dataclass(frozen=True)
class FileReading:
    """What one file holds. Depends on nothing but the arguments of :func:`read_file`.

    ``unreadable``: some document could not be read as far as its kind and name, so nothing may be
    pruned. ``documents`` counts all that were read, skipped ones included.
    """

    file: str
    documents: int = 0
    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[SkippedDocument, ...] = ()
    invalid_documents: tuple[InvalidDocument, ...] = ()
    mentions: tuple[Mention, ...] = ()
    unreadable: bool = False

    @property
    def invalid(self) -> tuple[ResourceKey, ...]:
        """Resources that are named here but wrong: they must not be pruned."""
        return tuple(document.key for document in self.invalid_documents)


def read_file(file: str, data: bytes, namespace: str, source: Source = "git") -> FileReading:
    """Read ``data``, the content of ``file``; resources without a namespace are in ``namespace``.

    Pure, and never raises for any bytes: whatever is wrong is a problem in the result.
    """
    parsed = parse(data, json=file.endswith(".json"))
    reader = _Reader(file, namespace, source)
    for document in parsed.documents:
        reader.take(document)
    for fault in parsed.faults:
        reader.report_fault(fault)
        reader.unreadable = True
    return FileReading(
        file=file,
        documents=len(parsed.documents),
        resources=tuple(reader.resources),
        problems=in_order(reader.problems) if reader.problems else (),
        skipped=tuple(reader.skipped),
        invalid_documents=tuple(reader.invalid),
        mentions=tuple(reader.mentions),
        unreadable=reader.unreadable,
    )


@dataclass
class _Reader:
    """Collects what the documents of one file turn out to be."""

    file: str
    namespace: str
    source: Source
    resources: list[Resource] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: list[SkippedDocument] = field(default_factory=list)
    invalid: list[InvalidDocument] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    unreadable: bool = False

    def take(self, document: Document) -> None:
        """One document: accepted at once where nothing is wrong, else looked at closely."""
        value = document.value
        if not document.faults and type(value) is dict and value.get("apiVersion") == API_VERSION:
            kind = value.get("kind")
            if kind in KINDS and accepts(kind, value):
                metadata = value["metadata"]
                identity = key(kind, metadata.get("namespace") or self.namespace, metadata["name"])
                self._take_valid(document, identity, value)
                return
        self._take_doubtful(document)

    def _take_doubtful(self, document: Document) -> None:
        identity = identify(document, self.namespace)
        for finding in identity.findings:
            self._report(document, identity, finding)
        if identity.standing == "skipped":
            if identity.kind or identity.name:
                self.skipped.append(self._skipped(document, identity))
            return
        for fault in document.faults:
            self.report_fault(fault, identity)
        if identity.standing == "unreadable" or identity.key is None:
            self.unreadable = True
        elif identity.standing == "rejected":
            self._reject(document, identity.key)
        else:
            self._explain(document, identity, identity.key)

    def _explain(self, document: Document, identity: Identity, resource: ResourceKey) -> None:
        explanation = explain(identity.kind, document.value)
        reported: set[Path] = {fault.path for fault in document.faults}
        broken = bool(reported)
        for finding in explanation.findings:
            if finding.path not in reported:  # what is at fault already counts as null from here on
                self._report(document, identity, finding)
                broken = broken or finding.severity == "error"
        reported.update(finding.path for finding in explanation.findings)
        if explanation.usable is None:
            self._reject(document, resource)
        else:
            self._take_valid(document, resource, explanation.usable, broken=broken, reported=reported)

    def _take_valid(
        self,
        document: Document,
        resource: ResourceKey,
        value: dict[str, Any],
        *,
        broken: bool = False,
        reported: Collection[Path] = (),
    ) -> None:
        """Decode and check the meaning. A ``broken`` document is only checked; paths that something
        is ``reported`` about are left alone."""
        found: list[Finding] = []
        try:
            spec = decode_spec(resource.kind, value["spec"])
        except ValueError as error:
            found.append(Finding("InvalidMemory", ("spec", "memory"), str(error)))
            spec = decode_spec(resource.kind, {**value["spec"], "memory": 0})
        metadata = value["metadata"]
        annotations = metadata.get("annotations", {})
        for finding in first(chain(found, findings(resource, spec, annotations))):
            if finding.path not in reported:
                self._report(document, resource, finding)
                broken = broken or finding.severity == "error"
        if broken:
            self._reject(document, resource)
            return
        origin = self._origin(document)
        self.resources.append(Resource(resource, spec, origin, metadata.get("labels", {}), annotations))
        self.mentions.extend(mentions(resource, spec, document.find))
        self.mentions.extend(dependency_mentions(resource, annotations, document.find))

    def _reject(self, document: Document, resource: ResourceKey) -> None:
        self.invalid.append(InvalidDocument(resource, self._origin(document)))

    def _origin(self, document: Document) -> Origin:
        line, column = document.place
        return Origin(self.source, self.file, line, column)

    def _skipped(self, document: Document, said: Identity) -> SkippedDocument:
        return SkippedDocument(
            self.file, document.place[0], said.api_version, said.kind, said.namespace, said.name
        )

    def report_fault(self, fault: Fault, about: Identity | None = None) -> None:
        finding = Finding(fault.code, fault.path, fault.message, fault.hint)
        self.problems.append(located(self.file, fault.place, about, finding))

    def _report(self, document: Document, about: Identity | ResourceKey, finding: Finding) -> None:
        place = document.find(finding.path, key=finding.at_key)
        self.problems.append(located(self.file, place, about, finding))


def located(file: str, place: Place, about: Identity | ResourceKey | None, finding: Finding) -> Problem:
    """``finding`` as a problem at ``place`` of ``file``."""
    return Problem(
        severity=SEVERITIES[finding.code],
        code=finding.code,
        file=file,
        line=place[0],
        column=place[1],
        kind=shown(about.kind) if about else "",
        namespace=shown(about.namespace, LONGEST_NAME) if about else "",
        name=shown(about.name, LONGEST_NAME) if about else "",
        path=shown_path(finding.path),
        message=finding.message,
        hint=finding.hint,
    )

"""From the files of a source to its resources and everything that is wrong with them.

:func:`read_file` looks at one file by itself, so its result can be kept for as long as the file does
not change; :func:`combine` joins the readings and looks at what only shows between resources. One
bad document makes itself invalid and nothing else. Which files are read is the caller's choice.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from schemas.check import accepts, explain
from schemas.decode import decode_spec
from schemas.document import Document, parse
from schemas.finding import SEVERITIES, Finding, Place, first, shown, shown_path
from schemas.identity import Identity, identify
from schemas.mentions import Mention, mentions
from schemas.names import LONGEST_NAME
from schemas.nodes import Fault
from schemas.problem import Problem, in_order
from schemas.relations import Neighbours, Relation, relations
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


@dataclass(frozen=True)
class Loaded:
    """What a source holds. Resources and ``invalid`` are sorted by identity, ``skipped`` and problems
    by place. A key in ``invalid`` is never among the resources."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[SkippedDocument, ...] = ()
    invalid: tuple[ResourceKey, ...] = ()
    unreadable: bool = False
    documents: int = 0


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
        for finding in explanation.findings:
            self._report(document, identity, finding)
        wrong = {finding.path for finding in explanation.findings}
        broken = bool(document.faults) or any(finding.severity == "error" for finding in explanation.findings)
        if explanation.usable is None:
            self._reject(document, resource)
        else:
            self._take_valid(document, resource, explanation.usable, broken=broken, known=wrong)

    def _take_valid(
        self,
        document: Document,
        resource: ResourceKey,
        value: dict[str, Any],
        *,
        broken: bool = False,
        known: set[Any] | None = None,
    ) -> None:
        """Decode and check the meaning. ``broken`` documents are only checked; findings at ``known``
        paths have been reported already."""
        found: list[Finding] = []
        try:
            spec = decode_spec(resource.kind, value["spec"])
        except ValueError as error:
            found.append(Finding("InvalidMemory", ("spec", "memory"), str(error)))
            spec = decode_spec(resource.kind, {**value["spec"], "memory": 0})
        for finding in first(chain(found, findings(resource, spec))):
            if known is None or finding.path not in known:
                self._report(document, resource, finding)
                broken = broken or finding.severity == "error"
        if broken:
            self._reject(document, resource)
            return
        metadata = value["metadata"]
        origin = self._origin(document)
        self.resources.append(
            Resource(resource, spec, origin, metadata.get("labels", {}), metadata.get("annotations", {}))
        )
        self.mentions.extend(mentions(resource, spec, document.find))

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
        self.problems.append(_problem(self.file, fault.place, about, finding))

    def _report(self, document: Document, about: Identity | ResourceKey, finding: Finding) -> None:
        place = document.find(finding.path, key=finding.at_key)
        self.problems.append(_problem(self.file, place, about, finding))


def _problem(file: str, place: Place, about: Identity | ResourceKey | None, finding: Finding) -> Problem:
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


def combine(readings: Iterable[FileReading], known: Iterable[Resource] = ()) -> Loaded:
    """Join the readings of a source and check what only shows between resources.

    ``known`` are resources declared elsewhere (the controller's configuration, default
    ServerConfigs): they satisfy references and are not part of the result. Where one key is declared
    twice, neither document is applied.
    """
    files = list(readings)
    resources, repeated = _declared(files)
    broken = {document.key for reading in files for document in reading.invalid_documents} | repeated.keys()
    neighbours = Neighbours(
        resources=resources,
        mentions=[
            m for reading in files for m in reading.mentions if not repeated or m.subject not in repeated
        ],
        elsewhere={resource.key: resource for resource in known},
        broken=broken,
    )
    related = list(relations(neighbours))
    invalid = broken | {item.subject for item in related if item.finding.severity == "error"}
    problems = [problem for reading in files for problem in reading.problems]
    problems.extend(_repetition(item, place, places) for item, places in repeated.items() for place in places)
    problems.extend(_related_problem(resources[item.subject], item) for item in related)
    return Loaded(
        resources=tuple(
            resource for item, resource in sorted(resources.items(), key=_by_key) if item not in invalid
        ),
        problems=in_order(problems),
        skipped=tuple(document for reading in sorted(files, key=_by_file) for document in reading.skipped),
        invalid=tuple(sorted(invalid)),
        unreadable=any(reading.unreadable for reading in files),
        documents=sum(reading.documents for reading in files),
    )


def _by_key(item: tuple[ResourceKey, Resource]) -> tuple[str, str, str, str]:
    return item[0].group, item[0].kind, item[0].namespace, item[0].name


def _by_file(reading: FileReading) -> str:
    return reading.file


def _declared(
    files: list[FileReading],
) -> tuple[dict[ResourceKey, Resource], dict[ResourceKey, list[Origin]]]:
    """The resources that are declared once, and for all other keys the places where they are."""
    resources: dict[ResourceKey, Resource] = {}
    repeated: dict[ResourceKey, list[Origin]] = defaultdict(list)
    for reading in files:
        for resource in reading.resources:
            first_one = resources.setdefault(resource.key, resource)
            if first_one is not resource:
                repeated[resource.key].append(resource.origin)
    broken: dict[ResourceKey, list[Origin]] = defaultdict(list)
    for reading in files:
        for document in reading.invalid_documents:
            broken[document.key].append(document.origin)
    for item, origins in broken.items():
        if len(origins) > 1 or item in resources:
            repeated[item].extend(origins)
    for item, origins in repeated.items():
        if item in resources:
            origins.append(resources.pop(item).origin)
    return resources, dict(repeated)


def _repetition(item: ResourceKey, place: Origin, places: list[Origin]) -> Problem:
    others = sorted(f"{other.file}:{other.line}" for other in places if other is not place)
    shown = ", ".join(others[:8])
    finding = Finding(
        "DuplicateResource", (), f"{item} is also declared at {shown}", "neither is applied; remove one"
    )
    return _problem(place.file, (place.line, place.column), item, finding)


def _related_problem(resource: Resource, item: Relation) -> Problem:
    origin = resource.origin
    place = item.mention.place if item.mention else (origin.line, origin.column)
    return _problem(origin.file, place, item.subject, item.finding)

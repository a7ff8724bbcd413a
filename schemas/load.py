"""From the files of a source to its resources and everything that is wrong with them.

:func:`read_file` looks at one file by itself, so its result can be kept for as long as the file does
not change; :func:`combine` joins the readings and looks at what only shows between resources. Which
files are read (``*.yaml``, ``*.yml``, ``*.json``) is the caller's choice.
"""

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import get_args

from schemas.defaults import default_server_configs
from schemas.finding import Finding
from schemas.mentions import Mention, Role
from schemas.problem import Problem, in_order
from schemas.reading import FileReading, InvalidDocument, SkippedDocument, Source, located, read_file
from schemas.relations import Neighbours, Relation, relations
from schemas.resource import DEFAULT_NAMESPACE, Origin, Resource, ResourceKey

__all__ = [
    "FileReading",
    "InvalidDocument",
    "Loaded",
    "SkippedDocument",
    "Source",
    "combine",
    "read_file",
]


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


def combine(readings: Iterable[FileReading], known: Iterable[Resource] = ()) -> Loaded:
    """Join the readings of a source and check what only shows between resources.

    ``known`` are resources declared elsewhere (the controller's configuration): like the default
    ServerConfigs they satisfy references and are not part of the result. Where one key is declared
    twice, neither document is applied.
    """
    files = list(readings)
    resources, repeated = _declared(files)
    broken = {document.key for reading in files for document in reading.invalid_documents} | repeated.keys()
    neighbours = Neighbours(
        resources=resources,
        mentions=_by_role(files, repeated),
        elsewhere={item.key: item for item in (*default_server_configs(DEFAULT_NAMESPACE), *known)},
        broken=broken,
    )
    related = list(relations(neighbours))
    invalid = broken | {item.mention.subject for item in related if item.finding.severity == "error"}
    problems = [problem for reading in files for problem in reading.problems]
    problems.extend(_repetition(item, place, places) for item, places in repeated.items() for place in places)
    problems.extend(_related_problem(resources[item.mention.subject], item) for item in related)
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


def _by_role(files: list[FileReading], repeated: Container[ResourceKey]) -> dict[Role, list[Mention]]:
    roles: dict[Role, list[Mention]] = {role: [] for role in get_args(Role)}
    for reading in files:
        for mention in reading.mentions:
            if mention.subject not in repeated:
                roles[mention.role].append(mention)
    return roles


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
    return located(place.file, (place.line, place.column), item, finding)


def _related_problem(resource: Resource, item: Relation) -> Problem:
    return located(resource.origin.file, item.mention.place, resource.key, item.finding)

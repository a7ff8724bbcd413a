"""The parts of a preview as rows of texts, most severe first: what Markdown, HTML and the terminal lay out.

Pure. What belongs to others and has no name any more (:mod:`reconciler.preview.rendering.masking`) is in no row: it is
counted in a line of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.planning.plan import Failure
from reconciler.preview.preview import (
    ApplicationPreview,
    ModelAt,
    Preview,
    ReplicaChange,
    ServingChange,
    Standing,
    Verb,
)
from reconciler.preview.rendering.bars import Bar, bar
from reconciler.preview.rendering.ownership import Owners
from reconciler.preview.rendering.wording import subject
from reconciler.preview.rendering.words import (
    NO_REMEDY,
    SHORT,
    VERBS,
    Name,
    Phrase,
    arrow,
    aside,
    called,
    interruption,
    joined,
    memory,
    replica,
    version,
)
from schemas.problem import Problem
from schemas.resource import ResourceKey

_WORST_FIRST: Final = ("Stops", "Unknown", "Bounded", "Ends", "None", "NotServed")
_SIGNS: Final = (("+", "comes"), ("−", "goes"))

MODELS: Final = ("Model", "What", "Version", "Replicas", "Interruption")


@dataclass(frozen=True)
class ModelRow:
    """What becomes of one model or experiment, with its owner where that is another application."""

    name: Phrase
    what: str
    version: Phrase
    replicas: Phrase
    interruption: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class FailureRow:
    """What cannot be brought about; ``cure`` is the cheapest change that would help."""

    name: str
    reason: str
    placed: str
    message: str
    cure: str


@dataclass(frozen=True)
class Told:
    """Something about a resource that a reviewer should know of."""

    name: str
    reason: str
    message: str


@dataclass(frozen=True)
class ReplicaRow:
    """One server replica: its bar, its memory in words, what comes and goes, and what stays there."""

    name: str
    owner: str
    bar: Bar
    memory: str
    moves: tuple[str, ...]
    stays: tuple[str, ...]
    changes: bool


def severity(change: ServingChange) -> tuple[int, int]:
    """Sort key; the least is the worst."""
    unplaced = 0 if change.interruption.kind == "Stops" else 1 if change.verb == "Unplaced" else 2
    return unplaced, _WORST_FIRST.index(change.interruption.kind) * len(VERBS) + list(VERBS).index(
        change.verb
    )


def model_rows(application: ApplicationPreview, preview: Preview, *, waits: bool = False) -> list[ModelRow]:
    """Of this merge, or of what waits on the base."""
    owners = Owners(preview)
    found = [each for each in application.serving if each.waiting is waits and each.key.name]
    found.sort(key=severity)
    return [_model_row(each, application.namespace, owners) for each in found]


def _model_row(change: ServingChange, namespace: str, owners: Owners) -> ModelRow:
    before, after = change.before, change.after
    is_model = change.key.kind == "Model"
    whose = () if owners.is_own_name(change.owner) else (" of ", Name(change.owner))
    return ModelRow(
        name=(Name(called(change.key, namespace)), *whose),
        what=VERBS[change.verb][0],
        version=arrow(version(before), version(after)),
        replicas=arrow(_count(before), _count(after), "0") if is_model else (),
        interruption=interruption(change.interruption),
        places=tuple(replica(at) for at in after.replicas) if after is not None else (),
    )


def _count(standing: Standing | None) -> str:
    return str(len(standing.replicas)) if standing is not None else ""


def unnamed_models(application: ApplicationPreview, preview: Preview) -> Phrase:
    """What this merge does to models that are not named, counted."""
    found = [each for each in application.serving if not each.key.name and not each.waiting]
    groups: dict[tuple[Verb, str], list[ResourceKey]] = {}
    for each in sorted(found, key=severity):
        groups.setdefault((each.verb, aside(each.interruption)), []).append(each.key)
    owners = Owners(preview)
    return joined(
        [
            (*subject(keys, owners), f" {VERBS[verb][1 if len(keys) == 1 else 2]}{paused}")
            for (verb, paused), keys in groups.items()
        ],
        "; ",
    )


def failure_rows(failures: Sequence[Failure], namespace: str) -> list[FailureRow]:
    """What finds no place at all comes first, then by key."""
    ordered = sorted(failures, key=lambda failure: failure.reason == "PartiallyScheduled")
    return [_failure_row(failure, namespace) for failure in ordered if failure.key.name]


def _failure_row(failure: Failure, namespace: str) -> FailureRow:
    cure = failure.remedy.message if failure.remedy is not None else ""
    return FailureRow(
        name=called(failure.key, namespace),
        reason=failure.reason,
        placed=f"{failure.placed} of {failure.desired}" if failure.desired else "",
        message=failure.message,
        cure=cure or (NO_REMEDY if failure.key.kind == "Model" else ""),
    )


def unnamed_failures(failures: Sequence[Failure], preview: Preview) -> Phrase:
    """How many fail that are not named; models are told of by what becomes of them."""
    found = [failure.key for failure in failures if not failure.key.name and failure.key.kind != "Model"]
    return (*subject(found, Owners(preview)), " cannot be brought about") if found else ()


def warnings(application: ApplicationPreview) -> list[Told]:
    """What the plan leaves undone of this merge, then what may surprise later."""
    held = [change for change in application.changes if change.effect == "Held"]
    namespace = application.namespace
    return [
        *(Told(called(each.key, namespace), f"held back: {each.reason}", each.message) for each in held),
        *(Told(called(each.key, namespace), each.reason, each.message) for each in application.warnings),
    ]


def problems(application: ApplicationPreview) -> list[Problem]:
    """Errors first, then by place."""
    return sorted(application.problems, key=lambda problem: problem.severity != "error")


def needs(preview: Preview) -> tuple[str, ...]:
    """What would make room, where that does not stand at each failure already."""
    failing = [f for each in preview.applications for f in each.failures if f.remedy is not None]
    return preview.needs if len(failing) > len(preview.needs) else ()


def replica_rows(preview: Preview) -> list[ReplicaRow]:
    """Every server replica: those that change first, overcommitted ones before others."""
    owners = Owners(preview)
    ordered = sorted(preview.replicas, key=lambda each: (not each.changes, not _overcommitted(each)))
    return [_replica_row(each, owners) for each in ordered]


def _overcommitted(change: ReplicaChange) -> bool:
    return change.after is not None and change.after.overcommitted > 0


def _replica_row(change: ReplicaChange, owners: Owners) -> ReplicaRow:
    return ReplicaRow(
        name=replica(change.replica),
        owner="" if owners.is_own_name(change.owner) else change.owner,
        bar=bar(change),
        memory=memory(change),
        moves=tuple(move for sign, part in _SIGNS for move in _moving(sign, getattr(change, part))),
        stays=tuple(_moving("", change.stays)),
        changes=change.changes,
    )


def _moving(sign: str, models: Sequence[ModelAt]) -> Iterator[str]:
    """``+wine@1a2b3c4``; those without a name are counted."""
    yield from (f"{sign}{each.model}@{each.version[:SHORT]}" for each in models if each.model)
    unnamed = sum(not each.model for each in models)
    if unnamed:
        yield f"{sign}{unnamed} of others"


def unchanged(rows: Sequence[ReplicaRow]) -> str:
    """How many server replicas stay as they are; empty for none."""
    count = sum(not row.changes for row in rows)
    if not count:
        return ""
    return "1 server replica stays as it is" if count == 1 else f"{count} server replicas stay as they are"

"""Desired against live: which resources to create, update and delete, and which deletes are held.

Pure. Specs hold their defaults once decoded, so a manifest that says less than the live object is no
difference. Where a resource is read from is no difference either.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.desired import Desired
from reconciler.plan import Change, FieldChange, Held
from runtime.state import AppliedResource, LiveState
from schemas.codec import encode
from schemas.finding import shown
from schemas.resource import Resource, ResourceKey


@dataclass(frozen=True)
class PrunePolicy:
    """Whether resources that left Git are deleted, and whether a revision may delete all of them."""

    enabled: bool = True
    allow_empty: bool = False


@dataclass(frozen=True)
class Diff:
    """Permitted changes and what is held back, both sorted by key."""

    changes: tuple[Change, ...]
    held: tuple[Held, ...]


def diff(desired: Desired, live: LiveState, policy: PrunePolicy) -> Diff:
    """What has to change for ``live`` to say what ``desired`` says."""
    applied = {entry.resource.key: entry for entry in live.resources}
    changes: list[Change] = []
    held: list[Held] = []
    for resource in desired.resources:
        entry = applied.get(resource.key)
        if entry is not None and entry.owner != desired.application:
            held.append(_owned_by_other(resource.key, entry.owner))
        elif entry is None:
            changes.append(Change("create", resource.key, resource))
        elif entry.resource.digest != resource.digest:
            changes.append(Change("update", resource.key, resource, field_changes(entry.resource, resource)))
    left = tuple(_left_git(desired, applied))
    refusal = _prune_refusal(desired, left, policy)
    if refusal is None:
        changes.extend(Change("delete", key, None) for key in left)
    else:
        held.extend(Held(key, *refusal) for key in left)
    return Diff(
        tuple(sorted(changes, key=lambda change: change.key)),
        tuple(sorted(held, key=lambda item: item.key)),
    )


def field_changes(before: Resource, after: Resource) -> tuple[FieldChange, ...]:
    """The fields in which two resources differ, by path."""
    return tuple(sorted(_differences("", _fields(before), _fields(after)), key=lambda f: f.path))


def _fields(resource: Resource) -> dict[str, Any]:
    return {
        "metadata": {"labels": dict(resource.labels), "annotations": dict(resource.annotations)},
        "spec": encode(resource.spec),
    }


def _differences(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys(), key=str):
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(inner, before.get(name), after.get(name))
    else:
        yield FieldChange(path, before, after)


def _left_git(desired: Desired, applied: Mapping[ResourceKey, AppliedResource]) -> Iterator[ResourceKey]:
    wanted = {resource.key for resource in desired.resources}.union(desired.invalid)
    for key, entry in applied.items():
        if entry.owner == desired.application and key not in wanted:
            yield key


def _prune_refusal(
    desired: Desired, left: tuple[ResourceKey, ...], policy: PrunePolicy
) -> tuple[str, str] | None:
    """Why none of the resources that left Git may be deleted now (reason, message), or None.

    A skipped document that bears the name of one of them may be that very resource with a typing
    error in its apiVersion (design decision 8).
    """
    if not policy.enabled:
        return "PruneDisabled", "the application's sync policy does not delete"
    if desired.unreadable:
        return (
            "PruneHeld",
            "some document cannot be read as far as its kind and name; mend it, then what left Git is deleted",
        )
    names = {key.name for key in left}
    for document in desired.skipped:
        if document.name in names:
            place = f"{document.file}:{document.line}"
            message = (
                f"{place} names {document.name!r} but is skipped: apiVersion {shown(document.api_version)}"
            )
            return "PruneHeld", message
    if not desired.resources and not policy.allow_empty:
        return (
            "PruneRefusedEmpty",
            "this revision would delete everything; set sync.allowEmpty to allow it",
        )
    return None


def _owned_by_other(key: ResourceKey, owner: str) -> Held:
    return Held(key, "OwnedByOther", f"{key} belongs to {owner}; it is left as it is")

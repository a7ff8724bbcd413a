"""Desired against live: which resources to create, update and delete, and which of that is held.

Pure. Specs hold their defaults once decoded, so a manifest that says less than the live object is no
difference. Where a resource is read from is no difference either, nor are fields that a policy ignores
(:mod:`reconciler.planning.ignored`). Why something is held is decided in :mod:`reconciler.planning.guards`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.desired import Desired
from reconciler.planning.guards import ChangePolicy, guard_change, guard_deletes
from reconciler.planning.ignored import with_ignored
from reconciler.planning.plan import Change, FieldChange, Held
from reconciler.secrecy import hidden_pair, secret_names, shown_resource
from runtime.state import AppliedResource, LiveState
from schemas.codec import encode, encode_terse
from schemas.resource import Resource, ResourceKey


@dataclass(frozen=True)
class Diff:
    """Permitted changes and what is held back, both sorted by key."""

    changes: tuple[Change, ...]
    held: tuple[Held, ...]


def diff(desired: Desired, live: LiveState, policy: ChangePolicy) -> Diff:
    """What has to change for ``live`` to say what ``desired`` says."""
    changes: list[Change] = []
    held: list[Held] = []
    for resource in desired.resources:
        entry = live.applied.get(resource.key)
        if entry is not None and entry.resource is resource and entry.owner == desired.application:
            continue  # mostly so: what was applied is what was read
        change = _change(desired, resource, entry, policy)
        if change is None or policy.leaves_out(resource.key):
            continue
        guard = guard_change(desired, resource.key, entry, policy)
        if guard is None:
            changes.append(change)
        else:
            held.append(guard)
    owned = live.owned.get(desired.application, {})
    left = _left_git(desired, owned)
    refused = guard_deletes(desired, left, len(owned), policy)
    held.extend(Held(key, *refused[key]) for key in left if key in refused)
    gone = (key for key in left if key not in refused and not policy.leaves_out(key))
    changes.extend(Change("delete", key, None) for key in gone)
    return Diff(
        tuple(sorted(changes, key=lambda change: change.key)),
        tuple(sorted(held, key=lambda item: item.key)),
    )


def _change(
    desired: Desired, resource: Resource, entry: AppliedResource | None, policy: ChangePolicy
) -> Change | None:
    """What makes one resource live as Git wants it. Taking over from another owner is a change of its own."""
    if entry is None:
        return Change("create", resource.key, resource)
    wanted = with_ignored(resource, entry.resource, policy.ignore)
    if entry.owner != desired.application:
        owner = FieldChange("owner", entry.owner, desired.application)
        return Change("update", resource.key, wanted, (owner, *field_changes(entry.resource, wanted)))
    if entry.resource.digest == wanted.digest:
        return None
    return Change("update", resource.key, wanted, field_changes(entry.resource, wanted))


def field_changes(before: Resource, after: Resource) -> tuple[FieldChange, ...]:
    """The fields in which two resources differ, by path; of secrets only that they do."""
    hidden = hidden_pair(_fields(before), _fields(after), secret_names(before, after))
    return tuple(sorted(_differences("", *hidden), key=lambda f: f.path))


def all_fields(resource: Resource) -> tuple[FieldChange, ...]:
    """Every field that a resource sets, by path, as what comes from nothing; of secrets only that they are."""
    said = _leaves("spec", encode_terse(shown_resource(resource).spec))
    return tuple(FieldChange(path, None, value) for path, value in said)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name in sorted(value):
            yield from _leaves(f"{path}.{name}", value[name])
    else:
        yield path, value


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


def _left_git(
    desired: Desired, owned: Mapping[ResourceKey, AppliedResource]
) -> dict[ResourceKey, AppliedResource]:
    left = set(owned).difference(desired.invalid, (resource.key for resource in desired.resources))
    return {key: owned[key] for key in owned if key in left} if left else {}

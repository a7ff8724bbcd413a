"""What resources say about placement and order in annotations, for the planner. Pure.

Whoever validates a manifest refuses what cannot be read (:mod:`schemas.semantics.annotations`). What was
applied before that was asked may still hold it: then it counts as not said, and one such resource does
not keep everything else from being planned.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from schemas import order_annotations
from schemas import placement_annotations as annotations
from schemas.errors import InputError
from schemas.placement_annotations import Resources
from schemas.resource import Resource, ResourceKey

T = TypeVar("T")


def named_resources(resource: Resource) -> Resources:
    """What a Model takes, or a Server has, beside memory, per replica."""
    return _read(annotations.resources_of, resource, ())


def priority(resource: Resource) -> int:
    """Who goes first where not all models fit: a higher number."""
    return _read(annotations.priority_of, resource, 0)


def is_recreated(resource: Resource) -> bool:
    """True where the old version of a Model is to go before the new one comes."""
    return _read(annotations.recreates, resource, False)


def sync_wave(resource: Resource) -> int:
    """When its turn is: after everything of a lower number."""
    return _read(order_annotations.wave_of, resource, 0)


def dependencies(resource: Resource) -> tuple[ResourceKey, ...]:
    """What comes before it, sorted."""
    namespace = resource.key.namespace
    return _read(lambda said: order_annotations.dependencies_of(said, namespace), resource, ())


def is_ordered(resource: Resource) -> bool:
    """True where it says anything about its turn."""
    said = resource.annotations
    return bool(said) and (
        order_annotations.SYNC_WAVE_ANNOTATION in said or order_annotations.DEPENDS_ON_ANNOTATION in said
    )


def _read(read: Callable[[Mapping[str, str]], T], resource: Resource, unsaid: T) -> T:
    if not resource.annotations:
        return unsaid
    try:
        return read(resource.annotations)
    except InputError:
        return unsaid

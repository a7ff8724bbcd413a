"""What resources say about placement in annotations, for the planner. Pure.

Whoever validates a manifest refuses what cannot be read (:mod:`schemas.semantics.annotations`). What was
applied before that was asked may still hold it: then it counts as not said, and one such resource does
not keep everything else from being planned.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from schemas import placement_annotations as annotations
from schemas.errors import InputError
from schemas.placement_annotations import Resources
from schemas.resource import Resource

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


def _read(read: Callable[[Mapping[str, str]], T], resource: Resource, unsaid: T) -> T:
    if not resource.annotations:
        return unsaid
    try:
        return read(resource.annotations)
    except InputError:
        return unsaid

"""What a manifest becomes once it is known to be right: a key, a typed spec, and where it came from.

The spec types live in :mod:`schemas.specs`. Nothing here reads or checks YAML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from schemas import codec
from schemas.specs import SPEC_TYPES, Spec

GROUP = "mlops.seldon.io"
API_VERSION = f"{GROUP}/v1alpha1"
DEFAULT_NAMESPACE = "default"

KINDS = ("Experiment", "Model", "Pipeline", "SeldonConfig", "SeldonRuntime", "Server", "ServerConfig")


@dataclass(frozen=True, order=True)
class ResourceKey:
    """Identity of a resource. Sorts by kind, namespace, name within a group."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def key(kind: str, namespace: str, name: str) -> ResourceKey:
    """The key of a resource of our own group."""
    return ResourceKey(GROUP, kind, namespace, name)


@dataclass(frozen=True)
class Origin:
    """Where a resource was read: ``file`` is the path inside the source, ``line`` and ``column`` count from 1."""

    source: Literal["git", "configuration", "cluster", "manual"]
    file: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Resource:
    """A decoded, validated manifest."""

    key: ResourceKey
    spec: Spec
    origin: Origin
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        """Open objects in a spec have no hash of their own; equal resources have equal digests."""
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """Digest of what the resource says; where it was read from is not part of it."""
        return codec.digest(
            {
                "key": str(self.key),
                "spec": codec.encode(self.spec),
                "labels": dict(self.labels),
                "annotations": dict(self.annotations),
            }
        )


def _write(resource: Resource, unstructure: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "key": unstructure(resource.key),
        "spec": unstructure(resource.spec),
        "origin": unstructure(resource.origin),
        "labels": dict(resource.labels),
        "annotations": dict(resource.annotations),
    }


def _read(data: Any, structure: Callable[[Any, Any], Any]) -> Resource:
    """The kind in the key picks the type of the spec; every field must be there, as they are written."""
    if not isinstance(data, Mapping) or set(data) != {"key", "spec", "origin", "labels", "annotations"}:
        raise TypeError("a resource has key, spec, origin, labels and annotations")
    identity: ResourceKey = structure(data["key"], ResourceKey)
    if identity.kind not in SPEC_TYPES:
        raise TypeError(f"unknown kind {identity.kind!r}")
    return Resource(
        key=identity,
        spec=structure(data["spec"], SPEC_TYPES[identity.kind]),
        origin=structure(data["origin"], Origin),
        labels=structure(data["labels"], Mapping[str, str]),
        annotations=structure(data["annotations"], Mapping[str, str]),
    )


codec.register(Resource, _write, _read)

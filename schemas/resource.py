"""What a manifest becomes once it is known to be right: a key, a typed spec, and where it came from.

The spec types live in :mod:`schemas.specs`. Nothing here reads or checks YAML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.specs import Spec

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

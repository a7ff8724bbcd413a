"""From a resource back to the manifest that says it.

A manifest is canonical: every default written out, memory in bytes, fields that are absent left
out. Reading it gives an equal resource.
"""

from typing import Any

from schemas import codec
from schemas.open_objects import settled_spec
from schemas.resource import API_VERSION, Resource
from schemas.specs import Spec


def manifest(resource: Resource) -> dict[str, Any]:
    """The Kubernetes object of ``resource``, without status and without its origin."""
    metadata: dict[str, Any] = {"name": resource.key.name, "namespace": resource.key.namespace}
    if resource.labels:
        metadata["labels"] = dict(sorted(resource.labels.items()))
    if resource.annotations:
        metadata["annotations"] = dict(sorted(resource.annotations.items()))
    return {
        "apiVersion": API_VERSION,
        "kind": resource.key.kind,
        "metadata": metadata,
        "spec": spec_manifest(resource.spec),
    }


def spec_manifest(spec: Spec) -> dict[str, Any]:
    """The ``spec`` part of :func:`manifest`."""
    return settled_spec(codec.encode(spec))

"""The replica counts of models and servers, which follow the same rules."""

from collections.abc import Iterator

from schemas.finding import Finding
from schemas.scaling import scaling_fault
from schemas.specs import ModelSpec, ServerSpec


def replica_findings(spec: ModelSpec | ServerSpec) -> Iterator[Finding]:
    """What is wrong with the three replica counts of a model or server."""
    fault = scaling_fault(spec.replicas, spec.min_replicas, spec.max_replicas)
    if fault is not None:
        counts = (("replicas", spec.replicas), ("minReplicas", spec.min_replicas), ("maxReplicas", 0))
        field = next(name for name, count in counts if count is not None)
        yield Finding("InvalidScaling", ("spec", field), f"scaling spec is invalid: {fault}", at_key=True)

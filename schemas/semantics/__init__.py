"""What the fields of one resource mean together, beyond what its schema can say.

One module per kind that has such rules; each yields every finding, never the first one only. Rules
between resources are in :mod:`schemas.relations`.
"""

from collections.abc import Iterator, Mapping

from schemas.finding import Finding
from schemas.names import name_findings
from schemas.resource import ResourceKey
from schemas.semantics.annotations import annotation_findings
from schemas.semantics.experiment import experiment_findings
from schemas.semantics.model import model_findings
from schemas.semantics.pipeline import pipeline_findings
from schemas.semantics.server import server_config_findings, server_findings
from schemas.specs import (
    ExperimentSpec,
    ModelSpec,
    PipelineSpec,
    ServerConfigSpec,
    ServerSpec,
    Spec,
)


def findings(key: ResourceKey, spec: Spec, annotations: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that is wrong or doubtful about one resource by itself."""
    yield from name_findings(key)
    if annotations:
        yield from annotation_findings(key.kind, annotations)
    match spec:
        case ModelSpec():
            yield from model_findings(spec)
        case ServerSpec():
            yield from server_findings(spec)
        case ServerConfigSpec():
            yield from server_config_findings(spec)
        case PipelineSpec():
            yield from pipeline_findings(key.name, spec)
        case ExperimentSpec():
            yield from experiment_findings(spec)

"""Rules of a Model by itself. Source: the reference's operator, at reconcile."""

from collections.abc import Iterator

from schemas.finding import Finding, Path
from schemas.semantics.replicas import replica_findings
from schemas.specs import Explainer, Llm, ModelSpec


def model_findings(spec: ModelSpec) -> Iterator[Finding]:
    """Replica counts, explainer and llm, and parameters."""
    yield from replica_findings(spec)
    if spec.explainer is not None and spec.llm is not None:
        message = "a model has an explainer or an llm section, not both"
        yield Finding("ExplainerAndLlm", ("spec", "llm"), message, "remove one of the two", at_key=True)
    for name, section in (("explainer", spec.explainer), ("llm", spec.llm)):
        if section is not None:
            yield from _reference_findings(section, ("spec", name))
    yield from _parameter_findings(spec)


def _reference_findings(section: Explainer | Llm, path: Path) -> Iterator[Finding]:
    if section.model_ref and section.pipeline_ref:
        message = "modelRef and pipelineRef are both set"
        yield Finding("AmbiguousReference", (*path, "pipelineRef"), message, "remove one", at_key=True)


def _parameter_findings(spec: ModelSpec) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, parameter in enumerate(spec.parameters):
        if parameter.name in seen:
            message = "a parameter of this name is already set; the last one counts"
            yield Finding("RepeatedParameter", ("spec", "parameters", place, "name"), message)
        seen.add(parameter.name)

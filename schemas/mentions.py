"""Which other resources a resource names, and where in its file it does.

Kept with each reading, so that rules between resources can point at a line without reading any
file again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.finding import Path, Place
from schemas.order_annotations import DEPENDS_ON_ANNOTATION, dependencies_of
from schemas.references import external_reference
from schemas.resource import ResourceKey
from schemas.specs import (
    ExperimentSpec,
    Explainer,
    Llm,
    ModelSpec,
    PipelineSpec,
    SeldonRuntimeSpec,
    ServerSpec,
    Spec,
)

EXPLAINER_CAPABILITY = "alibi-explain"

# reference: to the resource kind/name; baseline: kind/name whose endpoint an experiment takes over;
# requirements: of a model, for the server called name if there is one; template: a server's own podSpec;
# dependency: on the resource namespace/kind/name, by annotation
Role = Literal["reference", "baseline", "requirements", "template", "dependency"]


@dataclass(frozen=True)
class Mention:
    """A place of ``subject`` that a rule between resources may point at.

    ``step`` is the step of another pipeline, ``needs`` are the capabilities that are asked for.
    ``namespace`` is that of what a dependency names; everything else is looked for beside its subject.
    """

    subject: ResourceKey
    path: Path
    place: Place
    role: Role
    kind: str
    name: str
    step: str = ""
    needs: frozenset[str] = frozenset()
    namespace: str = ""


def mentions(key: ResourceKey, spec: Spec, find: Callable[[Path], Place]) -> Iterator[Mention]:
    """All mentions in ``spec``, in the order of its fields."""
    if isinstance(spec, ModelSpec):
        needs = _needs(spec)
        if needs:
            path: Path = ("spec", "requirements")
            yield Mention(key, path, find(path), "requirements", "Server", spec.server or "", needs=needs)
    for path, role, kind, name, step in _named(spec):
        yield Mention(key, path, find(path), role, kind, name, step)


def dependency_mentions(
    key: ResourceKey, annotations: Mapping[str, str], find: Callable[[Path], Place]
) -> Iterator[Mention]:
    """What the annotation of ``key`` says it depends on; it has been found to be readable."""
    if DEPENDS_ON_ANNOTATION in annotations:
        path: Path = ("metadata", "annotations", DEPENDS_ON_ANNOTATION)
        place = find(path)
        for other in dependencies_of(annotations, key.namespace):
            yield Mention(key, path, place, "dependency", other.kind, other.name, namespace=other.namespace)


def _needs(spec: ModelSpec) -> frozenset[str]:
    """Requirements as the reference compares them: trimmed, with the model type and the explainer's."""
    names = {name.strip() for name in spec.requirements}
    names.add((spec.model_type or "").strip())
    if spec.explainer is not None:
        names.add(EXPLAINER_CAPABILITY)
    names.discard("")
    return frozenset(names)


_Named = tuple[Path, Role, str, str, str]


def _named(spec: Spec) -> Iterator[_Named]:
    match spec:
        case ModelSpec():
            yield from _in_model(spec)
        case ServerSpec():
            yield ("spec", "serverConfig"), "reference", "ServerConfig", spec.server_config, ""
            if spec.pod_spec:
                yield ("spec", "podSpec"), "template", "", "", ""
        case PipelineSpec():
            yield from _in_pipeline(spec)
        case ExperimentSpec():
            yield from _in_experiment(spec)
        case SeldonRuntimeSpec():
            yield ("spec", "seldonConfig"), "reference", "SeldonConfig", spec.seldon_config, ""


def _in_model(spec: ModelSpec) -> Iterator[_Named]:
    if spec.server:
        yield ("spec", "server"), "reference", "Server", spec.server, ""
    for field, section in (("explainer", spec.explainer), ("llm", spec.llm)):
        if section is not None:
            yield from _in_section(field, section)


def _in_section(field: str, section: Explainer | Llm) -> Iterator[_Named]:
    if section.model_ref:
        yield ("spec", field, "modelRef"), "reference", "Model", section.model_ref, ""
    if section.pipeline_ref:
        yield ("spec", field, "pipelineRef"), "reference", "Pipeline", section.pipeline_ref, ""


def _in_pipeline(spec: PipelineSpec) -> Iterator[_Named]:
    for place, step in enumerate(spec.steps):
        yield ("spec", "steps", place, "name"), "reference", "Model", step.name, ""
    if spec.input_ is None:
        return
    for field, texts in (
        ("externalInputs", spec.input_.external_inputs),
        ("externalTriggers", spec.input_.external_triggers),
    ):
        for place, text in enumerate(texts):
            reference = external_reference(text)
            if not isinstance(reference, str):
                yield (
                    ("spec", "input", field, place),
                    "reference",
                    "Pipeline",
                    reference.pipeline,
                    reference.step,
                )


def _in_experiment(spec: ExperimentSpec) -> Iterator[_Named]:
    kind = candidate_kind(spec)
    if spec.default:
        yield ("spec", "default"), "baseline", kind, spec.default, ""
    for place, candidate in enumerate(spec.candidates):
        yield ("spec", "candidates", place, "name"), "reference", kind, candidate.name, ""
    if spec.mirror is not None:
        yield ("spec", "mirror", "name"), "reference", kind, spec.mirror.name, ""


def candidate_kind(spec: ExperimentSpec) -> str:
    """``Pipeline`` where the experiment is about pipelines; anything else means models."""
    return "Pipeline" if spec.resource_type == "pipeline" else "Model"

"""Rules of a Pipeline by itself: its steps, what they refer to, and the graph they make.

Source: the reference's scheduler, with its gaps closed: triggers and external triggers are checked
like inputs, and an input that is also a trigger is found.
"""

from collections.abc import Collection, Iterator, Sequence

from schemas.cycles import cycles, shown_cycle
from schemas.finding import Finding, Path, did_you_mean, shown
from schemas.names import is_label
from schemas.references import StepReference, external_reference, step_reference
from schemas.specs import PipelineSpec, PipelineStep


def pipeline_findings(name: str, spec: PipelineSpec) -> Iterator[Finding]:
    """Everything that is wrong with the graph of pipeline ``name``."""
    if not spec.steps:
        yield Finding("EmptyPipeline", ("spec", "steps"), "a pipeline needs a step", at_key=True)
    yield from _step_name_findings(name, spec.steps)
    steps = dict.fromkeys(step.name for step in spec.steps)
    sources = {**steps, name: None}
    for place, step in enumerate(spec.steps):
        path: Path = ("spec", "steps", place)
        yield from _reference_findings(name, sources, step.inputs, (*path, "inputs"))
        yield from _reference_findings(name, sources, step.triggers, (*path, "triggers"))
        yield from _overlap_findings(name, step, (*path, "triggers"))
    if spec.output is not None:
        yield from _reference_findings(name, steps, spec.output.steps, ("spec", "output", "steps"))
    if not spec.allow_cycles:
        yield from _cycle_findings(name, spec)
    yield from _external_findings(spec)


def _step_name_findings(name: str, steps: Sequence[PipelineStep]) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, step in enumerate(steps):
        path: Path = ("spec", "steps", place, "name")
        if not is_label(step.name):
            yield Finding(
                "InvalidStepName", path, "a step is named like its Model, which cannot have this name"
            )
        if step.name == name:
            yield Finding("StepNamedLikePipeline", path, "a step cannot be named like its pipeline")
        if step.name in seen:
            yield Finding("RepeatedStep", path, f"step {shown(step.name)} is already defined")
        seen.add(step.name)


def _reference_findings(
    name: str, known: Collection[str], references: Sequence[str], path: Path
) -> Iterator[Finding]:
    for place, text in enumerate(references):
        reference = step_reference(text, name)
        here = (*path, place)
        if not text:
            yield Finding("EmptyReference", here, "refers to nothing", "name a step")
        elif reference is None:
            hint = "step, step.outputs, step.outputs.TENSOR or PIPELINE.inputs.TENSOR"
            yield Finding("InvalidReference", here, f"{shown(text, 128)} is no reference to a step", hint)
        elif reference.name not in known:
            message = f"there is no step {shown(reference.name)}"
            yield Finding("UnknownStep", here, message, did_you_mean(reference.name, known))


def _overlap_findings(name: str, step: PipelineStep, path: Path) -> Iterator[Finding]:
    inputs = {step_reference(text, name) for text in step.inputs} - {None}
    for place, text in enumerate(step.triggers):
        if step_reference(text, name) in inputs:
            message = f"{shown(text, 128)} is an input of the same step"
            yield Finding("InputIsTrigger", (*path, place), message, "an input already holds the step back")


def _cycle_findings(name: str, spec: PipelineSpec) -> Iterator[Finding]:
    places = {step.name: place for place, step in enumerate(spec.steps)}
    graph = {step.name: [reference.name for reference in _needs(name, step)] for step in spec.steps}
    for cycle in cycles(graph):
        path: Path = ("spec", "steps", places[cycle[0]], "name")
        hint = "set allowCycles and maxStepRevisits if the steps are meant to repeat"
        yield Finding("PipelineCycle", path, f"steps need each other: {shown_cycle(cycle)}", hint)


def _needs(name: str, step: PipelineStep) -> Iterator[StepReference]:
    for text in (*step.inputs, *step.triggers):
        reference = step_reference(text, name)
        if reference is not None and reference.name != name:
            yield reference


def _external_findings(spec: PipelineSpec) -> Iterator[Finding]:
    if spec.input_ is None:
        return
    if not spec.input_.external_inputs:
        message = "at least one external input has to be given"
        yield Finding("NoExternalInput", ("spec", "input"), message, "remove input or name one", at_key=True)
    for field, texts in (
        ("externalInputs", spec.input_.external_inputs),
        ("externalTriggers", spec.input_.external_triggers),
    ):
        for place, text in enumerate(texts):
            path: Path = ("spec", "input", field, place)
            reference = external_reference(text)
            if not text:
                yield Finding("EmptyReference", path, "refers to nothing", "name a pipeline")
            elif isinstance(reference, str):
                hint = "p, p.inputs, p.outputs.TENSOR or p.step.STEP.outputs.TENSOR"
                yield Finding("InvalidExternalInput", path, f"{shown(text, 128)}: {reference}", hint)

"""How pipelines refer to data: the grammar of inputs, triggers, outputs and external inputs.

Source: the reference's scheduler, which completes short forms (``step`` is ``step.outputs``) before
it checks them. Whether what is referred to exists is decided elsewhere.
"""

from dataclasses import dataclass

_SIDES = ("inputs", "outputs")


@dataclass(frozen=True)
class StepReference:
    """``step``, ``step.outputs``, ``step.outputs.TENSOR``, ``step.inputs.TENSOR``; the pipeline's own
    name stands for its inputs."""

    name: str
    side: str
    tensor: str = ""


@dataclass(frozen=True)
class ExternalReference:
    """Data of another pipeline, or of one of its steps."""

    pipeline: str
    step: str
    side: str
    tensor: str = ""


def step_reference(text: str, pipeline: str) -> StepReference | None:
    """What ``text`` refers to inside ``pipeline``, or None where it is not well formed."""
    parts = text.split(".")
    if len(parts) > 3 or not all(parts):
        return None
    if len(parts) == 1:
        return StepReference(text, "inputs" if text == pipeline else "outputs")
    if parts[1] not in _SIDES or (parts[0] == pipeline and parts[1] != "inputs"):
        return None
    return StepReference(*parts)


def external_reference(text: str) -> ExternalReference | str:
    """What ``text`` refers to outside, or the rule it breaks: ``p``, ``p.inputs|outputs[.TENSOR]``,
    ``p.step.STEP``, ``p.step.STEP.inputs|outputs[.TENSOR]``."""
    parts = text.split(".")
    if not all(parts):
        return "a part between the dots is empty"
    if len(parts) == 1:
        return ExternalReference(text, "", "outputs")
    pipeline, second, *rest = parts
    if second == "step":
        return _step_of_pipeline(pipeline, rest)
    if second not in _SIDES:
        return "the second part has to be inputs, outputs or step"
    if len(rest) > 1:
        return "nothing can follow the tensor"
    return ExternalReference(pipeline, "", second, *rest)


def _step_of_pipeline(pipeline: str, rest: list[str]) -> ExternalReference | str:
    if not rest:
        return "step has to be followed by the name of a step"
    step, *tail = rest
    if not tail:
        return ExternalReference(pipeline, step, "outputs")
    if tail[0] not in _SIDES:
        return "the name of a step has to be followed by inputs or outputs"
    if len(tail) > 2:
        return "nothing can follow the tensor"
    return ExternalReference(pipeline, step, *tail)

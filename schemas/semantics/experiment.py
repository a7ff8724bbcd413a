"""Rules of an Experiment by itself. Source: the reference's scheduler, where it says so."""

from collections.abc import Iterator

from schemas.finding import Finding, did_you_mean, shown
from schemas.specs import ExperimentSpec


def experiment_findings(spec: ExperimentSpec) -> Iterator[Finding]:
    """Candidates, their weights, the default and the mirror.

    Negative weights and percentages out of bounds are the schema's. That somebody has to answer, so
    that a mirror alone is no experiment, is stricter than the reference.
    """
    names = [candidate.name for candidate in spec.candidates]
    if not names:
        yield Finding("NoCandidates", ("spec", "candidates"), "an experiment needs a candidate", at_key=True)
    elif not any(candidate.weight for candidate in spec.candidates):
        message = "the weights sum to zero, so nobody would get traffic"
        yield Finding(
            "InvalidWeight", ("spec", "candidates"), message, "give one a weight above 0", at_key=True
        )
    yield from _repeated(spec, names)
    if names and spec.default is not None and spec.default not in names:
        message = f"default {shown(spec.default)} is not among the candidates"
        yield Finding("DefaultNotCandidate", ("spec", "default"), message, did_you_mean(spec.default, names))


def _repeated(spec: ExperimentSpec, names: list[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            message = f"{shown(name)} is already a candidate"
            yield Finding("RepeatedCandidate", ("spec", "candidates", place, "name"), message)
        seen.add(name)
    if spec.mirror is not None and spec.mirror.name in seen:
        message = f"{shown(spec.mirror.name)} is a candidate and cannot be the mirror as well"
        yield Finding("RepeatedCandidate", ("spec", "mirror", "name"), message)

"""What a check says about one document, before it is known where that stands in a file.

Every code is listed here with its severity, and explained in ``docs/problems.md``; a code is never
used for anything else and never renamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from schemas.problem import Severity

Path = tuple[str | int, ...]

SEVERITIES: Mapping[str, Severity] = {
    # the file and its YAML
    "FileTooLarge": "error",
    "NotUtf8": "error",
    "YamlSyntax": "error",
    "TooManyDocuments": "error",
    "DocumentTooLarge": "error",
    "DocumentTooDeep": "error",
    "AliasExpansion": "error",
    "CustomTag": "error",
    "DuplicateField": "error",
    "UnsupportedValue": "error",
    # what a document is
    "NotAManifest": "error",
    "ListNotSupported": "error",
    "MissingApiVersion": "error",
    "SimilarGroup": "error",
    "UnknownVersion": "error",
    "MissingKind": "error",
    "UnknownKind": "error",
    "MissingName": "error",
    "InvalidName": "error",
    "InvalidNamespace": "error",
    "DuplicateResource": "error",
    # its fields
    "UnknownField": "error",
    "MissingField": "error",
    "NullField": "warning",
    "WrongType": "error",
    "WrongValue": "error",
    # models and servers
    "InvalidMemory": "error",
    "InvalidScaling": "error",
    "ExplainerAndLlm": "error",
    "AmbiguousReference": "error",
    "RepeatedParameter": "warning",
    "UnusedCapabilities": "warning",
    "InvalidServerTemplate": "error",
    # pipelines
    "EmptyPipeline": "error",
    "InvalidStepName": "error",
    "StepNamedLikePipeline": "error",
    "RepeatedStep": "error",
    "EmptyReference": "error",
    "InvalidReference": "error",
    "UnknownStep": "error",
    "InputIsTrigger": "error",
    "PipelineCycle": "error",
    "NoExternalInput": "error",
    "InvalidExternalInput": "error",
    "CrossPipelineCycle": "warning",
    # experiments
    "NoCandidates": "error",
    "RepeatedCandidate": "error",
    "DefaultNotCandidate": "error",
    "InvalidWeight": "error",
    "InvalidPercent": "error",
    "BaselineTaken": "error",
    # between resources
    "UnknownReference": "warning",
    "MissingCapability": "warning",
}


@dataclass(frozen=True)
class Finding:
    """One thing found at ``path`` of a document; ``at_key`` where the name is meant, not the value."""

    code: str
    path: Path
    message: str
    hint: str = ""
    at_key: bool = False

    @property
    def severity(self) -> Severity:
        """That of its code."""
        return SEVERITIES[self.code]


def shown_path(path: Path) -> str:
    """``spec.steps[1].inputs[0]``; names that are no words are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f'["{step[:64]}"]'
    return text


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint that names the nearest of ``known``, or nothing. Case does not count."""
    by_lower = {item.lower(): item for item in sorted(known, reverse=True)}
    nearest = get_close_matches(name[:128].lower(), sorted(by_lower), n=1, cutoff=0.6)
    return f"did you mean {by_lower[nearest[0]]}?" if nearest else ""

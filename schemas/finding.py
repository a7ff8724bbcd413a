"""What a check says about one document, before it is known where that stands in a file.

Every code is listed here with its severity, and explained in ``docs/problems.md``; a code is never
used for anything else and never renamed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from schemas.problem import Severity

Path = tuple[str | int, ...]
Place = tuple[int, int]

# Enough to act on. A hostile document must not cost more than reading it.
MOST_PER_DOCUMENT = 100
_MOST_COMPARED = 200
_LENGTHS_APART = 3

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
    "TooManyProblems": "error",
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
    "InvalidResources": "error",
    "InvalidPriority": "error",
    "InvalidUpdateStrategy": "error",
    # order
    "InvalidSyncWave": "error",
    "InvalidDependsOn": "error",
    "DependencyCycle": "error",
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
            text += f'["{shown(step)}"]'
    return text


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of ``known``, or nothing. Case does not count.

    Looks at no more than :data:`_MOST_COMPARED` names of about the same length.
    """
    alike = (item for item in known if abs(len(item) - len(name)) <= _LENGTHS_APART)
    by_lower = {item.lower(): item for item in sorted(islice(alike, _MOST_COMPARED), reverse=True)}
    nearest = get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.6)
    return f"did you mean {shown(by_lower[nearest[0]])}?" if nearest else ""


def shown(text: str, longest: int = 64) -> str:
    """``text`` as it may stand in a message: hostile input makes it neither long nor a control code."""
    plain = (
        text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text[:longest])
    )
    return plain if len(plain) <= longest else plain[:longest] + "…"


def first(found: Iterable[Finding]) -> Iterator[Finding]:
    """The first :data:`MOST_PER_DOCUMENT` findings, and one that says that there are more."""
    findings = iter(found)
    yield from islice(findings, MOST_PER_DOCUMENT)
    if next(findings, None) is not None:
        yield Finding("TooManyProblems", (), f"only the first {MOST_PER_DOCUMENT} problems are listed")

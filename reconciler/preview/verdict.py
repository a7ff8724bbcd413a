"""The verdict of a preview: the worst of everything that its merge adds. Pure."""

from collections.abc import Iterable, Iterator

from reconciler.preview.preview import MILDEST_FIRST, ApplicationPreview, ServingChange, Verdict


def verdict(applications: Iterable[ApplicationPreview]) -> Verdict:
    """The worst that any of the applications has."""
    found: set[Verdict] = {"NoChange"}
    for each in applications:
        found.update(_verdicts(each))
    return max(found, key=MILDEST_FIRST.index)


def _verdicts(preview: ApplicationPreview) -> Iterator[Verdict]:
    if any(problem.severity == "error" for problem in preview.problems):
        yield "InvalidManifests"
    if any(change.effect == "Planned" for change in preview.changes):
        yield "Safe"
    for failure in preview.failures:
        yield "PartiallyPlaced" if failure.reason == "PartiallyScheduled" else "CannotBePlaced"
    for change in preview.serving:
        if not change.waiting:
            yield _serving_verdict(change)


_HARMLESS = frozenset({"Added", "Placed", "MoreReplicas"})


def _serving_verdict(change: ServingChange) -> Verdict:
    match change.interruption.kind:
        case "Stops":
            return "StopsServing"
        case "Bounded" | "Unknown":
            return "InterruptsServing"
        case "NotServed":
            return "Safe"
    return "Safe" if change.verb in _HARMLESS else "ChangesServing"

"""The sentence that a verdict is told in, and the counts that follow it. Pure.

One name is named where one thing is meant, else they are counted; what belongs to other applications is counted
always, so the sentence may stand where everybody reads it.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from reconciler.cli.text import plain
from reconciler.planning.plan import Failure
from reconciler.preview.preview import MILDEST_FIRST, ApplicationPreview, Preview, ServingChange
from reconciler.preview.rendering.ownership import Owners
from reconciler.preview.rendering.words import (
    PLAN,
    SYMBOLS,
    TITLES,
    VERBS,
    Name,
    Phrase,
    bound,
    counted,
    joined,
    plain_phrase,
)
from schemas.resource import ResourceKey

_MILD = MILDEST_FIRST[: MILDEST_FIRST.index("ChangesServing") + 1]
"""Verdicts whose sentence is the counts."""


def headline(preview: Preview) -> str:
    """The verdict on one plain line: ``Safe: 1 model is added, …``. Names nothing of other applications."""
    return plain(f"{TITLES[preview.verdict]}: {plain_phrase(sentence(preview))}")


def symbol(preview: Preview) -> str:
    """The verdict as one character."""
    return SYMBOLS[preview.verdict]


def title(preview: Preview) -> str:
    """The verdict in two words."""
    return TITLES[preview.verdict]


def sentence(preview: Preview) -> Phrase:
    """What the verdict is about."""
    owners = Owners(preview)
    match preview.verdict:
        case "InvalidManifests":
            return _invalid(preview)
        case "StopsServing":
            return _stopping(_serving(preview, "Stops"), owners)
        case "CannotBePlaced" | "PartiallyPlaced":
            return _failing(preview, owners)
        case "InterruptsServing":
            return _interrupting(_serving(preview, "Bounded", "Unknown"), owners)
        case "ChangesServing":
            return _changing(preview)
        case "Safe":
            return (*(tally(preview) or _resources(preview)), ", nothing that serves is touched")
    return _idle(preview)


def beside(preview: Preview) -> Phrase:
    """How many get what beside those whom the sentence is about."""
    if preview.verdict in _MILD:
        return ()
    kinds: tuple[str, ...] = ()
    if preview.verdict in ("StopsServing", "InterruptsServing"):
        kinds = ("Stops",) if preview.verdict == "StopsServing" else ("Bounded", "Unknown")
    told = [change for change in _serving(preview) if change.interruption.kind in kinds]
    if preview.verdict in ("CannotBePlaced", "PartiallyPlaced"):
        failing = {failure.key for each in preview.applications for failure in each.failures}
        told = [change for change in _serving(preview) if change.key in failing]
    return _tally([change for change in _serving(preview) if change not in told], Owners(preview))


def tally(preview: Preview) -> Phrase:
    """How many models and experiments get what, most severe first."""
    return _tally(_serving(preview), Owners(preview))


def application_words(application: ApplicationPreview, preview: Preview) -> Phrase:
    """What the merge does to one of several applications."""
    changes = [change for change in application.serving if not change.waiting]
    count = counted(len(application.changes), "manifest changes", "manifests change")
    return (f"{count}; ", *(_tally(changes, Owners(preview)) or ("nothing that is served does",)))


def _tally(changes: Sequence[ServingChange], owners: Owners) -> Phrase:
    order = list(VERBS)
    ordered = sorted(changes, key=lambda change: order.index(change.verb))
    groups = [(verb, list(found)) for verb, found in groupby(ordered, key=lambda change: change.verb)]
    return joined([_does(verb, found, owners) for verb, found in groups], last=" and ")


def waiting(application: ApplicationPreview) -> Phrase:
    """What is not of this merge: what the base does all the same, and what is wrong in it already."""
    changes = sum(change.waiting for change in application.serving)
    parts: list[Phrase] = []
    if application.waits:
        does = f" and changes {counted(changes, 'model')}" if changes else ""
        parts.append(("plan ", Name(application.waits[:PLAN]), f" of the base waits to be synced{does}"))
    if application.waiting_failures:
        count = len(application.waiting_failures)
        parts.append((counted(count, "resource fails", "resources fail") + " already",))
    if application.waiting_problems:
        parts.append((f"{counted(application.waiting_problems, 'problem')} in manifests of the base",))
    return joined(parts, "; ")


def mended(application: ApplicationPreview) -> Phrase:
    """What fails now and no longer does after the merge."""
    named = [f for f in application.mended if f.key.name]
    if len(named) == 1 == len(application.mended):
        return Name(named[0].key.name), " fails now and is well after the merge"
    count = len(application.mended)
    return (f"{count} resources fail now and are well after the merge",) if count else ()


def _serving(preview: Preview, *kinds: str) -> Sequence[ServingChange]:
    """What this merge changes; only interruptions of ``kinds`` where any are named."""
    found = (change for each in preview.applications for change in each.serving if not change.waiting)
    return [change for change in found if not kinds or change.interruption.kind in kinds]


def _invalid(preview: Preview) -> Phrase:
    errors = [p for each in preview.applications for p in each.problems if p.severity == "error"]
    files = len({problem.file for problem in errors})
    what = "it declares" if files == 1 else "they declare"
    return (f"{counted(len(errors), 'error')} in {counted(files, 'file')}; what {what} stays as it is",)


def _stopping(found: Sequence[ServingChange], owners: Owners) -> Phrase:
    keys = [change.key for change in found]
    if len(found) == 1:
        return (*subject(keys, owners), " is wanted and nothing answers for it any more")
    return (*subject(keys, owners), " are wanted and nothing answers for them any more")


def _failing(preview: Preview, owners: Owners) -> Phrase:
    partly = preview.verdict == "PartiallyPlaced"
    failures = [
        failure
        for each in preview.applications
        for failure in each.failures
        if (failure.reason == "PartiallyScheduled") is partly
    ]
    if partly:
        return _partly(failures, owners)
    models = [failure.key for failure in failures if failure.key.kind == "Model"]
    others = [failure.key for failure in failures if failure.key.kind != "Model"]
    said: list[Phrase] = []
    if models:
        verb = "finds no place" if len(models) == 1 else "find no place"
        said.append((*subject(models, owners), f" {verb}"))
    if others:
        said.append((*subject(others, owners), " cannot be brought about"))
    return (*joined(said, last=" and "), "; what served before goes on")


def _partly(failures: Sequence[Failure], owners: Owners) -> Phrase:
    if len(failures) == 1:
        count = f" is placed with {failures[0].placed} of {failures[0].desired} replicas"
        return (*subject([failures[0].key], owners), count)
    keys = [failure.key for failure in failures]
    return (*subject(keys, owners), " are placed with fewer replicas than they want")


def _interrupting(found: Sequence[ServingChange], owners: Owners) -> Phrase:
    who = subject([change.key for change in found], owners)
    verb = " is not served" if len(found) == 1 else " are not served"
    if any(change.interruption.kind == "Unknown" for change in found):
        return (*who, verb, " for a while, and nothing bounds how long")
    each = "" if len(found) == 1 else " each"
    return (
        *who,
        verb,
        f" for {bound(max((change.interruption.seconds for change in found), default=0))}{each}",
    )


def _changing(preview: Preview) -> Phrase:
    ends = _serving(preview, "Ends")
    rest = "the rest is answered throughout" if ends else "all of it is answered throughout"
    only = all(change in ends for each in preview.applications for change in each.serving)
    return tally(preview) if only else (*tally(preview), f"; {rest}")


def _resources(preview: Preview) -> Phrase:
    count = sum(change.effect == "Planned" for each in preview.applications for change in each.changes)
    return (counted(count, "resource changes", "resources change"),)


def _idle(preview: Preview) -> Phrase:
    effects = [change.effect for each in preview.applications for change in each.changes]
    held = effects.count("Held")
    if held:
        return (f"nothing happens: {counted(held, 'change is', 'changes are')} held back",)
    return ("nothing happens: what the merge changes is so already" if effects else "nothing changes",)


def _does(verb: str, found: Sequence[ServingChange], owners: Owners) -> Phrase:
    _, one, many = VERBS[verb]  # type: ignore[index]  # of its keys
    return (*subject([change.key for change in found], owners), f" {one if len(found) == 1 else many}")


def subject(keys: Sequence[ResourceKey], owners: Owners) -> Phrase:
    """Whom a sentence is about: a name, or how many of what, and how many of those belong to others."""
    foreign = sum(not owners.is_own(each) for each in keys)
    if len(keys) == 1 and not foreign:
        noun = "" if keys[0].kind == "Model" else f"{keys[0].kind.lower()} "
        return noun, Name(keys[0].name)
    count = counted(len(keys), *_noun(keys))
    if not foreign:
        return (count,)
    whose = "another application" if foreign == 1 else "other applications"
    if foreign == len(keys):
        return (f"{count} of {whose}",)
    return (f"{count} ({foreign} of {whose})",)


def _noun(keys: Iterable[ResourceKey]) -> tuple[str, str]:
    kinds = sorted({each.kind for each in keys})
    if len(kinds) == 1:
        noun = kinds[0].lower()
        return noun, f"{noun}s"
    return "resource", "resources"

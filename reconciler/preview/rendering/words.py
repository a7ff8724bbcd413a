"""The words of a preview, decided once: Markdown, HTML and the terminal only set it.

Pure. A phrase is a tuple of texts in which names stand apart as :class:`Name`, so that each renderer can mark
and escape them in its own way. Numbers come first, and nothing here is longer than a line.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from placement.inventory import ReplicaId
from placement.quantity import readable_bytes
from reconciler.preview.preview import Break, Preview, ReplicaChange, Standing, Total, Verb, Verdict
from runtime.routes import Route, Target
from schemas.problem import Problem
from schemas.resource import ResourceKey

SHORT: Final = 7
"""Characters of a version or a commit."""
PLAN: Final = 12
"""Characters of a plan's digest, as every command takes them."""
NO_REMEDY: Final = "no single change helps"
ARTIFACTS: Final = (
    "Artifacts are fetched by the sync: whether they exist and what they hold is not part of the plan."
)


class Name(str):
    """A name that somebody chose, within a phrase."""

    __slots__ = ()


Phrase = tuple[str, ...]

SYMBOLS: Final[dict[Verdict, str]] = {
    "NoChange": "⚪",
    "Safe": "✅",
    "ChangesServing": "🔄",
    "PartiallyPlaced": "🟡",
    "InterruptsServing": "⚠️",
    "CannotBePlaced": "⛔",
    "StopsServing": "🛑",
    "InvalidManifests": "❌",
}
TITLES: Final[dict[Verdict, str]] = {
    "NoChange": "No change",
    "Safe": "Safe",
    "ChangesServing": "Changes serving",
    "PartiallyPlaced": "Partly placed",
    "InterruptsServing": "Interrupts serving",
    "CannotBePlaced": "Cannot be placed",
    "StopsServing": "Stops serving",
    "InvalidManifests": "Invalid manifests",
}
VERBS: Final[dict[Verb, tuple[str, str, str]]] = {
    "Unplaced": ("finds no place", "finds no place", "find no place"),
    "Removed": ("deleted", "is deleted", "are deleted"),
    "Unloaded": ("scaled to zero", "is scaled to zero", "are scaled to zero"),
    "FewerReplicas": ("fewer replicas", "gets fewer replicas", "get fewer replicas"),
    "NewVersion": ("new version", "gets a new version", "get a new version"),
    "Moved": ("moved", "moves to another server replica", "move to other server replicas"),
    "Rerouted": ("routed differently", "is routed differently", "are routed differently"),
    "MoreReplicas": ("more replicas", "gets more replicas", "get more replicas"),
    "Placed": ("placed now", "finds a place now", "find a place now"),
    "Added": ("added", "is added", "are added"),
}
"""In a cell, after one name, after a number; most severe first."""


def counted(number: int, noun: str, many: str = "") -> str:
    """``1 model``, ``3 models``."""
    return f"{number} {noun}" if number == 1 else f"{number} {many or f'{noun}s'}"


def plain_phrase(phrase: Iterable[str]) -> str:
    """A phrase where nothing can be marked."""
    return "".join(phrase)


def joined(phrases: Iterable[Phrase], between: str = ", ", last: str = "") -> Phrase:
    """One phrase of several; ``last`` stands before the last one instead of ``between``."""
    found = [phrase for phrase in phrases if phrase]
    said: list[str] = []
    for number, phrase in enumerate(found):
        if number:
            said.append(last if last and number == len(found) - 1 else between)
        said.extend(phrase)
    return tuple(said)


def duration(seconds: int) -> str:
    """``45 s``, ``15 min``, ``2 h 16 min``: never less than it is."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(-(-seconds // 60), 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{minutes} min"] if minutes else parts)


def bound(seconds: int) -> str:
    """How long nobody answers at most, and how long mostly."""
    return f"up to {duration(seconds)} (usually seconds)"


def interruption(found: Break) -> str:
    """Whether requests go unanswered, for a cell."""
    match found.kind:
        case "None":
            return "none"
        case "Bounded":
            return bound(found.seconds)
        case "Unknown":
            return f"of unknown length: {found.why}" if found.why else "of unknown length"
        case "Ends":
            return "ends, on purpose"
        case "Stops":
            return f"stops: {found.why}" if found.why else "stops"
    return "not served before"


def aside(found: Break) -> str:
    """The same behind a verb, for those who are only counted."""
    match found.kind:
        case "None":
            return ", answered throughout"
        case "Bounded":
            return f", not served for {bound(found.seconds)}"
        case "Unknown":
            return ", not served for a while of unknown length"
        case "Stops":
            return ", nothing answers any more"
    return ""


def called(resource: ResourceKey, namespace: str) -> str:
    """A model or experiment by name, with its namespace where that is not the one that is understood."""
    name = resource.name if resource.namespace == namespace else f"{resource.namespace}/{resource.name}"
    return name if resource.kind == "Model" else f"{resource.kind.lower()} {name}"


def version(standing: Standing | None) -> Name:
    """``1a2b3c4 (_3)``: the digest, and the number where it has one already."""
    if standing is None:
        return Name()
    number = f" (_{standing.number})" if standing.number else ""
    return Name(standing.version[:SHORT] + number)


def arrow(before: str, after: str, nothing: str = "none") -> Phrase:
    """``a → b``; once where both are the same; empty where there is neither."""
    if before == after:
        return (before,) if before else ()
    return before or nothing, " → ", after or nothing


def replica(at: ReplicaId) -> str:
    """A server replica; an alias has no namespace."""
    return str(at) if at.namespace else f"{at.server}/{at.index}"


def amounts(before: int, after: int) -> str:
    """``5.2Gi → 6.1Gi``, or ``5.2Gi +20Mi`` where rounding would hide the difference."""
    texts = readable_bytes(before), readable_bytes(after)
    if before == after or texts[0] != texts[1]:
        return plain_phrase(arrow(*texts))
    return f"{texts[0]} {'+' if after > before else '−'}{readable_bytes(abs(after - before))}"


def memory(change: ReplicaChange) -> str:
    """``5.2Gi → 6.1Gi of 8.8Gi``, and what else is to be said of a replica's state."""
    if change.after is None:
        freed = change.before.used if change.before is not None else 0
        return f"stops, frees {readable_bytes(freed)}" if freed else "stops"
    room = change.after
    new = f"new, {readable_bytes(room.used)}"
    used = new if change.before is None else amounts(change.before.used, room.used)
    parts = [f"{used} of {readable_bytes(room.limit)}"]
    parts += [f"{readable_bytes(room.overcommitted)} overcommitted"] if room.overcommitted else []
    waits = change.before is not None and change.waiting != change.before.used
    parts += [f"{readable_bytes(change.waiting)} without the merge"] if waits else []
    parts += [room.state] if room.state not in ("Ready", "Pending") else []
    return ", ".join(parts)


def capacity(before: Total, after: Total) -> str:
    """All server replicas together."""
    used, limit = amounts(before.used, after.used), amounts(before.limit, after.limit)
    replicas = plain_phrase(arrow(str(before.replicas), str(after.replicas)))
    noun = "server replica" if replicas == "1" else "server replicas"
    return f"memory {used} used of {limit} on {replicas} {noun}"


def target(found: Target) -> str:
    """A version and the server replicas that answer for it."""
    places = ", ".join(f"{at.server}/{at.index}" for at in found.replicas)
    return f"{found.model}@{found.version[:SHORT]} on {places or 'none'}"


def route(found: Route | None) -> Phrase:
    """``60% iris@1a2b3c4 on mlserver/0 + 40% wine@9f8e7d6 on mlserver/1, copy of 10% to pear@1a2b3c4 on gpu/0``."""
    if found is None:
        return ("nothing",)
    total = sum(weighted.weight for weighted in found.targets) or 1
    split = len(found.targets) > 1
    parts = [
        (f"{each.weight * 100 / total:.3g}% " if split else "") + target(each.target)
        for each in found.targets
    ]
    mirror = found.mirror
    copy = f", copy of {mirror.percent}% to {target(mirror.target)}" if mirror is not None else ""
    return (Name(" + ".join(parts) + copy),)


def place(problem: Problem) -> str:
    """``models/iris.yaml:7:3``; the whole file where no line is known."""
    if not problem.line:
        return problem.file
    return f"{problem.file}:{problem.line}" + (f":{problem.column}" if problem.column else "")


def problem_words(problem: Problem) -> str:
    """What is wrong, and what to do about it."""
    path = f"{problem.path}: " if problem.path else ""
    return f"{path}{problem.message}" + (f" ({problem.hint})" if problem.hint else "")


def compared(preview: Preview) -> Phrase:
    """Which commits were planned."""
    head, base = Name(preview.head[:SHORT]), Name(preview.base[:SHORT])
    if preview.merged:
        return "planned from the merge of ", head, " into ", base
    return "planned from ", head, " itself, compared with ", base


def plans(preview: Preview) -> Sequence[Phrase]:
    """The digest of each application's plan, as a sync writes it down."""
    return [
        ("plan of ", Name(each.application), ": ", Name(each.plan.digest[:PLAN]))
        for each in preview.applications
    ]

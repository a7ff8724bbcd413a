"""What annotations tell the order of a sync, on resources of every kind.

    moorage.dev/sync-wave: "-5"                        −1000 to 1000, 0 where nothing is said
    moorage.dev/depends-on: "Model/a, Server/ns/b"     kind/name in the own namespace, or kind/namespace/name

Reading only; :mod:`schemas.semantics.annotations` reports with a place what cannot be read here, and
:mod:`schemas.relations` what is named and is not there.
"""

import re
from collections.abc import Mapping

from schemas.errors import InputError
from schemas.finding import did_you_mean, shown
from schemas.names import name_findings
from schemas.resource import DEFAULT_NAMESPACE, KINDS, ResourceKey, key

SYNC_WAVE_ANNOTATION = "moorage.dev/sync-wave"
DEPENDS_ON_ANNOTATION = "moorage.dev/depends-on"

LAST_WAVE = 1000
MOST_DEPENDENCIES = 32

_LONGEST = 16_384
_WAVE = re.compile(r"[+-]?[0-9]{1,4}")
_EXAMPLE = "write kind/name or kind/namespace/name, such as Model/iris, Server/serving/mlserver"


def wave_of(annotations: Mapping[str, str]) -> int:
    """When the resource's turn is: after everything of a lower number. Raises InputError ``InvalidSyncWave``."""
    text = annotations.get(SYNC_WAVE_ANNOTATION, "0").strip()
    if not _WAVE.fullmatch(text) or abs(int(text)) > LAST_WAVE:
        message = f"{shown(text)!r} is no whole number from -{LAST_WAVE} to {LAST_WAVE}"
        raise InputError("InvalidSyncWave", message, "0 is what counts where nothing is said")
    return int(text)


def dependencies_of(
    annotations: Mapping[str, str], namespace: str = DEFAULT_NAMESPACE
) -> tuple[ResourceKey, ...]:
    """The resources that come first, sorted; ``namespace`` is where one without its own is looked for.

    Raises InputError ``InvalidDependsOn``.
    """
    text = annotations.get(DEPENDS_ON_ANNOTATION, "")
    if len(text) > _LONGEST:
        raise _refusal(f"{len(text)} characters, at most {_LONGEST} are read", "name fewer resources")
    parts = text.split(",") if text.strip() else []
    if len(parts) > MOST_DEPENDENCIES:
        message = f"{len(parts)} resources, at most {MOST_DEPENDENCIES} are read"
        raise _refusal(message, "give what comes first a sync wave of its own")
    return tuple(sorted({_named(part.strip(), namespace) for part in parts}))


def _named(text: str, namespace: str) -> ResourceKey:
    kind, *names = (piece.strip() for piece in text.split("/"))
    if len(names) not in (1, 2):
        raise _refusal(f"{shown(text)!r} names no resource", _EXAMPLE)
    if kind not in KINDS:
        raise _refusal(f"{shown(kind)!r} is no kind", did_you_mean(kind, KINDS) or _EXAMPLE)
    named = key(kind, names[0] if len(names) == 2 else namespace, names[-1])
    finding = next((found for found in name_findings(named) if len(names) == 2 or "name" in found.path), None)
    if finding is not None:
        raise _refusal(finding.message, finding.hint)
    return named


def _refusal(message: str, hint: str) -> InputError:
    return InputError("InvalidDependsOn", message, hint)

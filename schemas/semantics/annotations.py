"""Rules of the annotations that placement and the order of a sync read, on the kinds where they have a meaning."""

from collections.abc import Callable, Iterator, Mapping

from schemas.errors import InputError
from schemas.finding import Finding
from schemas.order_annotations import (
    DEPENDS_ON_ANNOTATION,
    SYNC_WAVE_ANNOTATION,
    dependencies_of,
    wave_of,
)
from schemas.placement_annotations import (
    PRIORITY_ANNOTATION,
    RESOURCES_ANNOTATION,
    UPDATE_STRATEGY_ANNOTATION,
    priority_of,
    recreates,
    resources_of,
)

_Readers = Mapping[str, Callable[[Mapping[str, str]], object]]

_READERS: Mapping[str, _Readers] = {
    "Model": {
        RESOURCES_ANNOTATION: resources_of,
        PRIORITY_ANNOTATION: priority_of,
        UPDATE_STRATEGY_ANNOTATION: recreates,
    },
    "Server": {RESOURCES_ANNOTATION: resources_of},
}
_ON_EVERY_KIND: _Readers = {SYNC_WAVE_ANNOTATION: wave_of, DEPENDS_ON_ANNOTATION: dependencies_of}


def annotation_findings(kind: str, annotations: Mapping[str, str]) -> Iterator[Finding]:
    """What cannot be read, in the order of the annotations' meaning: resources, priority, strategy,
    wave, dependencies."""
    for name, read in (*_READERS.get(kind, {}).items(), *_ON_EVERY_KIND.items()):
        if name in annotations:
            try:
                read(annotations)
            except InputError as error:
                yield Finding(error.reason, ("metadata", "annotations", name), error.message, error.hint)

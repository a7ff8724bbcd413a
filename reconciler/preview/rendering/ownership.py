"""Whose the things are that a preview speaks of: of its own applications, of nobody, or of others.

Pure, and worked out of the preview itself. Of what nobody knows the owner is taken for another's: it is
counted and not named.
"""

from collections.abc import Iterator

from reconciler.config import CONFIGURATION
from reconciler.preview.preview import Preview
from schemas.resource import ResourceKey, key

OTHERS = "another application"
"""Stands for every other application where none may be named. No application can be called so."""
NOBODY = frozenset({"", CONFIGURATION})


class Owners:
    """Who owns what ``preview`` names."""

    def __init__(self, preview: Preview) -> None:
        self.applications = frozenset(each.application for each in preview.applications)
        self._owners = dict(_owned(preview))

    def is_own(self, resource: ResourceKey) -> bool:
        """True for what belongs to the preview's applications or to nobody."""
        owner = self._owners.get(resource)
        return owner is not None and self.is_own_name(owner)

    def is_own_name(self, owner: str) -> bool:
        """True for one of the preview's applications, and for nobody."""
        return owner in self.applications or owner in NOBODY

    def keys(self, *, own: bool) -> Iterator[ResourceKey]:
        """Everything of that side, sorted."""
        return (each for each in sorted(self._owners) if self.is_own(each) is own)

    def others(self) -> frozenset[str]:
        """Names of the other applications that own something."""
        return frozenset(owner for owner in self._owners.values() if not self.is_own_name(owner))


def _owned(preview: Preview) -> Iterator[tuple[ResourceKey, str]]:
    """Later ones count: what an application declares in Git is named there already."""
    for each in preview.applications:
        yield from ((failure.key, each.application) for failure in each.waiting_failures)
    for replica in preview.replicas:
        yield key("Server", replica.replica.namespace, replica.replica.server), replica.owner
        for model in (*replica.comes, *replica.goes, *replica.stays):
            yield key("Model", model.namespace, model.model), model.owner
    for each in preview.applications:
        yield from ((change.key, change.owner) for change in each.serving)
    for each in preview.applications:
        yield from ((planned.key, each.application) for planned in each.plan.changes)
        changes = (change for change in each.changes if change.reason != "OwnedByOther")
        yield from ((change.key, each.application) for change in changes)

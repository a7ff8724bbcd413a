"""Both sides of a pull request, read from Git objects: what each application wants before and after the merge.

Nothing of a pull request is checked out, run or fetched beside its objects, and what is read is read by the
same source and the same checks as after the merge. A blob is read once, however many pull requests hold it.
Blocks; callers run it in a thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from pathlib import Path

from reconciler.config import ApplicationConfig
from reconciler.desired import Desired
from reconciler.source.git import GitSource, Snapshot
from reconciler.source.merging import scratch
from reconciler.source.readings import Readings
from schemas.errors import InputError
from schemas.problem import Problem
from schemas.resource import Resource


@dataclass(frozen=True)
class Sides:
    """One application before and after."""

    application: ApplicationConfig
    base: Desired
    head: Desired

    @property
    def same(self) -> bool:
        """True where the merge changes nothing that the application reads."""
        return self.base.tree == self.head.tree


@dataclass(frozen=True)
class Comparison:
    """What is compared, by commits, and the applications that it concerns, in sync order."""

    base: str
    head: str
    sides: tuple[Sides, ...]


class Reader:
    """Reads pull requests of one repository for ``applications``; ``known`` is what manifests may refer to
    without declaring it."""

    def __init__(self, applications: Sequence[ApplicationConfig], known: Sequence[Resource] = ()) -> None:
        self._applications = sync_order(applications)
        self._readings = {
            each.name: _Reading(Readings(each.name, each.namespace, known)) for each in applications
        }

    def read(self, repository: Path, base: str, head: str, *, merge: bool) -> Comparison:
        """``head`` against ``base``, which the repository in that folder has; with ``merge`` the merge result
        of the two. Nothing is written there.

        Raises InputError ``RevisionNotFound``, ``MergeConflict`` or ``NoMergeBase``, and what a source raises.
        """
        with scratch(repository) as objects:
            before, after = objects.resolve(base), objects.resolve(head)
            wanted = objects.merge(before, after) if merge else after
            sides = [self._sides(each, objects.folder, before, wanted) for each in self._applications]
            return Comparison(before, after, tuple(_concerned(sides)))

    def _sides(self, application: ApplicationConfig, folder: Path, base: str, head: str) -> Sides:
        reading = self._readings[application.name]
        source = GitSource(str(folder), base, application.path, folder)
        before, missing = reading.desired(source, base)
        if missing:
            before = Desired(application.name, application.namespace, base, "")
        after, gone = reading.desired(source, head)
        if gone and missing:
            return Sides(application, before, before)
        if gone:  # the source will be unreadable, and whatever runs goes on
            hint = "keep the folder, or change the application's path first"
            problem = Problem("error", "PathNotFound", application.path, 0, 0, "", "", "", "", gone, hint)
            after = replace(before, revision=head, tree="", problems=(*before.problems, problem))
        return Sides(application, before, after)


@dataclass
class _Reading:
    """What was read of one application, so that the next revision costs what differs."""

    readings: Readings
    last: Snapshot | None = field(default=None)

    def desired(self, source: GitSource, commit: str) -> tuple[Desired, str]:
        """What is wanted at ``commit``; and why nothing can be, where the application's folder is not there."""
        try:
            self.last = source.snapshot(self.last, commit)
        except InputError as error:
            if error.reason != "PathNotFound":
                raise
            return Desired("", "", commit, ""), error.message
        return self.readings.desired(self.last, source.blob), ""


def _concerned(sides: Iterable[Sides]) -> Iterator[Sides]:
    """Those that the merge changes, and those that depend on them: these may have waited for just that."""
    found: set[str] = set()
    for each in sides:
        if not each.same or found.intersection(each.application.sync.depends_on):
            found.add(each.application.name)
            yield each


def sync_order(applications: Sequence[ApplicationConfig]) -> tuple[ApplicationConfig, ...]:
    """Each after those it depends on, else by name: the order in which one push to all of them is synced."""
    by_name = {each.name: each for each in sorted(applications, key=lambda each: each.name)}
    order = TopologicalSorter(_dependencies(by_name))
    order.prepare()
    found: list[ApplicationConfig] = []
    while order.is_active():
        ready = sorted(order.get_ready())
        found.extend(by_name[name] for name in ready)
        order.done(*ready)
    return tuple(found)


def _dependencies(by_name: Mapping[str, ApplicationConfig]) -> dict[str, list[str]]:
    return {
        name: [other for other in each.sync.depends_on if other in by_name] for name, each in by_name.items()
    }

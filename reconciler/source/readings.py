"""Blobs read once: a source's snapshot to its desired state, at a cost that follows the change.

Each manifest file is parsed and checked once per (path, blob); a commit that leaves the tree as it
was costs nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.desired import Desired, desired_state
from reconciler.source.git import Snapshot
from schemas.load import FileReading, combine, read_file
from schemas.resource import Resource


class Readings:
    """The readings of one application's files, kept from revision to revision.

    ``known`` are resources declared elsewhere: what refers to them refers to something.
    """

    def __init__(self, application: str, namespace: str, known: Sequence[Resource] = ()) -> None:
        self._application = application
        self._namespace = namespace
        self._known = tuple(known)
        self._files: dict[tuple[str, str], FileReading] = {}
        self._last: tuple[str, Desired] | None = None

    def desired(self, snapshot: Snapshot, read_blob: Callable[[str], bytes]) -> Desired:
        """The desired state of ``snapshot``; ``read_blob`` is asked only for blobs not yet seen."""
        if self._last is not None and self._last[0] == snapshot.digest:
            return _of_commit(self._last[1], snapshot)
        files = {
            (path, entry.blob): self._files.get((path, entry.blob))
            or read_file(path, read_blob(entry.blob), self._namespace)
            for path, entry in snapshot.entries.items()
        }
        self._files = files
        desired = desired_state(
            self._application,
            self._namespace,
            snapshot.revision,
            snapshot.digest,
            combine(files.values(), self._known),
            snapshot.refused,
        )
        self._last = (snapshot.digest, desired)
        return _of_commit(desired, snapshot)


def _of_commit(desired: Desired, snapshot: Snapshot) -> Desired:
    return replace(desired, revision=snapshot.revision, author=snapshot.author, message=snapshot.message)

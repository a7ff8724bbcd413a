"""What an application follows: a Git source, or what the configuration declares.

Both answer the same three questions: what is wanted now, who said so, and when to look again. The
controller and the commands that work without one ask through the same protocol.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from reconciler.config import CONFIGURATION, ApplicationConfig
from reconciler.control.sync_policy import PrunePolicy, SyncPolicy
from reconciler.desired import Desired
from reconciler.source.git import GitSource, Snapshot
from reconciler.source.readings import Readings
from reconciler.source.urls import redacted
from reconciler.source.watch import watch
from reconciler.status import ApplicationSource
from schemas.codec import digest
from schemas.resource import DEFAULT_NAMESPACE, Resource


class Source(Protocol):
    """The source of one application."""

    config: ApplicationConfig

    @property
    def shown(self) -> ApplicationSource:
        """What is followed, safe to show."""

    def read(self, revision: str | None = None) -> Desired:
        """What is wanted now, or at another ``revision`` than is followed. Blocks; raises InputError or
        TransientError."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What is read, whatever the sync policy is; equal for two sources that read the same."""

    def hints(self) -> AsyncIterator[None]:
        """Yields whenever the source should be read again."""


class GitApplication:
    """A :class:`Source` in Git; a remote repository is mirrored below ``mirrors``.

    ``known`` is what its manifests may refer to without declaring it.
    """

    def __init__(self, config: ApplicationConfig, mirrors: Path, known: Sequence[Resource] = ()) -> None:
        self.config = config
        self._git = GitSource(
            config.repository,
            config.revision,
            config.path,
            mirrors / config.name,
            config.credentials,
            config.verify,
        )
        self._known = tuple(known)
        self._readings = Readings(config.name, config.namespace, known)
        self._snapshot: Snapshot | None = None
        self._reading = threading.Lock()  # libgit2's objects are not for two threads at once

    @property
    def shown(self) -> ApplicationSource:
        """Repository, revision and path, without credentials."""
        config = self.config
        repository = redacted(config.repository)
        return ApplicationSource(config.name, repository, config.revision, config.path, config.namespace)

    def read(self, revision: str | None = None) -> Desired:
        """Fetch where the repository is remote, and read the tree of the revision."""
        with self._reading:
            self._git.fetch()
            snapshot = self._git.snapshot(self._snapshot, revision)
            desired = self._readings.desired(snapshot, self._git.blob)
            self._snapshot = snapshot
            return desired

    @property
    def identity(self) -> tuple[object, ...]:
        """Repository, revision, path, namespace, interval and what may be referred to."""
        return replace(self.config, sync=DECLARED_SYNC), self._known

    def hints(self) -> AsyncIterator[None]:
        """Polls, and watches a local repository."""
        return watch(self._git, self.config.interval)


DECLARED_SYNC = SyncPolicy(prune=PrunePolicy(allow_empty=True))
"""An empty list in the configuration is a wish, not an accident."""


class DeclaredApplication:
    """A :class:`Source` that never moves: ``resources`` as the configuration declares them."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.config = ApplicationConfig(CONFIGURATION, "", "", sync=DECLARED_SYNC)
        self.shown = ApplicationSource(CONFIGURATION, "", "", "", DEFAULT_NAMESPACE)
        self._resources = tuple(sorted(resources, key=lambda resource: resource.key))

    @property
    def identity(self) -> tuple[object, ...]:
        """What is declared."""
        return self._resources

    def read(self, revision: str | None = None) -> Desired:  # noqa: ARG002 (what is declared has one revision)
        """What is declared; its revision is the digest of it."""
        tree = digest([resource.digest for resource in self._resources])
        return Desired(CONFIGURATION, DEFAULT_NAMESPACE, tree, tree, self._resources)

    async def hints(self) -> AsyncIterator[None]:
        """None, ever: another configuration is another process."""
        await asyncio.Event().wait()
        yield

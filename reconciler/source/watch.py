"""Hints that a source may have moved: inotify for a local repository, a poll with jitter for the rest.

A hint only says *look*. A local repository is polled too, at the same interval: a missed event on a
network file system must not lose a push.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from watchfiles import awatch

from reconciler.source.git import GitSource

log = structlog.get_logger(__name__)

JITTER = 0.1
"""Share of the interval by which a poll comes earlier or later, so that many do not come at once."""
DEBOUNCE_MS = 20


async def watch(source: GitSource, interval: float) -> AsyncIterator[None]:
    """Yields whenever ``source`` should be looked at; ``interval`` is seconds between polls."""
    hints: asyncio.Queue[None] = asyncio.Queue(maxsize=1)

    def hint() -> None:
        if hints.empty():
            hints.put_nowait(None)

    async def poll() -> None:
        while True:
            await asyncio.sleep(interval * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 (no secret)
            hint()

    async def follow(folder: Path, recursive: bool) -> None:
        # Without watch_filter=None watchfiles leaves out everything below a folder named .git.
        events = awatch(
            folder, watch_filter=None, debounce=DEBOUNCE_MS, step=DEBOUNCE_MS, recursive=recursive
        )
        try:
            async for _ in events:
                hint()
        except (OSError, RuntimeError) as error:  # inotify's limits, a folder that is gone
            log.warning("cannot watch, only polling", folder=str(folder), error=str(error))

    tasks = [asyncio.create_task(poll())]
    tasks.extend(asyncio.create_task(follow(*folder)) for folder in _ref_folders(source))
    try:
        while True:
            await hints.get()
            yield
    finally:
        for task in tasks:
            task.cancel()


def _ref_folders(source: GitSource) -> list[tuple[Path, bool]]:
    """Where a local repository keeps its refs, and whether below that too. Objects are left out: they
    change long before a ref does. ``packed-refs`` and HEAD stand beside ``refs``."""
    git = source.git_folder()
    if git is None:
        return []
    return [
        (folder, recursive) for folder, recursive in ((git / "refs", True), (git, False)) if folder.is_dir()
    ]

"""Hints that a source may have moved: inotify for a local repository, a poll with jitter for the rest.

A hint only says *look*. A local repository is polled too, at the same interval: a missed event on a
network file system must not lose a push.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch

from reconciler.source.git import GitSource

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

    async def follow(folder: Path) -> None:
        async for _ in awatch(folder, debounce=DEBOUNCE_MS, step=DEBOUNCE_MS, recursive=True):
            hint()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(poll())
        for folder in _ref_folders(source):
            tasks.create_task(follow(folder))
        while True:
            await hints.get()
            yield


def _ref_folders(source: GitSource) -> list[Path]:
    """Where a local repository keeps its refs; objects are left out: they change long before a ref does."""
    if source.local is None:
        return []
    git = source.local / ".git" if (source.local / ".git").is_dir() else source.local
    return [git / "refs"] if (git / "refs").is_dir() else []

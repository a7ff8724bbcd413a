"""Hints that a source may have moved: inotify for a local repository, a poll with jitter for the rest.

A hint only says *look*. A local repository is polled too, at the same interval: a missed event on a
network file system, or a machine without inotify watches to spare, must not lose a push.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pygit2
import structlog
from watchfiles import Change, awatch

from reconciler.source.git import GitSource

log = structlog.get_logger(__name__)

JITTER = 0.1
"""Share of the interval by which a poll comes earlier or later, so that many do not come at once."""
DEBOUNCE_MS = 20
_NAMES = frozenset({"HEAD", "packed-refs", "refs"})
"""What says where branches are, beside the folder of refs. Objects change long before a ref does."""

Hint = Callable[[], None]


async def watch(source: GitSource, interval: float) -> AsyncIterator[None]:
    """Yields whenever ``source`` should be looked at; ``interval`` is seconds between polls."""
    hints: asyncio.Queue[None] = asyncio.Queue(maxsize=1)

    def hint() -> None:
        if hints.empty():
            hints.put_nowait(None)

    # No task group around a yield: it would turn the end of this generator into an error.
    listening = asyncio.ensure_future(_listen_to_all(source, interval, hint))
    listening.add_done_callback(lambda _: hint())
    try:
        while True:
            await hints.get()
            if listening.done():
                await listening
            yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def _listen_to_all(source: GitSource, interval: float, hint: Hint) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_poll(interval, hint))
        if source.local is not None:
            tasks.create_task(_follow(source.local, interval, hint))


async def _poll(interval: float, hint: Hint) -> None:
    while True:
        await asyncio.sleep(interval * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 (no secret)
        hint()


async def _follow(repository: Path, interval: float, hint: Hint) -> None:
    """Follow a repository through everything that may happen to its folders; at worst the poll is left."""
    told = False
    while True:
        folders = _folders(repository)
        try:
            if folders:
                await _listen(repository, folders, interval, hint)
            else:
                await asyncio.sleep(interval)
        except* (OSError, RuntimeError) as errors:  # no inotify watches to spare, a folder just gone
            if not told:
                why = str(errors.exceptions[0])
                log.warning("repository is only polled", repository=str(repository), error=why)
            told = True
            await asyncio.sleep(interval)
        hint()


async def _listen(repository: Path, folders: Mapping[Path, int], interval: float, hint: Hint) -> None:
    """Hint until one of ``folders`` is taken away or made anew: who listens to the old one hears nothing."""
    stop = asyncio.Event()

    async def follow(folder: Path) -> None:
        recursive = folder.name == "refs"

        def counts(_: Change, path: str) -> bool:
            return recursive or Path(path).name in _NAMES

        # The default filter would leave out whatever lies below a folder called .git.
        async for changes in awatch(
            folder,
            watch_filter=counts,
            debounce=DEBOUNCE_MS,
            step=DEBOUNCE_MS,
            recursive=recursive,
            stop_event=stop,
            rust_timeout=int(1000 * interval),
            yield_on_timeout=True,
        ):
            if changes:
                hint()
            if _folders(repository) != folders:
                stop.set()

    async with asyncio.TaskGroup() as tasks:
        for folder in folders:
            tasks.create_task(follow(folder))


def _folders(repository: Path) -> dict[Path, int]:
    """The folders of a repository that say where branches are, with their inodes: Git's own, in a linked
    work tree also the common one, and the refs. None where there is no repository."""
    try:
        own = Path(pygit2.Repository(str(repository)).path)
        link = own / "commondir"
        common = (own / link.read_text().strip()).resolve() if link.is_file() else own
        return {folder: folder.stat().st_ino for folder in (own, common, common / "refs")}
    except (pygit2.GitError, OSError):
        return {}

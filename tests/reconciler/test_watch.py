"""Hints: every way in which a ref can move wakes whoever watches."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reconciler.source.git import GitSource
from reconciler.source.watch import watch
from tests.reconciler.repositories import Repository, git

NEVER = 3600.0
"""Seconds between polls where only inotify may help."""


class Hints:
    """What a watch has hinted at so far."""

    def __init__(self, place: Path, interval: float) -> None:
        self._source = GitSource(str(place), "main", "", Path("/nonexistent"))
        self._interval = interval
        self._came = asyncio.Event()

    async def listen(self) -> None:
        async for _ in watch(self._source, self._interval):
            self._came.set()

    async def after(self, move: Callable[[], object]) -> None:
        """Wait for a hint that comes after ``move``."""
        await self.silence()
        move()
        async with asyncio.timeout(60):
            await self._came.wait()

    async def standing(self, move: Callable[[], object]) -> None:
        """Wait until the watch stands: repeat a move until it is heard."""
        for _ in range(500):
            move()
            await asyncio.sleep(0.1)
            if self._came.is_set():
                return
        raise AssertionError("the watch hears nothing")

    async def silence(self) -> None:
        """Wait until nothing has been hinted at for a while, and forget what was."""
        while True:
            self._came.clear()
            await asyncio.sleep(0.15)
            if not self._came.is_set():
                return


@asynccontextmanager
async def watching(place: Path, interval: float = NEVER) -> AsyncIterator[Hints]:
    hints = Hints(place, interval)
    listening = asyncio.create_task(hints.listen())
    try:
        yield hints
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())


@pytest.fixture(params=[True, False], ids=["bare", "with a work tree"])
def repository(request, tmp_path):
    made = Repository(tmp_path / "r", bare=request.param)
    made.commit({"a.yaml": "0"})
    return made


def pusher(repository: Repository, branch: str = "main") -> Callable[[], object]:
    """Every call is another commit."""
    numbers = iter(range(1, 1_000_000))
    return lambda: repository.commit({"a.yaml": str(next(numbers))}, branch)


def test_commit_hints(repository):
    """In a bare repository and in one with a work tree."""

    async def story():
        async with watching(repository.folder) as hints:
            await hints.standing(pusher(repository))
            await hints.after(pusher(repository))

    run(story)


def test_push_from_elsewhere_hints(tmp_path):
    """git's own push into a bare repository."""
    repository = Repository(tmp_path / "r.git")
    repository.commit({"a.yaml": "0"})
    git("clone", "-q", str(repository.folder), "clone", at=tmp_path)
    clone = tmp_path / "clone"

    def push() -> None:
        git("commit", "-q", "--allow-empty", "-m", "x", at=clone)
        git("push", "-q", "origin", "HEAD:main", at=clone)

    async def story():
        async with watching(repository.folder) as hints:
            await hints.standing(pusher(repository, "other"))
            await hints.after(push)

    run(story)


def test_refs_that_were_packed_still_hint(repository):
    """After git pack-refs and git gc a branch is a line in a file; its next commit is a file again, and
    its end a change of the line."""
    at = Path(repository.git.path)

    async def story():
        push, nested = pusher(repository), pusher(repository, "deep/er/branch")
        nested()
        async with watching(repository.folder) as hints:
            await hints.standing(push)
            git("pack-refs", "--all", "--prune", at=at)
            await hints.after(push)
            await hints.after(nested)
            git("gc", "-q", at=at)
            await hints.after(push)
            git("pack-refs", "--all", "--prune", at=at)
            await hints.after(lambda: git("update-ref", "-d", "refs/heads/deep/er/branch", at=at))

    run(story)


def test_another_head_hints(repository):
    """Who follows HEAD is told when it names another branch."""
    at = Path(repository.git.path)

    async def story():
        push = pusher(repository)
        repository.commit({"b.yaml": "1"}, "other")
        async with watching(repository.folder) as hints:
            await hints.standing(push)
            await hints.after(lambda: git("symbolic-ref", "HEAD", "refs/heads/other", at=at))

    run(story)


def test_objects_alone_do_not_hint(repository):
    """They are written long before a ref moves."""

    async def story():
        async with watching(repository.folder) as hints:
            await hints.standing(pusher(repository))
            await hints.silence()
            for number in range(20):
                repository.git.create_blob(str(number).encode())
            await asyncio.sleep(0.3)
            assert not hints._came.is_set()

    run(story)


def test_linked_work_tree_hints(tmp_path):
    """Its .git is a file, its refs are those of the main one."""
    repository = Repository(tmp_path / "r", bare=False)
    repository.commit({"a.yaml": "0"})
    git(
        "worktree",
        "add",
        "-q",
        "--no-checkout",
        "-b",
        "linked",
        str(tmp_path / "linked"),
        "main",
        at=repository.folder,
    )

    async def story():
        async with watching(tmp_path / "linked") as hints:
            await hints.standing(pusher(repository, "other"))
            await hints.after(lambda: git("commit", "-q", "--allow-empty", "-m", "x", at=tmp_path / "linked"))

    run(story)


def test_replaced_refs_are_followed(repository):
    """Somebody restores a backup: the folder is another one, and pushes into it are heard."""
    refs = Path(repository.git.path) / "refs"
    other = refs.with_name("refs.new")

    def replace() -> None:
        shutil.copytree(refs, other)
        shutil.rmtree(refs)
        other.rename(refs)

    async def story():
        push = pusher(repository)
        async with watching(repository.folder) as hints:
            await hints.standing(push)
            await hints.after(replace)
            await hints.silence()
            await hints.standing(push)
            await hints.after(push)

    run(story)


def test_repository_made_anew_is_followed(tmp_path):
    """The whole repository is taken away and another one put there."""
    place = tmp_path / "r.git"
    first = Repository(place)
    first.commit({"a.yaml": "0"})

    async def story():
        async with watching(place, interval=0.3) as hints:
            await hints.standing(pusher(first))
            shutil.rmtree(place)
            await hints.after(pusher(Repository(place)))

    run(story)


@pytest.mark.parametrize("place", ["https://127.0.0.1:1/r.git", "absent"])
def test_poll_is_what_is_left(tmp_path, place):
    """A remote repository, and a local one that is not there yet, are looked at again and again."""
    where = place if "://" in place else str(tmp_path / place)

    async def story():
        hints = watch(GitSource(where, "main", "", tmp_path / "mirror"), 0.02)
        for _ in range(5):
            await anext(hints)
        await hints.aclose()

    run(story)

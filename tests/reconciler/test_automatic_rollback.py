"""The controller going back by policy: real repositories in, a simulated world out."""

import asyncio
from pathlib import Path

import pytest

from reconciler.config import ApplicationConfig
from reconciler.control.commands import Commands, Who
from reconciler.control.rollback import AUTOMATIC
from reconciler.control.sync_policy import Backoff, SyncPolicy
from reconciler.status import ApplicationStatus
from tests.reconciler.repositories import Repository, git, model, server
from tests.reconciler.test_loop import FIRST, Gate, Running, running

AFTER = 0.3
"""Seconds; a policy for tests."""
POLICY = SyncPolicy(roll_back_after=AFTER, retry=Backoff(0.05, 1, 0.05, 2))
BASE = {"server.yaml": server(), "iris.yaml": model("iris")}
MORE = {**BASE, "wine.yaml": model("wine")}
"""What cannot be loaded as long as :func:`spoil` holds."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r.git")


def app(repository: Repository, sync: SyncPolicy = POLICY) -> ApplicationConfig:
    return ApplicationConfig("app", str(repository.folder), "main", interval=0.1, sync=sync)


def spoil(world: Gate) -> None:
    """No load of wine ends well."""
    world.inner.faults.loads[FIRST, "wine"] = "LoadFailed"


async def proven(r: Running) -> None:
    """The revision that is there has stood for long enough."""
    await r.until(
        lambda _: (trial := r.controller.followed("app").trial) is not None and trial.good is not None
    )


async def rolled_back(r: Running, good: str) -> ApplicationStatus:
    """Pinned there, and brought about."""
    return await r.until(lambda s: s.position.pin is not None and s.revision == good and s.sync == "Synced")


def test_a_bad_push_is_left_by_itself(tmp_path: Path, repository: Repository) -> None:
    """Pinned to the good revision with who and why, in status and history, and served as before; mended and
    unpinned, Git is followed again."""

    async def story() -> None:
        good = repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            await proven(r)
            spoil(r.world)
            bad = repository.commit(MORE)
            status = await rolled_back(r, good)
            pin = status.position.pin
            assert pin is not None
            assert (pin.revision, pin.said.who) == (good, AUTOMATIC)
            assert pin.said.why == f"Degraded for 0.3 s at {bad[:7]}: Model default/wine LoadFailed"
            assert (status.health, [c.reason for c in status.conditions]) == ("Healthy", ["Pinned"])
            assert await r.served() == ["iris_1"]
            last = r.history.last("app")
            assert last is not None
            assert (last.revision, last.who, last.phase) == (good, AUTOMATIC, "Succeeded")
            r.world.inner.faults.loads.clear()
            mended = repository.commit({**MORE, "wine.yaml": model("wine", "gs://mended")})
            Commands(r.controller).unpin("app")
            await r.synced(mended)
            assert await r.served() == ["iris_1", "wine_1"]

    asyncio.run(story())


def test_who_unpins_what_is_still_bad_keeps_it(tmp_path: Path, repository: Repository) -> None:
    """A revision is left by itself once."""

    async def story() -> None:
        good = repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            await proven(r)
            spoil(r.world)
            bad = repository.commit(MORE)
            await rolled_back(r, good)
            Commands(r.controller).unpin("app")
            await r.until(lambda s: s.revision == bad and s.health == "Degraded")
            await asyncio.sleep(3 * AFTER)
            status = r.controller.application("app")
            assert (status.position.pin, status.revision) == (None, bad)

    asyncio.run(story())


def test_what_was_good_is_known_after_a_restart(tmp_path: Path, repository: Repository) -> None:
    """It is kept with the history, and so is since when the current one ails."""

    async def story() -> None:
        good = repository.commit(BASE)
        world = Gate()
        async with running(tmp_path, app(repository), world=world) as r:
            await proven(r)
        spoil(world)
        repository.commit(MORE)
        async with running(tmp_path, app(repository), world=world) as r:
            await rolled_back(r, good)

    asyncio.run(story())


def test_a_person_s_pin_is_left_alone(tmp_path: Path, repository: Repository) -> None:
    """Who pins a bad revision wants it."""

    async def story() -> None:
        repository.commit(BASE)
        async with running(tmp_path, app(repository)) as r:
            await proven(r)
            spoil(r.world)
            git("update-ref", "refs/tags/v2", repository.commit(MORE), at=repository.folder)
            await Commands(r.controller).pin("app", "v2", Who("Ada"))
            await r.until(lambda s: s.position.pin is not None and s.health == "Degraded")
            await asyncio.sleep(3 * AFTER)
            pin = r.controller.application("app").position.pin
            assert pin is not None
            assert pin.said.who == "Ada"

    asyncio.run(story())


def test_a_good_revision_that_is_gone_is_not_looked_for_for_ever(
    tmp_path: Path, repository: Repository
) -> None:
    """A force push removed it; the application stays where it is."""

    async def story() -> None:
        repository.commit(BASE)
        world = Gate()
        async with running(tmp_path, app(repository), world=world) as r:
            await proven(r)
        spoil(world)
        git("update-ref", "-d", "refs/heads/main", at=repository.folder)
        git("gc", "-q", "--prune=now", at=repository.folder)
        bad = repository.commit(MORE)
        async with running(tmp_path, app(repository), world=world) as r:
            await r.until(lambda s: s.revision == bad and s.health == "Degraded")
            await r.until(lambda _: bool((trial := r.controller.followed("app").trial) and trial.abandoned))
            status = r.controller.application("app")
            assert (status.position.pin, status.revision) == (None, bad)

    asyncio.run(story())


def test_without_the_policy_nothing_is_kept(tmp_path: Path, repository: Repository) -> None:
    """And nothing is left by itself."""

    async def story() -> None:
        first = repository.commit(BASE)
        async with running(tmp_path, app(repository, SyncPolicy())) as r:
            await r.synced(first)
            assert r.history.trial("app") is None

    asyncio.run(story())

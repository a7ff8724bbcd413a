"""Following the configuration file: what is taken over, what waits for a restart, what is left aside."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.config import Config
from reconciler.config_file import load_config
from reconciler.reload import configurations, restart_needed, taken_over

ONE = "applications: [{name: one, repository: r.git}]\n"
TWO = "applications: [{name: one, repository: r.git}, {name: two, repository: r.git}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "moorage.yaml"
    path.write_text(ONE)
    return path


def put(file: Path, text: str) -> None:
    """Replace the file as editors do: write beside it, then rename."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def following(file: Path, story: Callable[["asyncio.Queue[Config]"], Awaitable[None]]) -> None:
    """Run ``story`` while the file is followed; what is taken over comes in its queue."""

    async def run() -> None:
        found: asyncio.Queue[Config] = asyncio.Queue()
        ready = asyncio.Event()

        async def follow() -> None:
            changes = configurations(file, load_config(file))
            ready.set()
            async for config in changes:
                found.put_nowait(config)

        task = asyncio.create_task(follow())
        await ready.wait()
        await asyncio.sleep(0.5)  # the watcher has no way to say that it listens
        try:
            async with asyncio.timeout(60):
                await story(found)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def names(config: Config) -> list[str]:
    return [each.name for each in config.applications]


def test_a_replaced_file_is_taken_over(file: Path) -> None:
    """A new application needs no restart."""

    async def story(found: "asyncio.Queue[Config]") -> None:
        put(file, TWO)
        assert names(await found.get()) == ["one", "two"]

    following(file, story)


def test_a_bad_file_changes_nothing_and_a_mended_one_does(file: Path) -> None:
    """Between the two the controller goes on by what it had."""

    async def story(found: "asyncio.Queue[Config]") -> None:
        put(file, "applications: 7\n")
        await asyncio.sleep(1)
        assert found.empty()
        put(file, TWO)
        assert names(await found.get()) == ["one", "two"]

    following(file, story)


def test_a_file_that_says_the_same_is_no_change(file: Path) -> None:
    """A comment is no reason to look at everything again."""

    async def story(found: "asyncio.Queue[Config]") -> None:
        put(file, f"# the same\n{ONE}")
        put(file, f"# the same\n{TWO}")
        assert names(await found.get()) == ["one", "two"]
        assert found.empty()

    following(file, story)


def test_ports_and_folders_wait_for_a_restart(file: Path) -> None:
    """They are named, and what can be taken over is."""
    before = load_config(file)
    put(file, f"{TWO}gateway: {{port: 9001}}\nstate: elsewhere\n")
    after = load_config(file)
    assert restart_needed(before, after) == ("gateway", "state")
    assert taken_over(before, after) == replace(before, applications=after.applications)

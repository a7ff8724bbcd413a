"""Worlds for scenarios: one per module, since servers are slow to start; each scenario pushes all it needs.

Every scenario ends with an empty plan, every world with no process left.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.parts import trained
from tests.e2e.world import World


@pytest.fixture(scope="session")
def bucket() -> Path:
    """The folder of trained artifacts that stands in for a bucket."""
    return trained()


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory, bucket: Path) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), bucket)
    try:
        world.start()
        yield world
    finally:
        world.close()


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    """A running controller; afterwards the next plan is empty and only what is wanted runs, each once."""
    yield module_world
    module_world.until("nothing but what is wanted to run", module_world.runs_what_is_wanted)
    assert module_world.next_plan_is_empty(), module_world.plan()


@pytest.fixture
def fresh_world(tmp_path: Path, bucket: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds of one scenario's own, not started."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(tmp_path / f"world{len(made)}", bucket, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()

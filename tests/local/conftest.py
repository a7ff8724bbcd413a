"""Fixtures of the one-machine runtime's tests."""

import pytest

from tests.local.world import LocalWorld


@pytest.fixture
def anyio_backend() -> str:
    """The runtime is written for asyncio."""
    return "asyncio"


@pytest.fixture
async def local(tmp_path, anyio_backend):
    """A started local runtime on fake servers; whatever it left is ended afterwards."""
    world = LocalWorld(tmp_path)
    await world.runtime.start()
    yield world
    await world.runtime.stop("stop")

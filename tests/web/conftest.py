"""A controller with its API on a real socket, and a client of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.controller import RunningController
from tests.cli.repository import FILES, commit


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[RunningController]:
    """A controller that has synced a small repository onto a simulated runtime."""
    commit(tmp_path / "repository.git", FILES)
    with RunningController(tmp_path / "repository.git", tmp_path / "state") as running:
        running.until(lambda: running.controller.application("example").sync == "Synced")
        yield running


@pytest.fixture
def api(controller: RunningController) -> Iterator[httpx.Client]:
    """A client of the API."""
    with httpx.Client(base_url=controller.url, trust_env=False, timeout=60) as client:
        yield client

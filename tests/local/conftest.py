"""Fixtures of the one-machine runtime's tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The runtime is written for asyncio."""
    return "asyncio"

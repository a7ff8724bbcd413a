"""Fixtures of the serving room's tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The serving room is written for asyncio."""
    return "asyncio"

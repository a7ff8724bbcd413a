"""The local runtime keeps the contract, on real processes."""

import pytest

from tests.contracts.runtime import RuntimeContract


@pytest.mark.usefixtures("local")
class TestLocalRuntime(RuntimeContract):
    @pytest.fixture
    def world(self, local):
        return local

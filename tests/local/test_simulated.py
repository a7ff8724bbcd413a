"""The simulated runtime keeps the contract."""

import pytest

from placement.inventory import ReplicaId
from tests.contracts.runtime import RuntimeContract
from tests.fakes.simulated import SimulatedRuntime


class SimulatedWorld:
    """Faults are fields of the simulation."""

    def __init__(self) -> None:
        self.runtime = SimulatedRuntime()

    def version_uri(self, name: str) -> str:
        return f"memory://{name}"

    def break_loads(self, replica: ReplicaId, model: str) -> None:
        self.runtime.faults.loads[replica, model] = "LoadFailed"

    def mend_loads(self, replica: ReplicaId, model: str) -> None:
        del self.runtime.faults.loads[replica, model]

    def break_starts(self, replica: ReplicaId) -> None:
        self.runtime.faults.starts[replica] = "ServerStartFailed"

    def mend_starts(self, replica: ReplicaId) -> None:
        del self.runtime.faults.starts[replica]

    async def crash(self, replica: ReplicaId) -> None:
        self.runtime.crash(replica)

    async def recover(self, replica: ReplicaId) -> None:
        self.runtime.recover(replica)

    async def lose(self, replica: ReplicaId) -> None:
        self.runtime.lose(replica)


class TestSimulatedRuntime(RuntimeContract):
    @pytest.fixture
    def world(self) -> SimulatedWorld:
        return SimulatedWorld()

"""A local runtime on fake servers, as a world for the contract and for the tests of its own."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from placement.inventory import ReplicaId
from runtime.local.limits import LocalLimits
from runtime.local.runtime import LocalRuntime, ProcessFacts
from runtime.ports import GatewayRoute, ServerProgram
from tests.contracts.runtime import eventually, states
from tests.fakes.serving import FakeProgram, FakeServer, MemoryArtifacts, RecordingGateway
from tests.fakes.simulated import MLSERVER, TRITON

ROOT = Path(__file__).parents[2]

QUICK = LocalLimits(
    load_backoff=0.01,
    load_backoff_max=0.02,
    load_call=20,
    unload_grace=0.01,
    start_call=30,
    poll=0.01,
    restart_backoff=0.01,
    restart_backoff_max=0.1,
    restarting=30,
    end_grace=5,
    recheck=0.05,
)


class LocalWorld:
    """Everything around one state folder; :meth:`open` makes the next controller on it."""

    def __init__(self, folder: Path, limits: LocalLimits = QUICK) -> None:
        self.folder = folder / "state"
        self.limits = limits
        self.program = FakeProgram(folder / "faults", MLSERVER)
        self.artifacts = MemoryArtifacts(folder / "cache")
        self.gateway = RecordingGateway()
        self.runtime = self.make()

    def make(self) -> LocalRuntime:
        """A runtime on the same state folder, not started."""
        programs: dict[str, ServerProgram] = {
            "mlserver": self.program,
            "triton": FakeProgram(self.program.faults, TRITON),
        }
        return LocalRuntime(
            self.folder, programs, self.artifacts, self.gateway, {"default": 9000}, self.limits
        )

    async def reopen(self, between: Callable[[], None] = lambda: None) -> None:
        """Leave everything running, do ``between``, and let another controller take over."""
        await self.runtime.stop("leave")
        between()
        self.runtime = self.make()
        await self.runtime.start()

    def version_uri(self, name: str) -> str:
        uri = f"memory://{name}"
        self.artifacts.payloads.setdefault(uri, f"payload of {name}")
        return uri

    def fault(self, replica: ReplicaId, name: str) -> Path:
        """The file that makes the fault ``name`` happen on ``replica``."""
        return self.program.fault_folder(replica) / name

    def break_loads(self, replica: ReplicaId, model: str) -> None:
        self.fault(replica, f"load-{model}").touch()

    def mend_loads(self, replica: ReplicaId, model: str) -> None:
        self.fault(replica, f"load-{model}").unlink()

    def break_starts(self, replica: ReplicaId) -> None:
        self.fault(replica, "start").touch()

    def mend_starts(self, replica: ReplicaId) -> None:
        self.fault(replica, "start").unlink(missing_ok=True)

    async def crash(self, replica: ReplicaId) -> None:
        self.break_starts(replica)
        self.kill(replica)
        await eventually(self.runtime, lambda state: states(state)[replica] == "Restarting")

    async def recover(self, replica: ReplicaId) -> None:
        self.mend_starts(replica)

    async def lose(self, replica: ReplicaId) -> None:
        await self.crash(replica)
        self.runtime._replicas.supervised[replica]._lose()

    async def eventually(self, fact: Callable[[], object]) -> None:
        """Return once ``fact`` holds; fails after a minute."""
        async with asyncio.timeout(60):
            while not fact():  # noqa: ASYNC110 (what is waited for tells nobody)
                await asyncio.sleep(0.01)

    def kill(self, replica: ReplicaId) -> None:
        """SIGKILL to the server process itself."""
        os.kill(self.process(str(replica)).pid, signal.SIGKILL)

    def process(self, name: str) -> ProcessFacts:
        """The running process of that name."""
        return next(facts for facts in self.runtime.processes() if facts.name == name)

    def server(self, replica: ReplicaId) -> FakeServer:
        """A client of the server that runs now."""
        endpoint = self.process(str(replica)).endpoint
        assert endpoint is not None
        return FakeServer(endpoint)

    def route(self, name: str) -> GatewayRoute | None:
        """What the gateway was last told about a route."""
        return next((r for r in self.gateway.tables[-1].routes if r.name == name), None)

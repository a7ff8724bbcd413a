"""The local runtime on MLServer and Envoy: what is repaired or replaced while requests come in."""

import asyncio
import os
import signal
import socket

import httpx
import pytest

from runtime.gateway.envoy import EnvoyGateway
from runtime.local.limits import LocalLimits
from runtime.local.runtime import LocalRuntime
from runtime.operations import LoadModel, ReplaceServerReplica, SetRoutes, StartServerReplica
from runtime.serving.artifacts import FsspecArtifactStore
from runtime.serving.storage import StorageRules
from tests.contracts.runtime import FIRST, SECOND, done, eventually, load, loaded, route, states, template
from tests.e2e.clients import Caller, SteadyRequests
from tests.serving.parts import mlserver_program, write_iris

pytestmark = [pytest.mark.anyio, pytest.mark.real]


class RealWorld:
    """Two replicas of MLServer behind Envoy, with one model on both."""

    def __init__(self, folder, program) -> None:
        write_iris(folder / "bucket" / "iris")
        self.folder, self.program = folder, program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.runtime = self.make()
        uri = f"file://{folder}/bucket/iris"
        self.loads: list[LoadModel] = [load("iris", uri, FIRST), load("iris", uri, SECOND)]

    def make(self) -> LocalRuntime:
        return LocalRuntime(
            self.folder / "state",
            {"mlserver": self.program},
            FsspecArtifactStore(self.folder / "cache", StorageRules(roots=(self.folder / "bucket",))),
            EnvoyGateway(self.folder / "state" / "gateway", workers=1),
            {"default": self.port},
            LocalLimits(restart_backoff=0.1, unload_grace=0.5),
        )

    async def serve(self) -> None:
        await self.runtime.start()
        starts = (StartServerReplica(replica, template()) for replica in (FIRST, SECOND))
        await asyncio.gather(*(done(self.runtime, start) for start in starts))
        await asyncio.gather(*(done(self.runtime, wanted) for wanted in self.loads))
        await done(self.runtime, SetRoutes(set=(route(*self.loads),)))

    def pids(self) -> dict[str, int]:
        return {facts.name: facts.pid for facts in self.runtime.processes()}

    async def answers(self) -> bool:
        """Whether the model answers; asked in a thread, as a caller would."""
        return await asyncio.to_thread(self._ask) == "iris_1"

    async def until_it_answers(self) -> None:
        async with asyncio.timeout(120):
            while not await self.answers():  # noqa: ASYNC110 (a caller can only ask)
                await asyncio.sleep(0.1)

    def _ask(self) -> str:
        caller = Caller(self.port)
        try:
            return caller.answers("iris")
        except httpx.HTTPError:
            return "unreachable"
        finally:
            caller.close()


@pytest.fixture(scope="module")
def program():
    return mlserver_program()


@pytest.fixture
async def real(tmp_path, program, anyio_backend):
    world = RealWorld(tmp_path, program)
    await world.serve()
    yield world
    await world.runtime.stop("stop")


async def test_a_replacement_fails_no_request(real):
    """Both replicas change their template one after the other under a steady load."""
    with SteadyRequests(real.port, "iris") as requests:
        await asyncio.to_thread(requests.wait_for_answers)
        for replica in (FIRST, SECOND):
            await done(real.runtime, ReplaceServerReplica(replica, template(memory=2_000_000)))
        await asyncio.to_thread(requests.wait_for_answers)
    assert not requests.failures, requests.failures
    assert {entry.template.memory for entry in (await real.runtime.observe()).servers} == {2_000_000}


async def test_a_killed_server_is_repaired_while_the_other_answers(real):
    """Afterwards both hold the model again, and the live state is what it was."""
    before = await real.runtime.observe()
    os.kill(real.pids()[str(FIRST)], signal.SIGKILL)
    await eventually(real.runtime, lambda state: states(state)[FIRST] == "Restarting")
    await real.until_it_answers()
    await eventually(real.runtime, lambda state: state == before)
    assert [state for *_, state in loaded(await real.runtime.observe())] == ["Loaded", "Loaded"]
    await real.until_it_answers()


async def test_a_killed_gateway_is_started_again(real):
    """On the same port, with the same routes."""
    old = real.pids()["gateway"]
    os.kill(old, signal.SIGKILL)
    async with asyncio.timeout(60):
        while real.pids().get("gateway", old) == old:  # noqa: ASYNC110 (facts are asked for)
            await asyncio.sleep(0.05)
    await real.until_it_answers()


async def test_another_controller_takes_over_without_a_failed_request(real):
    """Servers and gateway are adopted, not started anew."""
    before = real.pids()
    with SteadyRequests(real.port, "iris") as requests:
        await asyncio.to_thread(requests.wait_for_answers)
        await real.runtime.stop("leave")
        real.runtime = real.make()
        await real.runtime.start()
        await asyncio.to_thread(requests.wait_for_answers)
    assert not requests.failures, requests.failures
    assert real.pids() == before

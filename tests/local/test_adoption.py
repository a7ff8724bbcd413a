"""What a controller finds when it starts: adopted, finished, or ended, but never started anew without need."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from runtime.local.ending import stop_all
from runtime.local.live import load_live_state
from runtime.local.processes import carriers
from runtime.local.record import Record
from runtime.operations import ReplaceServerReplica, SetRoutes, StartServerReplica
from schemas.errors import StopError
from tests.contracts.runtime import (
    FIRST,
    done,
    eventually,
    load,
    loaded,
    route,
    states,
    template,
    unload,
)
from tests.local.controller import script
from tests.local.world import ROOT, LocalWorld

pytestmark = pytest.mark.anyio

TWO_CORES = 2  # how many of the crashes are tried at once


def sleeper(**env: str) -> subprocess.Popen[bytes]:
    """A process of somebody else, or one that seems to be ours."""
    return subprocess.Popen(["sleep", "600"], env=env, start_new_session=True)


async def serve_iris(world: LocalWorld):
    """One server, one model, one route."""
    wanted = load("iris", world.version_uri("iris"))
    await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
    await done(world.runtime, SetRoutes(set=(route(wanted),)))
    return wanted


def pids(world: LocalWorld) -> dict[str, int]:
    return {facts.name: facts.pid for facts in world.runtime.processes()}


def running(world: LocalWorld) -> int:
    """How many processes carry the token of this state folder."""
    record = Record(world.folder, read_only=True)
    record.close()
    return len(carriers(record.state))


async def test_a_new_controller_adopts_what_runs(local):
    """Same processes, same live state, and the model was not loaded again."""
    await serve_iris(local)
    before, running_before = await local.runtime.observe(), pids(local)
    await local.server(FIRST).infer("iris_1")
    await local.reopen()
    assert pids(local) == running_before
    assert await local.runtime.observe() == before
    assert (await local.server(FIRST).infer("iris_1"))["count"] == 2


async def test_adopting_publishes_the_routes_as_they_are(local):
    """The first table of the new controller is the last one of the old."""
    await serve_iris(local)
    before = local.gateway.tables[-1]
    await local.reopen(between=local.gateway.tables.clear)
    assert local.gateway.tables[0] == before


async def test_a_server_that_died_between_controllers_is_started_again(local):
    """It keeps its model, and the route follows it to its new ports."""
    await serve_iris(local)
    before, old = await local.runtime.observe(), local.route("iris")
    pid = pids(local)[str(FIRST)]
    await local.reopen(between=lambda: os.kill(pid, signal.SIGKILL))
    await eventually(local.runtime, lambda state: state == before)
    await local.eventually(lambda: local.route("iris") not in (None, old))


async def test_a_model_that_left_its_server_between_controllers_is_loaded_again(local):
    """What the record says is restored, on the adopted server."""
    await serve_iris(local)
    before, client = await local.runtime.observe(), local.server(FIRST)
    await local.runtime.stop("leave")
    await client.unload("iris_1")
    local.runtime = local.make()
    await local.runtime.start()
    await eventually(local.runtime, lambda state: state == before)
    assert await client.loaded() == ("iris_1",)


async def test_a_model_that_nobody_recorded_is_unloaded_at_adoption(local):
    """A server holds what the record says and nothing else."""
    wanted = await serve_iris(local)
    await local.runtime.stop("leave")
    record = Record(local.folder)
    for row in record.models.in_order():
        record.models.drop(row.at)
    record.close()
    local.runtime = local.make()
    await local.runtime.start()
    assert await local.server(FIRST).loaded() == ()
    await done(local.runtime, unload(wanted))


async def test_a_server_of_another_template_is_reported_and_serves_on(local):
    """Orphaned is for a plan to settle; the runtime ends nothing because of it."""
    await serve_iris(local)
    running_before = pids(local)
    await local.runtime.stop("leave")
    record = Record(local.folder)
    (row,) = record.servers.in_order()
    record.servers.put(replace(row, template=template(memory=9)))
    record.close()
    local.runtime = local.make()
    await local.runtime.start()
    (entry,) = (await local.runtime.observe()).servers
    assert (entry.state, entry.template, entry.reason) == ("Ready", template(), "Orphaned")
    assert pids(local) == running_before
    await done(local.runtime, ReplaceServerReplica(FIRST, template(memory=9)))
    (entry,) = (await local.runtime.observe()).servers
    assert (entry.template.memory, entry.reason) == (9, "")


async def test_an_unload_that_was_begun_is_finished(local):
    """Between the intent and the effect: the route is withdrawn, then the model goes."""
    wanted = await serve_iris(local)
    await local.runtime.stop("leave")
    record = Record(local.folder)
    for row in record.models.in_order():
        record.models.put(replace(row, state="Unloading"))
    record.close()
    local.runtime = local.make()
    await local.runtime.start()
    assert local.route(wanted.model) is None
    await eventually(local.runtime, lambda state: state.models == ())
    assert await local.server(FIRST).loaded() == ()


async def test_what_is_wanted_again_while_its_unload_is_finished_is_served(local):
    """A load of what the last controller had begun to unload comes after that, and is not undone by it."""
    wanted = await serve_iris(local)
    await local.runtime.stop("leave")
    record = Record(local.folder)
    for row in record.models.in_order():
        record.models.put(replace(row, state="Unloading"))
    record.close()
    local.limits = replace(local.limits, unload_grace=0.3)
    local.runtime = local.make()
    await local.runtime.start()
    await asyncio.sleep(local.limits.unload_grace / 2)  # the unload is under way
    await done(local.runtime, wanted)
    await asyncio.sleep(local.limits.unload_grace)
    assert loaded(await local.runtime.observe()) == [("iris", 1, FIRST, "Loaded")]
    assert await local.server(FIRST).loaded() == ("iris_1",)


async def test_a_route_waits_for_what_the_last_controller_was_loading(local):
    """Until the version that a killed controller began to load is there, the old one answers."""
    old = await serve_iris(local)
    new = load("iris", local.version_uri("another"))
    local.fault(FIRST, "hang-iris").touch()
    loading = asyncio.create_task(local.runtime.apply(new))
    await eventually(local.runtime, lambda state: len(state.models) == 2)
    await local.reopen()
    await loading
    routing = asyncio.create_task(local.runtime.apply(SetRoutes(set=(route(new),))))
    await asyncio.sleep(0.1)
    assert not routing.done()
    assert [upstream.model for upstream in local.route(old.model).upstreams] == ["iris_1"]
    local.fault(FIRST, "hang-iris").unlink()
    assert (await routing).status == "done"
    assert [upstream.model for upstream in local.route(old.model).upstreams] == ["iris_2"]


async def test_a_process_that_the_record_does_not_know_is_ended(local):
    """It carries the token of this state folder, so it is ours and unwanted."""
    await serve_iris(local)
    await local.runtime.stop("leave")
    record = Record(local.folder)
    state = record.state
    record.close()
    stray = sleeper(MOORAGE_STATE=state, MOORAGE_SPAWN="unknown")
    await local.eventually(lambda: stray.pid in carriers(state))
    local.runtime = local.make()
    await local.runtime.start()
    ended = await asyncio.to_thread(stray.wait)
    assert ended in (-signal.SIGTERM, 0)  # 0: the runtime in this process collected its status first


async def test_a_foreign_process_with_the_recorded_pid_is_never_touched(local):
    """Pid alone is no identity: start time and token have to match."""
    await serve_iris(local)
    await local.runtime.stop("leave")
    foreign = sleeper()
    record = Record(local.folder)
    (row,) = (row for row in record.processes.in_order() if row.server)
    server_pid = row.pid
    record._connection.execute(
        "UPDATE processes SET body = replace(body, ?, ?)", (f'"pid":{server_pid}', f'"pid":{foreign.pid}')
    )
    record.close()
    local.runtime = local.make()
    await local.runtime.start()
    await eventually(local.runtime, lambda state: states(state) == {FIRST: "Ready"})
    assert foreign.poll() is None
    assert pids(local)[str(FIRST)] not in (foreign.pid, server_pid)
    foreign.kill()
    foreign.wait()


async def test_stop_ends_every_process(local):
    """Servers and gateway, each by its own identity; what is wanted stays on record."""
    await serve_iris(local)
    before = await local.runtime.observe()
    await local.runtime.stop("stop")
    assert running(local) == 0
    local.runtime = local.make()
    await local.runtime.start()
    await eventually(local.runtime, lambda state: state == before)


async def test_stop_all_ends_what_a_killed_controller_left(local):
    """``moorage stop`` needs no controller."""
    await serve_iris(local)
    await local.runtime.stop("leave")
    assert await stop_all(local.folder, local.limits) == 2
    assert running(local) == 0
    local.runtime = local.make()
    await local.runtime.start()


async def test_stop_all_is_refused_while_a_controller_runs(local):
    """The running controller is the one to ask."""
    with pytest.raises(StopError, match="StateLocked"):
        await stop_all(local.folder)


async def test_a_second_controller_is_refused(local):
    """The error names the process that holds the folder."""
    with pytest.raises(StopError, match=rf"StateLocked.*{os.getpid()}"):
        await local.make().start()


async def test_live_state_can_be_read_without_a_controller(local):
    """The record alone gives what the controller observed."""
    await serve_iris(local)
    before = await local.runtime.observe()
    await local.runtime.stop("leave")
    assert load_live_state(local.folder, before.environments) == before
    local.runtime = local.make()
    await local.runtime.start()


async def test_live_state_without_a_record_is_empty(tmp_path):
    """Asking creates nothing."""
    assert load_live_state(tmp_path / "none").servers == ()
    assert not (tmp_path / "none").exists()


@contextlib.asynccontextmanager
async def controller_on(folder: Path, *arguments: str):
    """A controller in a process of its own, killed at the end if it still runs."""
    controller = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.local.controller", str(folder), *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield controller
    finally:
        with contextlib.suppress(ProcessLookupError):
            controller.kill()
        await controller.wait()


async def run_until_done(controller: asyncio.subprocess.Process) -> bool:
    """True once the controller has applied everything, False where it ended before."""
    assert controller.stdout is not None
    async for line in controller.stdout:
        if line == b"done\n":
            return True
    return False


@contextlib.asynccontextmanager
async def taken_over(folder: Path):
    """A controller on a folder that another one has left behind."""
    world = LocalWorld(folder)
    script(world)  # the artifacts are where they were
    await world.runtime.start()
    try:
        yield world
    finally:
        await world.runtime.stop("stop")


async def test_a_killed_controller_leaves_everything_serving(tmp_path):
    """SIGKILL to the controller: the next one finds the same processes and the same live state."""
    async with controller_on(tmp_path) as controller:
        assert await run_until_done(controller)
        rows = Record(tmp_path / "state", read_only=True)
        before = {row.pid for row in rows.processes.in_order()}
        rows.close()
    async with taken_over(tmp_path) as world:
        assert set(pids(world).values()) == before
        assert states(await world.runtime.observe()) == {FIRST: "Ready"}
        assert (await world.server(FIRST).infer("iris_2"))["payload"] == "payload of b"


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_write_converges(tmp_path, when, first):
    """Killed before, or after, every single write in turn (odd and even ones apart), the next controller
    ends where an unharmed one does, and nothing runs that is not wanted."""
    writes = count(first, 2)

    async def crash_in_turn() -> None:
        write = next(writes)
        while await crash_at(tmp_path / str(write), when, write):
            write = next(writes)

    async with asyncio.TaskGroup() as group:
        for _ in range(TWO_CORES):
            group.create_task(crash_in_turn())
    assert next(writes) > 30


async def crash_at(folder: Path, when: str, write: int) -> bool:
    """Crash there and converge; False where there were not that many writes."""
    async with controller_on(folder, when, str(write)) as controller:
        finished = await run_until_done(controller)
    await converges(folder, write)
    return not finished


async def converges(folder: Path, write: int) -> None:
    async with taken_over(folder) as world:
        there = states(await world.runtime.observe())
        for operation in script(world):  # a plan starts no replica that is there already
            if not isinstance(operation, StartServerReplica) or operation.replica not in there:
                await done(world.runtime, operation)
        state = await eventually(world.runtime, lambda state: states(state) == {FIRST: "Ready"})
        assert loaded(state) == [("iris", 2, FIRST, "Loaded")], write
        assert [entry.template.memory for entry in state.servers] == [7], write
        assert await world.server(FIRST).loaded() == ("iris_2",), write
        upstream = world.route("iris").upstreams[0]
        assert upstream.endpoints == (world.process(str(FIRST)).endpoint,), write
        assert upstream.model == "iris_2", write
        assert running(world) == 2, write

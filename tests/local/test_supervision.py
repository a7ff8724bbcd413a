"""What the runtime does by itself when processes end: repair, within bounds."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from runtime.local.ending import stop_all
from runtime.local.processes import carriers
from runtime.operations import (
    LoadModel,
    ReplaceServerReplica,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from schemas.errors import InputError, StopError, TransientError
from tests.contracts.runtime import (
    DONE,
    FIRST,
    SECOND,
    done,
    eventually,
    load,
    loaded,
    route,
    states,
    template,
    unload,
)
from tests.local.world import QUICK, LocalWorld

pytestmark = pytest.mark.anyio


async def serve_iris(world: LocalWorld) -> LoadModel:
    """One server, one model, one route."""
    wanted = load("iris", world.version_uri("iris"))
    await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
    await done(world.runtime, SetRoutes(set=(route(wanted),)))
    return wanted


def running(world: LocalWorld) -> int:
    """How many processes carry the token of this state folder."""
    return len(carriers(world.runtime._record.state))


async def test_a_killed_server_comes_back_on_fresh_ports_with_its_models(local):
    """The route is withdrawn while it is down and follows it to where it is."""
    await serve_iris(local)
    before, old = await local.runtime.observe(), local.route("iris")
    await local.crash(FIRST)
    await local.eventually(lambda: local.route("iris") is None)
    await local.recover(FIRST)
    await eventually(local.runtime, lambda state: state == before)
    await local.eventually(lambda: local.route("iris") is not None)
    (upstream,) = local.route("iris").upstreams
    assert upstream.endpoints == (local.process(str(FIRST)).endpoint,)
    assert upstream.endpoints != old.upstreams[0].endpoints
    assert (await local.server(FIRST).infer("iris_1"))["model_name"] == "iris_1"


async def test_the_other_replica_serves_on(local):
    """A crash takes its own endpoint out of the route, nothing else."""
    uri = local.version_uri("iris")
    one, two = load("iris", uri, FIRST), load("iris", uri, SECOND)
    await done(local.runtime, StartServerReplica(FIRST, template()), StartServerReplica(SECOND, template()))
    await done(local.runtime, one, two, SetRoutes(set=(route(one, two),)))
    assert len(local.route("iris").upstreams[0].endpoints) == 2
    await local.crash(FIRST)
    other = local.process(str(SECOND)).endpoint
    await local.eventually(lambda: local.route("iris").upstreams[0].endpoints == (other,))


async def test_a_replica_that_stays_away_is_lost_after_the_bound(tmp_path, anyio_backend):
    """Restarting lasts as long as the limits say; then its models are free, and it is still tried."""
    world = LocalWorld(tmp_path, replace(QUICK, restarting=0.3))
    await world.runtime.start()
    try:
        await serve_iris(world)
        await world.crash(FIRST)
        state = await eventually(world.runtime, lambda state: states(state) == {FIRST: "Lost"})
        assert (state.models, state.servers[0].reason) == ((), "ServerStartFailed")
        await world.recover(FIRST)
        await eventually(world.runtime, lambda state: states(state) == {FIRST: "Ready"})
    finally:
        await world.runtime.stop("stop")


async def test_a_killed_gateway_is_started_again_and_told_everything(local):
    """The same table is published to the new process."""
    await serve_iris(local)
    before, published = local.process("gateway").pid, len(local.gateway.tables)
    os.kill(before, signal.SIGKILL)
    await local.eventually(lambda: len(local.gateway.tables) > published)
    assert local.gateway.tables[-1] == local.gateway.tables[published - 1]
    assert local.process("gateway").pid != before


async def test_a_failed_start_leaves_no_process(local):
    """Whatever was spawned on the way is ended; only the gateway runs."""
    local.break_starts(FIRST)
    result = await local.runtime.apply(StartServerReplica(FIRST, template()))
    assert result.reason == "ServerStartFailed"
    local.runtime._replicas.supervised[FIRST]._task.cancel()
    await local.eventually(lambda: running(local) == 1)


async def test_a_failed_start_says_what_the_server_said_last(local):
    """The last line of its log, without the port, which would differ every time."""
    local.break_starts(FIRST)
    result = await local.runtime.apply(StartServerReplica(FIRST, template()))
    assert "exit status 3: cannot start on port PORT: told not to" in result.message


async def test_a_server_that_gives_no_sign_of_life_is_given_up(tmp_path, anyio_backend):
    """The bound of a start holds for a process that runs and does not listen."""
    world = LocalWorld(tmp_path, replace(QUICK, start_call=0.3, start_tries=1))
    world.fault(FIRST, "slow").write_text("600")
    await world.runtime.start()
    try:
        result = await world.runtime.apply(StartServerReplica(FIRST, template()))
        assert (result.reason, "no sign of life" in result.message) == ("ServerStartFailed", True)
    finally:
        await world.runtime.stop("stop")


@pytest.mark.parametrize("kind", [InputError, TransientError])
async def test_an_environment_that_cannot_be_made_is_named(local, kind):
    """EnvironmentFailed with the reason, and supervision goes on trying."""
    local.program.broken = kind("NoIndex", "the package index does not answer")
    result = await local.runtime.apply(StartServerReplica(FIRST, template()))
    assert (result.status, result.reason) == ("failed", "EnvironmentFailed")
    assert "the package index does not answer" in result.message
    local.program.broken = None
    await eventually(local.runtime, lambda state: states(state) == {FIRST: "Ready"})


async def test_a_cancelled_start_is_finished_by_supervision(local):
    """Whoever asked may go away: the replica is on record."""
    local.break_starts(FIRST)
    asking = asyncio.create_task(local.runtime.apply(StartServerReplica(FIRST, template())))
    await eventually(local.runtime, lambda state: states(state) == {FIRST: "Pending"})
    asking.cancel()
    local.mend_starts(FIRST)
    await eventually(local.runtime, lambda state: states(state) == {FIRST: "Ready"})


async def test_replacing_serves_without_a_gap(local):
    """At every moment some incarnation that holds the model is in the table; then the old one is gone."""
    await serve_iris(local)
    published, old = len(local.gateway.tables), local.process(str(FIRST))
    await done(local.runtime, ReplaceServerReplica(FIRST, template(memory=5)))
    assert all(table.routes for table in local.gateway.tables[published:])
    new = local.process(str(FIRST))
    assert new.pid != old.pid
    assert local.route("iris").upstreams[0].endpoints == (new.endpoint,)
    assert running(local) == 2


async def test_replacing_fails_where_a_model_cannot_be_carried_over(local):
    """The old incarnation serves on, nothing of the new one is left."""
    await serve_iris(local)
    before = local.process(str(FIRST))
    local.break_loads(FIRST, "iris")
    result = await local.runtime.apply(ReplaceServerReplica(FIRST, template(memory=5)))
    assert (result.status, result.reason) == ("failed", "LoadFailed")
    assert local.process(str(FIRST)) == before
    assert running(local) == 2


async def test_a_failed_load_is_judged_anew_on_another_template(local):
    """Replacing the server forgets what the old one could not load."""
    local.break_loads(FIRST, "iris")
    await done(local.runtime, StartServerReplica(FIRST, template()))
    await local.runtime.apply(load("iris", local.version_uri("iris")))
    assert loaded(await local.runtime.observe()) == [("iris", 1, FIRST, "LoadFailed")]
    await done(local.runtime, ReplaceServerReplica(FIRST, template(memory=5)))
    assert (await local.runtime.observe()).models == ()


async def test_unloading_withdraws_a_route_that_is_still_there(local):
    """Where the order slipped, the gateway leaves the replica out before the model goes."""
    wanted = await serve_iris(local)
    assert await local.runtime.apply(unload(wanted)) == DONE
    assert local.route("iris") is None
    assert await local.server(FIRST).loaded() == ()


async def test_unloading_fails_where_the_gateway_does_not_settle(local):
    """The model is kept: requests may still be sent to it."""
    wanted = await serve_iris(local)
    local.gateway.broken = TransientError("GatewayNotSettled", "no answer")
    result = await local.runtime.apply(unload(wanted))
    assert (result.status, result.reason) == ("failed", "GatewayNotSettled")
    assert await local.server(FIRST).loaded() == ("iris_1",)
    local.gateway.broken = None
    await done(local.runtime, unload(wanted))


async def test_a_slow_load_is_ended_by_its_unload(local):
    """The load's caller is told, and nothing of it stays."""
    local.fault(FIRST, "hang-iris").touch()
    wanted = load("iris", local.version_uri("iris"))
    await done(local.runtime, StartServerReplica(FIRST, template()))
    loading = asyncio.create_task(local.runtime.apply(wanted))
    await eventually(local.runtime, lambda state: loaded(state) == [("iris", 1, FIRST, "Loading")])
    unloading = UnloadModel("default", "iris", wanted.version, FIRST)
    local.fault(FIRST, "hang-iris").unlink()
    await done(local.runtime, unloading)
    assert (await loading).status in ("failed", "done")
    assert (await local.runtime.observe()).models == ()


async def test_stopping_a_replica_removes_its_folder(local):
    """A server that is gone leaves nothing on the disk."""
    await serve_iris(local)
    log = local.process(str(FIRST)).log
    assert log.exists()
    await done(local.runtime, StopServerReplica(FIRST))
    assert not log.parent.exists()
    assert running(local) == 1


async def test_routes_fail_where_the_gateway_does_not_settle(local):
    """The routes are on record all the same and take effect when it does."""
    local.gateway.broken = TransientError("GatewayNotSettled", "no answer")
    wanted = load("iris", local.version_uri("iris"))
    await done(local.runtime, StartServerReplica(FIRST, template()), wanted)
    result = await local.runtime.apply(SetRoutes(set=(route(wanted),)))
    assert result.reason == "GatewayNotSettled"
    assert (await local.runtime.observe()).routes == (route(wanted),)
    local.gateway.broken = None
    await done(local.runtime, SetRoutes(set=(route(wanted),)))
    assert local.route("iris") is not None


async def test_no_port_stands_in_live_state(local):
    """Two incarnations fail in the same words: what the server says about its address is left out."""
    served = load("iris", local.version_uri("iris"))
    await done(local.runtime, StartServerReplica(FIRST, template()))
    local.fault(FIRST, "tell-iris").touch()
    result = await local.runtime.apply(served)
    assert result.message == "iris_1 cannot be loaded on 127.0.0.1:PORT"


@pytest.mark.parametrize(("mode", "ends"), [("stop", ["drained", "closed"]), ("leave", ["closed"])])
async def test_the_gateway_is_drained_before_it_is_ended(tmp_path, anyio_backend, mode, ends):
    """Requests under way finish; a gateway that is left serving is only told nothing more."""
    world = LocalWorld(tmp_path)
    await world.runtime.start()
    await world.runtime.stop(mode)
    assert world.gateway.ends == ends
    await stop_all(world.folder, world.limits)


async def test_a_gateway_whose_port_is_taken_prevents_the_start(tmp_path, anyio_backend):
    """StopError of the gateway is the error of the start, and the folder is free again."""
    world = LocalWorld(tmp_path)
    world.gateway.refusal = StopError("PortInUse", "port 9000 is taken")
    with pytest.raises(StopError, match="PortInUse"):
        await world.runtime.start()
    world.gateway.refusal = None
    world.runtime = world.make()
    await world.runtime.start()
    await world.runtime.stop("stop")


async def test_a_gateway_that_cannot_be_started_again_is_tried_until_it_can(local):
    """A port that is taken for a while after a crash ends nothing."""
    old = local.process("gateway").pid
    local.gateway.refusal = StopError("PortInUse", "port 9000 is taken")
    os.kill(old, signal.SIGKILL)
    await local.eventually(lambda: local.gateway.refused > 1)
    local.gateway.refusal = None
    await local.eventually(lambda: any(facts.name == "gateway" for facts in local.runtime.processes()))


async def test_a_crash_during_a_replacement_loses_no_model(local):
    """The old incarnation ends while the new one is being filled: the new one has everything in the end."""
    await serve_iris(local)
    local.fault(FIRST, "hang-iris").touch()
    replacing = asyncio.create_task(local.runtime.apply(ReplaceServerReplica(FIRST, template(memory=5))))
    await local.eventually(lambda: list(local.folder.glob("servers/default/mlserver/0/1/models/iris_1")))
    local.kill(FIRST)
    await eventually(local.runtime, lambda state: states(state) == {FIRST: "Restarting"})
    local.fault(FIRST, "hang-iris").unlink()
    assert await replacing == DONE
    state = await eventually(local.runtime, lambda state: loaded(state) == [("iris", 1, FIRST, "Loaded")])
    assert [(entry.state, entry.template.memory) for entry in state.servers] == [("Ready", 5)]
    await local.eventually(lambda: local.route("iris") is not None)
    assert running(local) == 2


async def test_a_replacement_that_is_given_up_is_ended_with_everything_else(local):
    """Stopping ends an incarnation that nobody has switched to yet."""
    await serve_iris(local)
    local.fault(FIRST, "hang-iris").touch()
    replacing = asyncio.create_task(local.runtime.apply(ReplaceServerReplica(FIRST, template(memory=5))))
    await local.eventually(lambda: list(local.folder.glob("servers/default/mlserver/0/1/models/iris_1")))
    replacing.cancel()
    await asyncio.wait({replacing})
    assert (await local.runtime.observe()).servers[0].template == template()
    assert running(local) == 2


async def test_only_the_folder_of_the_running_incarnation_is_kept(local):
    """A Lost replica that is started from another template begins in a new folder."""
    await serve_iris(local)
    await local.lose(FIRST)
    local.mend_starts(FIRST)
    await done(local.runtime, StartServerReplica(FIRST, template(memory=5)))
    folder = local.folder / "servers" / "default" / "mlserver" / "0"
    await local.eventually(lambda: [path.name for path in folder.iterdir() if path.is_dir()] == ["1"])


async def test_the_old_incarnation_is_kept_while_the_gateway_may_route_to_it(local):
    """The result says what the gateway says; the old process ends as soon as the routes are right."""
    await serve_iris(local)
    local.gateway.broken = TransientError("GatewayNotSettled", "no answer")
    result = await local.runtime.apply(ReplaceServerReplica(FIRST, template(memory=5)))
    assert (result.status, result.reason) == ("failed", "GatewayNotSettled")
    assert running(local) == 3
    local.gateway.broken = None
    await local.eventually(lambda: running(local) == 2)
    assert local.route("iris").upstreams[0].endpoints == (local.process(str(FIRST)).endpoint,)


async def test_a_repaired_model_is_not_loaded_before_it_is_routed(local):
    """Live state never says that a model is back while the gateway does not lead to it."""
    await serve_iris(local)
    await local.crash(FIRST)
    await local.eventually(lambda: local.route("iris") is None)
    await local.recover(FIRST)
    await eventually(local.runtime, lambda state: loaded(state) == [("iris", 1, FIRST, "Loaded")])
    assert local.route("iris") is not None
    assert local.gateway.settled_versions[-1] == len(local.gateway.tables)

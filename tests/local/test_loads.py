"""Loads: tried again, given up, bound to one artifact, and judged anew when that changes."""

import asyncio
from dataclasses import replace

import pytest

from runtime.operations import LoadModel, RecordResource, StartServerReplica
from schemas.errors import TransientError
from tests.contracts.runtime import (
    FIRST,
    SECOND,
    done,
    eventually,
    load,
    loaded,
    model,
    states,
    template,
    unload,
)
from tests.local.world import QUICK, LocalWorld

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(local):
    """A world with two Ready replicas."""
    await done(local.runtime, StartServerReplica(FIRST, template()), StartServerReplica(SECOND, template()))
    return local


def loads_seen(world: LocalWorld, name: str) -> int:
    """How often the server of the first replica was asked to load ``name``."""
    return world.process(str(FIRST)).log.read_text().count(f"/v2/repository/models/{name}/load")


async def test_a_load_that_fails_five_times_is_good_at_last(served):
    """Five retries follow the first try."""
    served.fault(FIRST, "load-iris").write_text("5")
    await done(served.runtime, load("iris", served.version_uri("iris")))
    assert loads_seen(served, "iris_1") == 6


async def test_a_load_that_fails_six_times_is_given_up(served):
    """What the server said stands in the message; nothing of the model is left on the server."""
    served.fault(FIRST, "load-iris").write_text("6")
    result = await served.runtime.apply(load("iris", served.version_uri("iris")))
    assert (result.status, result.reason, result.message) == ("failed", "LoadFailed", "iris_1 is broken")
    assert loads_seen(served, "iris_1") == 6
    assert not list(served.folder.glob("servers/**/iris_1"))


async def test_a_server_that_ends_before_its_model_is_ready_costs_a_try(tmp_path, anyio_backend):
    """It has taken the model and dies before the model answers: nobody waits for the dead one, however
    long a try may take."""
    world = LocalWorld(tmp_path, replace(QUICK, load_call=3600))
    await world.runtime.start()
    try:
        await done(world.runtime, StartServerReplica(FIRST, template()))
        world.fault(FIRST, "unready-iris").touch()
        loading = asyncio.create_task(world.runtime.apply(load("iris", world.version_uri("iris"))))
        await world.eventually(lambda: loads_seen(world, "iris_1") == 1)
        world.kill(FIRST)
        world.fault(FIRST, "unready-iris").unlink()
        assert (await loading).status == "done"
    finally:
        await world.runtime.stop("stop")


async def test_an_input_error_is_not_tried_again(served):
    """Its own reason is the result's and the live state's."""
    result = await served.runtime.apply(load("iris", served.version_uri("not-a-model")))
    assert (result.status, result.reason) == ("failed", "UnknownArtifact")
    (entry,) = (await served.runtime.observe()).models
    assert (entry.state, entry.reason) == ("LoadFailed", "UnknownArtifact")
    assert len(served.artifacts.fetches) == 1


async def test_an_artifact_is_fetched_once_for_all_replicas(served):
    """Two replicas that load at the same time share one fetch."""
    uri = served.version_uri("iris")
    operations = (load("iris", uri, FIRST), load("iris", uri, SECOND))
    await asyncio.gather(*(done(served.runtime, operation) for operation in operations))
    assert served.artifacts.fetches == [uri]


async def test_another_artifact_under_the_same_version_is_refused(served):
    """The bound digest is not in the cache any more and the storageUri holds something else."""
    uri = served.version_uri("iris")
    await done(served.runtime, load("iris", uri, FIRST))
    served.artifacts.payloads[uri] = "something else"
    served.artifacts.evict()
    result = await served.runtime.apply(load("iris", uri, SECOND))
    assert (result.status, result.reason) == ("failed", "ArtifactChanged")
    assert loaded(await served.runtime.observe()) == [
        ("iris", 1, FIRST, "Loaded"),
        ("iris", 1, SECOND, "LoadFailed"),
    ]


async def test_a_changed_artifact_that_changes_back_may_be_loaded(served):
    """The failure is forgotten when the bound artifact is there again, not before."""
    uri = served.version_uri("iris")
    await done(served.runtime, load("iris", uri, FIRST))
    served.artifacts.payloads[uri] = "something else"
    served.artifacts.evict()
    await served.runtime.apply(load("iris", uri, SECOND))
    asked = len(served.artifacts.fetches)
    await served.eventually(lambda: len(served.artifacts.fetches) >= asked + 2)
    assert len((await served.runtime.observe()).models) == 2
    served.artifacts.payloads[uri] = "payload of iris"
    await eventually(served.runtime, lambda state: len(state.models) == 1)
    await done(served.runtime, load("iris", uri, SECOND))


async def test_the_cache_serves_a_bound_version(served):
    """A second replica needs no storage while the bound artifact is in the cache."""
    uri = served.version_uri("iris")
    await done(served.runtime, load("iris", uri, FIRST))
    served.artifacts.payloads[uri] = "something else"
    await done(served.runtime, load("iris", uri, SECOND))
    assert (await served.server(SECOND).infer("iris_1"))["payload"] == "payload of iris"


async def test_a_broken_artifact_may_be_mended_in_place(served):
    """A version that never loaded is bound to nothing: its failure goes when the artifact changes."""
    uri = served.version_uri("iris")
    await done(served.runtime, RecordResource(model("iris", uri), "app"))
    served.break_loads(FIRST, "iris")
    await served.runtime.apply(load("iris", uri))
    served.mend_loads(FIRST, "iris")
    served.artifacts.payloads[uri] = "mended"
    await eventually(served.runtime, lambda state: state.models == ())
    await done(served.runtime, load("iris", uri))
    assert (await served.server(FIRST).infer("iris_1"))["payload"] == "mended"


async def test_storage_that_answers_again_is_noticed(served):
    """A load that failed because nothing could be fetched is forgotten once something can."""
    uri = served.version_uri("iris")
    served.artifacts.failures[uri] = TransientError("StorageUnreachable", "no answer")
    result = await served.runtime.apply(load("iris", uri))
    assert (result.status, result.reason) == ("failed", "LoadFailed")
    del served.artifacts.failures[uri]
    await eventually(served.runtime, lambda state: state.models == ())


async def test_a_model_that_ends_its_server_is_given_up_and_the_others_return(served):
    """The replica ends Ready with every other model; the failure outlives the restarts it caused."""
    others = [load(f"m{i}", served.version_uri("good")) for i in range(3)]
    await done(served.runtime, *others)
    served.fault(FIRST, "crash-killer").touch()
    result = await served.runtime.apply(load("killer", served.version_uri("killer")))
    assert (result.status, result.reason) == ("failed", "LoadFailed")
    wanted = [(f"m{i}", 1, FIRST, "Loaded") for i in range(3)]
    state = await eventually(
        served.runtime,
        lambda state: states(state)[FIRST] == "Ready" and loaded(state)[1:] == wanted,
    )
    assert loaded(state)[0] == ("killer", 1, FIRST, "LoadFailed")


async def test_a_server_that_ends_during_a_load_is_waited_for(served):
    """The load goes on with the next incarnation."""
    served.fault(FIRST, "crash-iris").touch()
    loading = asyncio.create_task(served.runtime.apply(load("iris", served.version_uri("iris"))))
    await eventually(served.runtime, lambda state: states(state)[FIRST] == "Restarting")
    served.fault(FIRST, "crash-iris").unlink()
    assert (await loading).status == "done"
    assert loaded(await served.runtime.observe()) == [("iris", 1, FIRST, "Loaded")]


async def test_a_load_that_hangs_is_bounded(tmp_path, anyio_backend):
    """Every try has its limit; the message names it."""
    world = LocalWorld(tmp_path, replace(QUICK, load_call=0.2, load_retries=1))
    await world.runtime.start()
    try:
        await done(world.runtime, StartServerReplica(FIRST, template()))
        world.fault(FIRST, "hang-iris").touch()
        result = await world.runtime.apply(load("iris", world.version_uri("iris")))
        assert (result.reason, result.message) == ("LoadFailed", "iris_1 was not ready after 0.2 s")
        world.fault(FIRST, "hang-iris").unlink()
    finally:
        await world.runtime.stop("stop")


async def test_loads_per_replica_are_bounded_in_number(tmp_path, anyio_backend):
    """Twelve are asked for, four are under way, all are done in the end."""
    world = LocalWorld(tmp_path)
    await world.runtime.start()
    try:
        await done(world.runtime, StartServerReplica(FIRST, template()))
        for index in range(12):
            world.fault(FIRST, f"hang-m{index}").touch()
        uri = world.version_uri("good")
        asked = [asyncio.create_task(world.runtime.apply(load(f"m{i}", uri))) for i in range(12)]
        places = world.folder.glob("servers/default/mlserver/0/0/models/*/payload")
        await world.eventually(lambda: len(list(world.folder.glob("servers/**/payload"))) >= 4)
        await asyncio.sleep(0.1)
        assert len(list(places)) == 4
        for index in range(12):
            world.fault(FIRST, f"hang-m{index}").unlink()
        assert {(await task).status for task in asked} == {"done"}
    finally:
        await world.runtime.stop("stop")


async def test_asking_twice_loads_once(served):
    """Two callers share the load that is under way."""
    wanted = load("iris", served.version_uri("iris"))
    await asyncio.gather(done(served.runtime, wanted), done(served.runtime, wanted))
    assert loads_seen(served, "iris_1") == 1


async def test_a_caller_who_goes_away_does_not_end_the_load(served):
    """The load is on record; it is finished by the runtime."""
    wanted = load("iris", served.version_uri("iris"))
    served.fault(FIRST, "hang-iris").touch()
    asking = asyncio.create_task(served.runtime.apply(wanted))
    await eventually(served.runtime, lambda state: loaded(state) == [("iris", 1, FIRST, "Loading")])
    asking.cancel()
    served.fault(FIRST, "hang-iris").unlink()
    await eventually(served.runtime, lambda state: loaded(state) == [("iris", 1, FIRST, "Loaded")])


async def test_unloading_removes_the_files(served):
    """The model repository holds what is loaded and nothing else."""
    wanted: LoadModel = load("iris", served.version_uri("iris"))
    await done(served.runtime, wanted)
    assert list(served.folder.glob("servers/**/iris_1"))
    await done(served.runtime, unload(wanted))
    assert not list(served.folder.glob("servers/**/iris_1"))

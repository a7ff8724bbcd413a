"""What the planner counts beside one instance's memory: priority, named resources, parallel workers."""

import asyncio

from reconciler.planning.planner import plan
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, failures, live_models, model, server, settle


def run(coroutine):
    return asyncio.run(coroutine)


def has(amount: int) -> dict[str, str]:
    """The annotation that names a resource."""
    return {"moorage.dev/resources": f"gpu={amount}"}


def test_higher_priority_goes_first_where_not_all_fit():
    """Of two models that wait the one that says more is placed, whatever their names."""

    async def story():
        world = SimulatedRuntime()
        urgent = model("z", memory="600M", annotations={"moorage.dev/priority": "1"})
        wanted = desired(server(), model("a", memory="600M"), urgent)
        await settle(wanted, world)
        return await world.observe()

    assert live_models(run(story())) == ["z_1 mlserver/0 Loaded"]


def test_model_waits_for_a_named_resource():
    """A second model finds memory, but no more of what it names."""

    async def story():
        world = SimulatedRuntime()
        gpu = server(annotations=has(1))
        wanted = desired(gpu, model("a", annotations=has(1)), model("b", annotations=has(1)))
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY), await world.observe()

    todo, live = run(story())
    assert live_models(live) == ["a_1 mlserver/0 Loaded"]
    assert failures(todo) == [("Model default/b", "ScheduleFailed")]


def test_more_of_a_resource_counts_at_once_and_restarts_nothing():
    """A server's annotation is no part of what its replicas are started from."""

    async def story():
        world = SimulatedRuntime()
        models = [model("a", annotations=has(1)), model("b", annotations=has(1))]
        await settle(desired(server(annotations=has(1)), *models), world)
        return (await settle(desired(server(annotations=has(2)), *models), world))[0]

    todo = run(story())
    assert todo.server_moves == ()
    assert [load.model for load in todo.loads] == ["b"]


def test_load_waits_for_the_unload_that_frees_its_resource():
    """A resource is counted on as memory is: the load names the unload, and comes after it."""

    async def story():
        world = SimulatedRuntime()
        gpu = server(annotations=has(1))
        await settle(desired(gpu, model("old", annotations=has(1))), world)
        return (await settle(desired(gpu, model("new", annotations=has(1))), world))[0]

    assert [[u.model for u in load.needs] for load in run(story()).loads] == [["old"]]


def test_change_of_a_models_resources_is_no_new_version():
    """What stands in annotations is not what is loaded: the model stays where it is, and counts anew."""

    async def story():
        world = SimulatedRuntime()
        gpu = server(annotations=has(2))
        await settle(desired(gpu, model("a", annotations=has(1))), world)
        wanted = desired(gpu, model("a", annotations=has(2)), model("b", annotations=has(1)))
        return plan(wanted, await world.observe(), POLICY)

    todo = run(story())
    assert todo.loads == todo.unloads == ()
    assert failures(todo) == [("Model default/b", "ScheduleFailed")]


def test_memory_counts_once_per_parallel_worker():
    """Two workers load a model twice; what is loaded counts so, too, when the next one comes."""

    async def story():
        world = SimulatedRuntime()
        two = server(workers=2)
        await settle(desired(two, model("a", memory="300M")), world)
        wanted = desired(two, model("a", memory="300M"), model("b", memory="300M"))
        first = plan(desired(two, model("b", memory="200M")), await world.observe(), POLICY)
        return first, plan(wanted, await world.observe(), POLICY)

    first, second = run(story())
    assert [load.memory for load in first.loads] == [400_000_000]
    assert [unload.memory for unload in first.unloads] == [600_000_000]
    assert failures(second) == [("Model default/b", "ScheduleFailed")]


def test_annotation_that_cannot_be_read_counts_as_not_said():
    """A resource applied before anybody read the annotation does not stop the planner."""

    async def story():
        world = SimulatedRuntime()
        said = {"moorage.dev/priority": "high", "moorage.dev/resources": "a lot"}
        wanted = desired(server(), model("a", annotations=said))
        await settle(wanted, world)
        return await world.observe()

    assert live_models(run(story())) == ["a_1 mlserver/0 Loaded"]

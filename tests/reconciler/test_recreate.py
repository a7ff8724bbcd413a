"""Update strategy Recreate: the old version goes first, where the new one finds a place at all."""

import asyncio

from reconciler.planning.planner import explain, plan
from runtime.operations import LoadModel, SetRoutes, UnloadModel
from schemas.resource import Resource, key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, failures, live_models, model, routed, server, settle


def run(coroutine):
    return asyncio.run(coroutine)


RECREATE = {"moorage.dev/update-strategy": "Recreate"}


def upgraded(memory: str = "600M", **spec) -> Resource:
    """A second version of iris."""
    return model("iris", memory=memory, storageUri="gs://models/v2", **spec)


def test_recreate_counts_on_the_old_version_and_shows_the_interruption():
    """The route goes, the old version goes, the new one comes where it was, and the route is back."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris", memory="600M")), world)
        world.journal.clear()
        plans = await settle(desired(server(), upgraded(annotations=RECREATE)), world)
        return plans, world.journal, await world.observe()

    plans, journal, live = run(story())
    assert len(plans) == 1
    assert [[u.reason for u in load.needs] for load in plans[0].loads] == [["OldVersion"]]
    assert [change.via for change in plans[0].routes] == [(None,)]
    kinds = [type(op) for op in journal if isinstance(op, LoadModel | SetRoutes | UnloadModel)]
    assert kinds == [SetRoutes, UnloadModel, LoadModel, SetRoutes]
    assert live_models(live) == ["iris_2 mlserver/0 Loaded"]
    assert routed(live, "iris") == [("iris", 100)]


def test_recreate_takes_the_old_version_away_also_where_both_would_fit():
    """As in Kubernetes: all of the old version goes before the new one comes, on whatever replicas."""

    async def story():
        world = SimulatedRuntime()
        spare = server(replicas=3)
        await settle(desired(spare, model("iris", memory="100M", replicas=2)), world)
        return await settle(desired(spare, upgraded("100M", replicas=2, annotations=RECREATE)), world)

    plans = run(story())
    assert len(plans) == 1
    assert [len(load.needs) for load in plans[0].loads] == [2, 2]


def test_recreated_model_stays_at_its_server():
    """A server with an earlier name and room of its own does not draw it away."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server("b"), model("iris", memory="600M")), world)
        await settle(desired(server("a"), server("b"), upgraded(annotations=RECREATE)), world)
        return await world.observe()

    assert live_models(run(story())) == ["iris_2 b/0 Loaded"]


def test_recreate_without_a_place_leaves_the_old_version_serving():
    """Where the new version fits nowhere even then nothing is taken away, and the failure says so."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris", memory="600M")), world)
        wanted = desired(server(), upgraded("2G", annotations=RECREATE), model("wine", memory="400M"))
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY), await world.observe()

    todo, live = run(story())
    assert todo.empty
    assert failures(todo) == [("Model default/iris", "ScheduleFailed")]
    assert "even without its old version" in todo.failures[0].message
    assert live_models(live) == ["iris_1 mlserver/0 Loaded", "wine_1 mlserver/0 Loaded"]
    assert routed(live, "iris") == [("iris", 100)]


def test_one_that_cannot_be_recreated_does_not_keep_another_from_it():
    """Each model of Recreate is judged by itself."""

    async def story():
        world = SimulatedRuntime()
        before = [model("a", memory="400M"), model("b", memory="500M")]
        await settle(desired(server(), *before), world)
        after = [
            model("a", memory="2G", storageUri="gs://v2", annotations=RECREATE),
            model("b", memory="600M", storageUri="gs://v2", annotations=RECREATE),
        ]
        plans = await settle(desired(server(), *after), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert len(plans) == 1
    assert live_models(live) == ["a_1 mlserver/0 Loaded", "b_2 mlserver/0 Loaded"]


def test_two_recreated_models_change_places():
    """Each takes the room that the other one leaves."""

    async def story():
        world = SimulatedRuntime()
        servers = [server("small", memory="500M"), server("large", memory="1G")]
        before = [model("a", memory="900M"), model("b", memory="500M")]
        await settle(desired(*servers, *before), world)
        after = [
            model("a", memory="400M", server="small", annotations=RECREATE),
            model("b", memory="1G", server="large", annotations=RECREATE),
        ]
        plans = await settle(desired(*servers, *after), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert len(plans) == 1
    assert live_models(live) == ["a_2 small/0 Loaded", "b_2 large/0 Loaded"]


def test_recreated_model_waits_also_for_what_goes_with_its_server():
    """A server that leaves takes the old version away first, too: nothing is served beside it."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server("s1"), server("s2"), model("iris")), world)
        return await settle(desired(server("s2"), upgraded("1M", annotations=RECREATE)), world)

    plans = run(story())
    assert len(plans) == 1
    assert [[(u.replica.server, u.reason) for u in load.needs] for load in plans[0].loads] == [
        [("s1", "ServerReplicaGone")]
    ]


def test_those_that_want_the_same_room_do_not_keep_each_other_from_it():
    """Both cannot be recreated at once, and the first one takes what the second alone would fit into."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("a", memory="400M"), model("b", memory="500M")), world)
        after = [
            model("a", memory="700M", storageUri="gs://v2", annotations=RECREATE),
            model("b", memory="600M", storageUri="gs://v2", annotations=RECREATE),
        ]
        plans = await settle(desired(server(), *after), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert len(plans) == 1
    assert live_models(live) == ["a_1 mlserver/0 Loaded", "b_2 mlserver/0 Loaded"]
    assert failures(plans[0]) == [("Model default/a", "ScheduleFailed")]


def test_room_that_a_late_recreation_leaves_is_used_in_the_same_plan():
    """A model that is recreated once others are placed may leave room, and somebody waits for it."""

    async def story():
        world = SimulatedRuntime()
        two = server(replicas=2)
        before = [model("a", memory="100M", replicas=2), model("c", memory="400M", replicas=2)]
        await settle(desired(two, *before, model("d", memory="100M")), world)
        after = [
            model("a", memory="600M", replicas=2, storageUri="gs://v2"),
            model("c", memory="800M", annotations=RECREATE),
            model("d", memory="700M"),
        ]
        return await settle(desired(two, *after), world)

    plans = run(story())
    assert len(plans) == 1
    assert [load.model for load in plans[0].loads] == ["d", "c"]


def test_explanation_and_remedy_of_recreate_count_the_old_version_as_gone():
    """What is missing is told beside nothing, since the old version would go first."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris", memory="600M")), world)
        wanted = desired(server(), upgraded("1200M", annotations=RECREATE))
        live = await world.observe()
        return explain(wanted, live, POLICY, key("Model", "default", "iris")), plan(wanted, live, POLICY)

    explanation, todo = run(story())
    assert [v.numbers["free"] for v in explanation.verdicts if v.index == 0] == [1_000_000_000]
    assert explanation.remedy == todo.failures[0].remedy
    assert (explanation.remedy.kind, explanation.remedy.memory) == ("MoreMemory", 200_000_000)

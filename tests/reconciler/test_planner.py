"""The planner: what a revision does to a world, and that doing it leaves nothing to do."""

import asyncio
from dataclasses import replace

from placement.inventory import ReplicaId
from reconciler.control.sync_policy import PrunePolicy
from reconciler.planning.guards import ChangePolicy
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy, explain, plan
from runtime.operations import LoadModel, SetRoutes, UnloadModel
from schemas.codec import decode, encode
from schemas.resource import key
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import (
    POLICY,
    desired,
    experiment,
    live_models,
    model,
    resource,
    routed,
    server,
    settle,
    sync,
)


def run(coroutine):
    return asyncio.run(coroutine)


def test_first_revision_starts_the_server_loads_and_routes():
    """A server and a model in Git become a served model, and the next plan is empty."""

    async def story():
        world = SimulatedRuntime()
        plans = await settle(desired(server(), model("iris")), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert [len(p.loads) for p in plans] == [1]
    assert live_models(live) == ["iris_1 mlserver/0 Loaded"]
    assert routed(live, "iris") == [("iris", 100)]


def test_new_version_is_loaded_before_the_old_one_is_unloaded():
    """Load, then route, then unload: at no step is the model unserved."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        world.journal.clear()
        await settle(desired(server(), model("iris", storageUri="gs://models/v2")), world)
        return world.journal, await world.observe()

    journal, live = run(story())
    kinds = [type(op) for op in journal if isinstance(op, LoadModel | SetRoutes | UnloadModel)]
    assert kinds == [LoadModel, SetRoutes, UnloadModel]
    assert live_models(live) == ["iris_2 mlserver/0 Loaded"]


def test_replica_count_alone_is_no_new_version():
    """replicas 1 → 2 loads one more replica of the same version."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(replicas=2), model("iris")), world)
        await settle(desired(server(replicas=2), model("iris", replicas=2)), world)
        return await world.observe()

    assert live_models(run(story())) == ["iris_1 mlserver/0 Loaded", "iris_1 mlserver/1 Loaded"]


def test_server_scaled_down_moves_its_models_to_lower_indices_first():
    """The model on the vanishing index is loaded elsewhere before that replica stops."""

    async def story():
        world = SimulatedRuntime()
        big = {"memory": "600M"}
        await settle(desired(server(replicas=2), model("a", **big), model("b", **big)), world)
        await settle(desired(server(replicas=1, memory="2G"), model("a", **big), model("b", **big)), world)
        return await world.observe()

    live = run(story())
    assert live_models(live) == ["a_1 mlserver/0 Loaded", "b_1 mlserver/0 Loaded"]
    assert [s.id.index for s in live.servers] == [0]


def test_memory_of_a_deleted_model_is_counted_on_and_waited_for():
    """A model that only fits once another is gone names that unload and comes after it."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("old", memory="800M")), world)
        todo = plan(desired(server(), model("new", memory="800M")), await world.observe(), POLICY)
        plans = await settle(desired(server(), model("new", memory="800M")), world)
        return todo, plans

    todo, plans = run(story())
    assert [u.model for u in todo.loads[0].needs] == ["old"]
    assert len(plans) == 1


def test_memory_of_an_upgraded_model_helps_others_but_not_itself():
    """An upgrade without room beside the old version fails; the old version goes on serving."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris", memory="600M")), world)
        wanted = desired(server(), model("iris", memory="600M", storageUri="gs://models/v2"))
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY), await world.observe()

    todo, live = run(story())
    assert [f.reason for f in todo.failures] == ["ScheduleFailed"]
    assert live_models(live) == ["iris_1 mlserver/0 Loaded"]
    assert routed(live, "iris") == [("iris", 100)]


def test_waiting_model_takes_what_an_upgrade_frees_in_the_same_plan():
    """One plan upgrades a model to a smaller one and loads what waited for the room."""

    async def story():
        world = SimulatedRuntime()
        first = desired(server(), model("a", memory="600M"))
        await settle(first, world)
        wanted = desired(server(), model("a", memory="100M", storageUri="gs://v2"), model("b", memory="800M"))
        return await settle(wanted, world)

    plans = run(story())
    assert len(plans) == 1
    assert [[u.model for u in load.needs] for load in plans[0].loads] == [[], ["a"]]


def test_failed_load_tries_another_server():
    """A replica that refused a version is rejected in the next plan, which takes another server."""

    async def story():
        world = SimulatedRuntime()
        world.faults.loads[ReplicaId("default", "mlserver", 0), "iris"] = "LoadFailed"
        plans = await settle(desired(server(), server("spare"), model("iris")), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert len(plans) == 2
    assert "iris_1 spare/0 Loaded" in live_models(live)


def test_pinned_model_waits_where_it_is_pinned():
    """``spec.server`` is never exchanged for another server."""

    async def story():
        world = SimulatedRuntime()
        world.faults.loads[ReplicaId("default", "mlserver", 0), "iris"] = "LoadFailed"
        wanted = desired(server(), server("spare"), model("iris", server="mlserver"))
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY)

    todo = run(story())
    assert todo.empty
    assert [(str(f.key), f.reason) for f in todo.failures] == [("Model default/iris", "ScheduleFailed")]


def test_lost_server_frees_its_models_for_another():
    """Models of a Lost replica are placed where there is room."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), server("spare"), model("iris")), world)
        world.lose(ReplicaId("default", "mlserver", 0))
        await settle(desired(server(), server("spare"), model("iris")), world)
        return await world.observe()

    assert live_models(run(story())) == ["iris_1 spare/0 Loaded"]


def test_restarting_server_keeps_its_models():
    """A server that restarts is repaired, not planned around."""

    async def story():
        world = SimulatedRuntime()
        wanted = desired(server(), server("spare"), model("iris"))
        await settle(wanted, world)
        world.crash(ReplicaId("default", "mlserver", 0))
        return plan(wanted, await world.observe(), POLICY)

    assert run(story()).empty


def test_removed_from_git_is_unrouted_unloaded_and_forgotten():
    """Deleting a manifest removes route, replica and record."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris"), model("wine")), world)
        await settle(desired(server(), model("wine")), world)
        return await world.observe()

    live = run(story())
    assert live_models(live) == ["wine_1 mlserver/0 Loaded"]
    assert routed(live, "iris") == []
    assert [r.resource.key.name for r in live.resources] == ["wine", "mlserver"]


def test_revision_that_deletes_everything_is_refused():
    """An empty desired state deletes nothing unless the policy allows it, and says so."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        live = await world.observe()
        allowed = Policy(ChangePolicy(PrunePolicy(allow_empty=True)), POLICY.server_configs)
        return plan(desired(), live, POLICY), plan(desired(), live, allowed)

    refused, permitted = run(story())
    assert refused.empty
    assert {h.reason for h in refused.held} == {"PruneRefusedEmpty"}
    assert [c.action for c in permitted.changes] == ["delete", "delete"]


def test_invalid_manifest_is_not_pruned_and_does_not_stop_the_rest():
    """A resource whose manifest is broken now stays as it was; others are synced."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        wanted = desired(server(), model("wine"), invalid=(key("Model", "default", "iris"),))
        await settle(wanted, world)
        return await world.observe()

    assert live_models(run(story())) == ["iris_1 mlserver/0 Loaded", "wine_1 mlserver/0 Loaded"]


def test_unreadable_document_holds_all_pruning():
    """While some document cannot be read as far as its name nothing is deleted."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        return plan(desired(server(), unreadable=True), await world.observe(), POLICY)

    todo = run(story())
    assert todo.empty
    assert [(str(h.key), h.reason) for h in todo.held] == [("Model default/iris", "PruneHeld")]


def test_resource_of_another_application_is_left_alone():
    """The second application to claim a resource is refused with the owner's name."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        return plan(desired(model("iris"), application="other"), await world.observe(), POLICY)

    todo = run(story())
    assert todo.empty
    assert [(h.reason, "app" in h.message) for h in todo.held] == [("OwnedByOther", True)]


def test_models_of_other_applications_keep_their_place():
    """A second application's models are placed around those of the first."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("a", memory="600M")), world)
        wanted = desired(model("b", memory="600M"), application="other")
        return plan(wanted, await world.observe(), POLICY)

    assert [(str(f.key), f.reason) for f in run(story()).failures] == [("Model default/b", "ScheduleFailed")]


def test_experiment_splits_the_default_and_answers_under_its_own_name():
    """Both routes carry the candidates by weight."""

    async def story():
        world = SimulatedRuntime()
        split = experiment("ab", {"a": 30, "b": 70}, default="a")
        await settle(desired(server(), model("a"), model("b"), split), world)
        return await world.observe()

    live = run(story())
    assert routed(live, "a") == routed(live, "ab.experiment") == [("a", 30), ("b", 70)]
    assert routed(live, "b") == [("b", 100)]


def test_deleted_experiment_restores_the_default_route():
    """Without its experiment a model's endpoint is its own again."""

    async def story():
        world = SimulatedRuntime()
        split = experiment("ab", {"a": 50, "b": 50}, default="a")
        await settle(desired(server(), model("a"), model("b"), split), world)
        await settle(desired(server(), model("a"), model("b")), world)
        return await world.observe()

    live = run(story())
    assert routed(live, "a") == [("a", 100)]
    assert routed(live, "ab.experiment") == []


def test_candidate_that_is_not_served_leaves_the_others_serving():
    """A missing candidate is named; the rest share by their weights."""

    async def story():
        world = SimulatedRuntime()
        split = experiment("ab", {"a": 50, "big": 50}, default="a")
        wanted = desired(server(), model("a"), model("big", memory="9G"), split)
        await settle(wanted, world)
        return await world.observe(), plan(wanted, await world.observe(), POLICY)

    live, todo = run(story())
    assert routed(live, "a") == [("a", 50)]
    assert ("Experiment default/ab", "CandidatesNotReady") in [(str(f.key), f.reason) for f in todo.failures]


def test_strict_experiment_is_inactive_until_all_candidates_are_served():
    """With the annotation the reference's rule holds: all or none."""

    async def story():
        world = SimulatedRuntime()
        annotations = {"moorage.dev/experiment": "strict"}
        split = experiment("ab", {"a": 50, "big": 50}, default="a", annotations=annotations)
        await settle(desired(server(), model("a"), model("big", memory="9G"), split), world)
        return await world.observe()

    live = run(story())
    assert routed(live, "a") == [("a", 100)]
    assert routed(live, "ab.experiment") == []


def test_unload_waits_for_every_route_that_used_the_version():
    """A candidate that leaves an experiment and Git at once is unloaded after the split is gone."""

    async def story():
        world = SimulatedRuntime()
        split = experiment("ab", {"a": 50, "b": 50}, default="a")
        await settle(desired(server(), model("a"), model("b"), split), world)
        world.journal.clear()
        await settle(desired(server(), model("a")), world)
        return world.journal

    journal = run(story())
    unload = next(i for i, op in enumerate(journal) if isinstance(op, UnloadModel))
    routes = [i for i, op in enumerate(journal) if isinstance(op, SetRoutes)]
    assert len(routes) == 3
    assert max(routes) < unload


def test_server_without_a_program_is_degraded_and_nothing_else():
    """A triton Server on a machine without Triton fails by name; the rest is served."""

    async def story():
        world = SimulatedRuntime()
        triton = resource("Server", "triton", serverConfig="triton")
        wanted = desired(server(), triton, model("iris"))
        plans = await settle(wanted, world)
        return plans[-1], await world.observe()

    todo, live = run(story())
    assert [(str(f.key), f.reason) for f in todo.failures] == [("Server default/triton", "NoServerBinary")]
    assert live_models(live) == ["iris_1 mlserver/0 Loaded"]


def test_pipeline_is_planned_and_shown_as_not_served():
    """A valid pipeline is recorded and fails with NoDataflowEngine, never ignored."""

    async def story():
        world = SimulatedRuntime()
        pipeline = resource("Pipeline", "p", steps=[{"name": "iris"}])
        wanted = desired(server(), model("iris"), pipeline)
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY)

    todo = run(story())
    assert todo.empty
    assert [(str(f.key), f.reason) for f in todo.failures] == [("Pipeline default/p", "NoDataflowEngine")]


def test_changed_server_is_replaced_index_by_index():
    """A new memory size replaces each replica; the models come along."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(replicas=2), model("iris", replicas=2)), world)
        plans = await settle(desired(server(replicas=2, memory="2G"), model("iris", replicas=2)), world)
        return plans, await world.observe()

    plans, live = run(story())
    assert [m.action for m in plans[0].server_moves] == ["replace", "replace"]
    assert len(plans) == 1
    assert live_models(live) == ["iris_1 mlserver/0 Loaded", "iris_1 mlserver/1 Loaded"]


def test_plan_survives_json():
    """A plan is the same after a round trip through JSON values."""

    async def story():
        world = SimulatedRuntime()
        split = experiment("ab", {"a": 50, "b": 50}, mirror={"name": "c", "percent": 10})
        return plan(
            desired(server(), model("a"), model("b"), model("c"), split), await world.observe(), POLICY
        )

    todo = run(story())
    assert decode(Plan, encode(todo)) == todo


def test_digest_is_of_the_effects_not_of_the_commit():
    """Another commit id with the same tree gives the same two digests."""

    async def story():
        live = await SimulatedRuntime().observe()
        one = desired(server(), model("iris"))
        return plan(one, live, POLICY), plan(replace(one, revision="r2"), live, POLICY)

    one, two = run(story())
    assert (one.digest, one.basis) == (two.digest, two.basis)


def test_basis_changes_with_the_world():
    """A lost server is another basis."""

    async def story():
        world = SimulatedRuntime()
        wanted = desired(server(), model("iris"))
        await sync(wanted, world)
        before = plan(wanted, await world.observe(), POLICY)
        world.lose(ReplicaId("default", "mlserver", 0))
        return before, plan(wanted, await world.observe(), POLICY)

    before, after = run(story())
    assert before.basis != after.basis


def test_explanation_names_every_server_and_its_numbers():
    """A model that fits nowhere is explained server by server."""

    async def story():
        world = SimulatedRuntime()
        wanted = desired(server(), server("tiny", memory="1M"), model("big", memory="3G"))
        await settle(wanted, world)
        return explain(wanted, await world.observe(), POLICY, key("Model", "default", "big"))

    explanation = run(story())
    reasons = {(v.server, v.index): v.reason for v in explanation.verdicts}
    assert reasons["mlserver", 0] == "InsufficientMemory"
    assert reasons["tiny", 0] == "InsufficientMemory"


def test_server_that_cannot_be_read_fails_by_itself():
    """A ServerConfig and a Server that only clash once merged degrade that Server; the rest is planned."""

    async def story():
        world = SimulatedRuntime()
        containers = [{"name": "mlserver", "resources": {"requests": {"memory": "much"}}}]
        broken = resource("Server", "broken", serverConfig="mlserver", podSpec={"containers": containers})
        await settle(desired(server(), broken, model("iris")), world)
        wanted = desired(server(), broken, model("iris"))
        return plan(wanted, await world.observe(), POLICY), await world.observe()

    todo, live = run(story())
    assert [(str(f.key), f.reason) for f in todo.failures] == [
        ("Server default/broken", "InvalidServerTemplate")
    ]
    assert live_models(live) == ["iris_1 mlserver/0 Loaded"]


def test_number_of_server_replicas_is_bounded():
    """A Server with two thousand million replicas fails by name; what runs of it stays."""

    async def story():
        world = SimulatedRuntime()
        await settle(desired(server(), model("iris")), world)
        wanted = desired(server(replicas=2_000_000_000), model("iris"))
        await settle(wanted, world)
        return plan(wanted, await world.observe(), POLICY), await world.observe()

    todo, live = run(story())
    assert [(str(f.key), f.reason) for f in todo.failures] == [("Server default/mlserver", "TooManyReplicas")]
    assert live_models(live) == ["iris_1 mlserver/0 Loaded"]


def test_model_of_a_namespace_without_a_port_says_so():
    """A model that nobody can ask is loaded all the same and named with NamespaceNotServed."""

    async def story():
        world = SimulatedRuntime()
        policy = replace(POLICY, listening=("default",))
        wanted = desired(server("s", "far"), model("iris", "far"))
        await settle(wanted, world, policy)
        return plan(wanted, await world.observe(), policy)

    todo = run(story())
    assert todo.empty
    assert [(str(f.key), f.reason) for f in todo.failures] == [("Model far/iris", "NamespaceNotServed")]

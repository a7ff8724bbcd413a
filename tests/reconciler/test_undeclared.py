"""Warnings: what a manifest leaves unsaid, told by the plan that applies it and by no other."""

import asyncio
from dataclasses import replace

from reconciler.planning.plan import Plan, effects_digest
from reconciler.planning.planner import plan
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY, desired, model, resource, server, settle

GPU = {"moorage.dev/resources": "gpu=1"}


def planned(*resources, before=()) -> Plan:
    """The plan for these resources, from a world that has ``before``."""

    async def story():
        world = SimulatedRuntime()
        if before:
            await settle(desired(*before), world)
        return plan(desired(*resources), await world.observe(), POLICY)

    return asyncio.run(story())


def warned(todo: Plan) -> list[tuple[str, str]]:
    return [(w.key.name, w.reason) for w in todo.warnings]


def test_model_without_memory_is_warned_of():
    """Undeclared memory counts as 0."""
    todo = planned(server(), model("small", memory="1M"), model("b"), model("a"))
    assert warned(todo) == [("a", "UndeclaredMemory"), ("b", "UndeclaredMemory")]


def test_warning_comes_once():
    """A model that does not change is not warned of again; one that does is."""
    declared = (server(), model("a"), model("b"))
    again = planned(server(), model("a"), model("b", replicas=0), before=declared)
    assert warned(again) == [("b", "UndeclaredMemory")]


def test_resource_that_a_server_has_and_the_model_does_not_name_is_warned_of():
    """A model that names it is not."""
    silent, telling = model("silent", memory="1M"), model("telling", memory="1M", annotations=GPU)
    todo = planned(server(annotations=GPU), silent, telling)
    assert warned(todo) == [("silent", "UndeclaredResource")]
    assert "gpu" in todo.warnings[0].message


def test_server_that_could_not_take_the_model_does_not_matter():
    """Another namespace, a pin, and capabilities that it lacks."""
    servers = [server(annotations=GPU), server("plain"), server("far", "other", annotations=GPU)]
    pinned = model("pinned", memory="1M", server="plain")
    elsewhere = resource("Model", "torch", storageUri="gs://x", memory="1M", requirements=["pytorch"])
    assert warned(planned(*servers, pinned, elsewhere)) == []


def test_warning_is_no_effect():
    """A plan with a warning has the digest that it would have without."""
    todo = planned(server(), model("a"))
    assert todo.warnings
    assert effects_digest(replace(todo, warnings=())) == todo.digest

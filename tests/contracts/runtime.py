"""What every ``Runtime`` has to show, whatever it is made of.

A test module subclasses :class:`RuntimeContract` and gives it a :class:`World`: a runtime and the means
to break what is around it. Nothing here looks behind the protocol.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import pytest

from placement.inventory import ReplicaId
from runtime.operations import (
    ForgetResource,
    LoadModel,
    Operation,
    RecordResource,
    ReplaceServerReplica,
    Result,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from runtime.ports import Runtime
from runtime.routes import Route, Target, WeightedTarget
from runtime.state import LiveModelReplica, LiveServerReplica, LiveState
from schemas.codec import digest
from schemas.resource import Origin, Resource, key
from schemas.specs import ModelSpec, ServerSpec
from schemas.template import ServerTemplate

DONE = Result("done")
FIRST = ReplicaId("default", "mlserver", 0)
SECOND = ReplicaId("default", "mlserver", 1)


class World(Protocol):
    """A runtime under test and its faults. ``version_uri`` gives an artifact that can be served."""

    runtime: Runtime

    def version_uri(self, name: str) -> str:
        """The storageUri of a good artifact."""

    def break_loads(self, replica: ReplicaId, model: str) -> None:
        """From now on ``model`` cannot be loaded on ``replica``."""

    def mend_loads(self, replica: ReplicaId, model: str) -> None:
        """Take :meth:`break_loads` back."""

    def break_starts(self, replica: ReplicaId) -> None:
        """From now on the server of ``replica`` does not come up."""

    def mend_starts(self, replica: ReplicaId) -> None:
        """Take :meth:`break_starts` back."""

    async def crash(self, replica: ReplicaId) -> None:
        """End the server and keep it down; returns once that is seen."""

    async def recover(self, replica: ReplicaId) -> None:
        """Let a crashed or lost server come up again; may return before it is up."""

    async def lose(self, replica: ReplicaId) -> None:
        """End the server and keep it away until it counts as Lost."""


def template(
    memory: int = 1_000_000, config: str = "mlserver", capabilities: tuple[str, ...] = ("mlserver", "sklearn")
) -> ServerTemplate:
    """A server template as the contract uses it."""
    return ServerTemplate(config, config, capabilities, memory, 10, {})


def model(name: str, uri: str, memory: int = 1000) -> Resource:
    """A Model manifest."""
    spec = ModelSpec(uri, requirements=("sklearn",), memory=memory)
    return Resource(key("Model", "default", name), spec, Origin("git", f"{name}.yaml", 1, 1))


def server(name: str) -> Resource:
    """A Server manifest."""
    return Resource(key("Server", "default", name), ServerSpec("mlserver"), Origin("git", "s.yaml", 1, 1))


def load(name: str, uri: str, replica: ReplicaId = FIRST) -> LoadModel:
    """The operation that loads the version of model ``name`` whose artifact is at ``uri``."""
    spec = ModelSpec(uri, requirements=("sklearn",), memory=1000)
    return LoadModel("default", name, digest(spec), spec, replica)


def unload(loaded: LoadModel) -> UnloadModel:
    """The operation that takes ``loaded`` back."""
    return UnloadModel(loaded.namespace, loaded.model, loaded.version, loaded.replica)


def route(*loads: LoadModel) -> Route:
    """A route of the first model's name over all of ``loads``, equal weights per version."""
    versions: dict[tuple[str, str], list[ReplicaId]] = {}
    for entry in loads:
        versions.setdefault((entry.model, entry.version), []).append(entry.replica)
    targets = tuple(
        WeightedTarget(Target(name, version, tuple(sorted(replicas))), 50)
        for (name, version), replicas in sorted(versions.items())
    )
    return Route("default", loads[0].model, targets)


async def eventually(runtime: Runtime, fact: Callable[[LiveState], bool]) -> LiveState:
    """The first live state of which ``fact`` holds; fails after a minute."""
    async with asyncio.timeout(60):
        while not fact(state := await runtime.observe()):  # noqa: ASYNC110 (the protocol is observed by asking)
            await asyncio.sleep(0.02)
    return state


def states(state: LiveState) -> dict[ReplicaId, str]:
    """Server replicas and their states."""
    return {entry.id: entry.state for entry in state.servers}


def loaded(state: LiveState) -> list[tuple[str, int, ReplicaId, str]]:
    """Model replicas as (model, number, replica, state), sorted."""
    return sorted((entry.model, entry.number, entry.replica, entry.state) for entry in state.models)


async def done(runtime: Runtime, *operations: Operation) -> None:
    """Apply in order; every one has to end well."""
    for operation in operations:
        assert await runtime.apply(operation) == DONE, operation


@pytest.mark.anyio
class RuntimeContract:
    """The facts. Subclasses provide the fixture ``world``."""

    async def test_a_new_runtime_holds_nothing(self, world: World) -> None:
        """Nothing is applied, running, loaded or routed before somebody asks for it."""
        state = await world.runtime.observe()
        assert (state.resources, state.servers, state.models, state.routes) == ((), (), (), ())

    async def test_environments_say_what_this_machine_can_run(self, world: World) -> None:
        """A ServerConfig that can be run and one that cannot are both named."""
        facts = (await world.runtime.observe()).environments
        assert facts["mlserver"].runnable
        assert not facts["triton"].runnable
        assert facts["triton"].reason == "NoServerBinary"

    async def test_recorded_resources_are_observed_in_order(self, world: World) -> None:
        """Resources come back as they were given, with their owner, sorted by key."""
        await done(
            world.runtime, RecordResource(server("z"), "app"), RecordResource(model("b", "m:b"), "app")
        )
        state = await world.runtime.observe()
        assert [(e.resource, e.owner) for e in state.resources] == [
            (model("b", "m:b"), "app"),
            (server("z"), "app"),
        ]

    async def test_recording_again_replaces(self, world: World) -> None:
        """The last spec and owner are the ones that count."""
        await done(
            world.runtime,
            RecordResource(model("a", "m:1"), "one"),
            RecordResource(model("a", "m:2"), "two"),
        )
        (entry,) = (await world.runtime.observe()).resources
        assert (entry.resource, entry.owner) == (model("a", "m:2"), "two")

    async def test_forgetting_twice_is_no_error(self, world: World) -> None:
        """A resource that is not there is forgotten already."""
        await done(world.runtime, RecordResource(server("s"), "app"))
        forget = ForgetResource(key("Server", "default", "s"))
        await done(world.runtime, forget, forget)
        assert (await world.runtime.observe()).resources == ()

    async def test_a_started_replica_is_ready(self, world: World) -> None:
        """It offers what its environment has of what is declared."""
        wanted = template(capabilities=("mlserver", "sklearn"))
        await done(world.runtime, StartServerReplica(FIRST, wanted))
        assert (await world.runtime.observe()).servers == (
            LiveServerReplica(FIRST, "Ready", wanted, ("mlserver", "sklearn")),
        )

    async def test_starting_twice_changes_nothing(self, world: World) -> None:
        """Starting what runs from the same template is done already."""
        await done(world.runtime, StartServerReplica(FIRST, template()))
        before = await world.runtime.observe()
        await done(world.runtime, StartServerReplica(FIRST, template()))
        assert await world.runtime.observe() == before

    async def test_starting_over_another_template_is_refused(self, world: World) -> None:
        """A running replica is only given another template by replacing it."""
        await done(world.runtime, StartServerReplica(FIRST, template()))
        result = await world.runtime.apply(StartServerReplica(FIRST, template(memory=2)))
        assert (result.status, result.reason) == ("failed", "Orphaned")

    async def test_a_server_without_a_program_is_lost_with_the_reason(self, world: World) -> None:
        """NoServerBinary is the answer and the state, and nothing else suffers."""
        wanted = ReplicaId("default", "triton", 0)
        result = await world.runtime.apply(StartServerReplica(wanted, template(config="triton")))
        assert (result.status, result.reason) == ("failed", "NoServerBinary")
        (entry,) = (await world.runtime.observe()).servers
        assert (entry.state, entry.reason) == ("Lost", "NoServerBinary")

    async def test_a_server_that_does_not_start_is_lost_with_the_reason(self, world: World) -> None:
        """ServerStartFailed, and it can be started once what was wrong is mended."""
        world.break_starts(FIRST)
        result = await world.runtime.apply(StartServerReplica(FIRST, template()))
        assert (result.status, result.reason) == ("failed", "ServerStartFailed")
        (entry,) = (await world.runtime.observe()).servers
        assert (entry.state, entry.reason) == ("Lost", "ServerStartFailed")
        world.mend_starts(FIRST)
        await done(world.runtime, StartServerReplica(FIRST, template()))
        assert states(await world.runtime.observe()) == {FIRST: "Ready"}

    async def test_stopping_takes_the_replica_and_its_models_away(self, world: World) -> None:
        """Twice is no error."""
        await done(
            world.runtime, StartServerReplica(FIRST, template()), load("iris", world.version_uri("iris"))
        )
        await done(world.runtime, StopServerReplica(FIRST), StopServerReplica(FIRST))
        state = await world.runtime.observe()
        assert (state.servers, state.models) == ((), ())

    async def test_the_first_version_is_number_one(self, world: World) -> None:
        """A loaded model is reported with its number, replica and memory."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        assert (await world.runtime.observe()).models == (
            LiveModelReplica("default", "iris", wanted.version, 1, FIRST, 1000, "Loaded"),
        )

    async def test_versions_count_up_and_replicas_share_their_number(self, world: World) -> None:
        """A second version is number two, on whichever replica; loading again changes nothing."""
        one, two = (load("iris", world.version_uri(name)) for name in ("a", "b"))
        elsewhere = load("iris", world.version_uri("b"), SECOND)
        await done(
            world.runtime, StartServerReplica(FIRST, template()), StartServerReplica(SECOND, template())
        )
        await done(world.runtime, one, two, elsewhere, one)
        assert loaded(await world.runtime.observe()) == [
            ("iris", 1, FIRST, "Loaded"),
            ("iris", 2, FIRST, "Loaded"),
            ("iris", 2, SECOND, "Loaded"),
        ]

    async def test_a_number_is_never_given_to_another_version(self, world: World) -> None:
        """Unloading a version does not free its number while the model is known."""
        one, two = (load("iris", world.version_uri(name)) for name in ("a", "b"))
        await done(world.runtime, RecordResource(model("iris", "m:a"), "app"))
        await done(world.runtime, StartServerReplica(FIRST, template()), one, unload(one), two)
        assert loaded(await world.runtime.observe()) == [("iris", 2, FIRST, "Loaded")]

    async def test_a_forgotten_model_starts_at_one_again(self, world: World) -> None:
        """Forgetting a Model drops what is kept about its versions."""
        one, two = (load("iris", world.version_uri(name)) for name in ("a", "b"))
        await done(world.runtime, RecordResource(model("iris", "m:a"), "app"))
        await done(world.runtime, StartServerReplica(FIRST, template()), one, unload(one))
        await done(world.runtime, ForgetResource(key("Model", "default", "iris")), two)
        assert loaded(await world.runtime.observe()) == [("iris", 1, FIRST, "Loaded")]

    async def test_unloading_twice_is_no_error(self, world: World) -> None:
        """A model that is not there is unloaded already."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        await done(world.runtime, unload(wanted), unload(wanted))
        assert (await world.runtime.observe()).models == ()

    async def test_loading_where_no_server_runs_fails_without_a_trace(self, world: World) -> None:
        """That is no judgement about the model: no LoadFailed is recorded."""
        result = await world.runtime.apply(load("iris", world.version_uri("iris")))
        assert (result.status, result.reason) == ("failed", "ReplicaNotReady")
        assert (await world.runtime.observe()).models == ()

    async def test_a_failed_load_is_live_state(self, world: World) -> None:
        """LoadFailed stays on the replica it happened on; the same model loads elsewhere."""
        world.break_loads(FIRST, "iris")
        await done(
            world.runtime, StartServerReplica(FIRST, template()), StartServerReplica(SECOND, template())
        )
        uri = world.version_uri("iris")
        result = await world.runtime.apply(load("iris", uri))
        assert (result.status, result.reason) == ("failed", "LoadFailed")
        await done(world.runtime, load("iris", uri, SECOND))
        state = await world.runtime.observe()
        assert loaded(state) == [("iris", 1, FIRST, "LoadFailed"), ("iris", 1, SECOND, "Loaded")]
        assert state.models[0].message

    async def test_a_failed_load_can_be_unloaded(self, world: World) -> None:
        """Unloading a LoadFailed replica takes the entry away."""
        world.break_loads(FIRST, "iris")
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()))
        await world.runtime.apply(wanted)
        await done(world.runtime, unload(wanted))
        assert (await world.runtime.observe()).models == ()

    async def test_a_failed_load_may_be_asked_for_again(self, world: World) -> None:
        """An explicit load tries again, whatever happened before."""
        world.break_loads(FIRST, "iris")
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()))
        await world.runtime.apply(wanted)
        world.mend_loads(FIRST, "iris")
        await done(world.runtime, wanted)
        assert loaded(await world.runtime.observe()) == [("iris", 1, FIRST, "Loaded")]

    async def test_routes_are_reported_as_they_were_wanted(self, world: World) -> None:
        """Routes are sorted by name, set again without effect and deleted without complaint."""
        wanted = load("iris", world.version_uri("iris"))
        other = load("cat", world.version_uri("cat"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted, other)
        await done(world.runtime, SetRoutes(set=(route(wanted), route(other))))
        assert (await world.runtime.observe()).routes == (route(other), route(wanted))
        gone = (("default", "cat"), ("default", "never"))
        await done(world.runtime, SetRoutes(set=(route(wanted),), delete=gone))
        assert (await world.runtime.observe()).routes == (route(wanted),)

    async def test_a_crashed_server_comes_back_with_its_models(self, world: World) -> None:
        """Restarting keeps models and routes; afterwards the live state is what it was."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        await done(world.runtime, SetRoutes(set=(route(wanted),)))
        before = await world.runtime.observe()
        await world.crash(FIRST)
        state = await world.runtime.observe()
        assert states(state) == {FIRST: "Restarting"}
        assert loaded(state) == [("iris", 1, FIRST, "Loading")]
        await world.recover(FIRST)
        await eventually(world.runtime, lambda state: state == before)

    async def test_a_lost_server_frees_its_models(self, world: World) -> None:
        """Lost keeps the replica and its reason; what it held is gone and stays gone when it returns."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        await world.lose(FIRST)
        state = await world.runtime.observe()
        assert (states(state), state.models) == ({FIRST: "Lost"}, ())
        await world.recover(FIRST)
        state = await eventually(world.runtime, lambda state: states(state) == {FIRST: "Ready"})
        assert state.models == ()

    async def test_replacing_keeps_the_models(self, world: World) -> None:
        """The new incarnation has the new template and everything that was loaded."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        await done(world.runtime, ReplaceServerReplica(FIRST, template(memory=5)))
        state = await world.runtime.observe()
        assert [(e.state, e.template.memory) for e in state.servers] == [("Ready", 5)]
        assert loaded(state) == [("iris", 1, FIRST, "Loaded")]

    async def test_a_replacement_that_does_not_start_leaves_the_old_one(self, world: World) -> None:
        """The old incarnation serves on, and the reason stands beside it."""
        wanted = load("iris", world.version_uri("iris"))
        await done(world.runtime, StartServerReplica(FIRST, template()), wanted)
        world.break_starts(FIRST)
        result = await world.runtime.apply(ReplaceServerReplica(FIRST, template(memory=5)))
        assert (result.status, result.reason) == ("failed", "ServerStartFailed")
        state = await world.runtime.observe()
        (entry,) = state.servers
        assert (entry.state, entry.template, entry.reason) == ("Ready", template(), "ServerStartFailed")
        assert loaded(state) == [("iris", 1, FIRST, "Loaded")]

    async def test_replacing_what_does_not_run_starts_it(self, world: World) -> None:
        """After a crash of the controller half-way, replacing again is right."""
        await done(world.runtime, ReplaceServerReplica(FIRST, template()))
        assert states(await world.runtime.observe()) == {FIRST: "Ready"}

    async def test_changes_hint_at_what_happens_by_itself(self, world: World) -> None:
        """A crash wakes whoever waits for changes."""
        await done(world.runtime, StartServerReplica(FIRST, template()))
        hints = world.runtime.changes()
        waiting = asyncio.ensure_future(anext(hints))
        await asyncio.sleep(0)
        await world.crash(FIRST)
        async with asyncio.timeout(60):
            await waiting
        await hints.aclose()  # type: ignore[attr-defined]  # an async generator behind the protocol

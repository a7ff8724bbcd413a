"""The controller is killed at every effect and every write of a life, and its successor ends where Git says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.control.commands import Commands, Who
from reconciler.control.loop import Controller
from reconciler.history import History
from runtime.state import LiveState
from tests.e2e.mortal import NAME, Fate, Killed, World, process, rest
from tests.reconciler.world import desired, experiment, model, server

Act = Callable[[World, Controller], Awaitable[str]]
"""Something that people do; returns the revision that is served in the end."""

ADA = Who("ada", "audit")
R1 = desired(server(), model("iris"), model("wine"), revision="r1")
R2 = desired(
    server(memory="2G", replicas=2),
    model("iris", storageUri="gs://models/iris-v2", replicas=2),
    model("wine"),
    experiment("split", {"iris": 50, "wine": 50}, default="iris"),
    revision="r2",
)
R3 = desired(server(memory="2G"), model("iris", storageUri="gs://models/iris-v2"), revision="r3")


def push(wanted: object) -> Act:
    async def act(world: World, controller: Controller) -> str:
        world.revisions[wanted.revision], world.head = wanted, wanted.revision
        controller.hint(NAME)
        return wanted.revision

    return act


async def pin(world: World, controller: Controller) -> str:
    await Commands(controller).pin(NAME, "r2", ADA)
    return "r2"


async def push_what_is_not_followed(world: World, controller: Controller) -> str:
    await push(R3)(world, controller)
    return "r2"


async def unpin(world: World, controller: Controller) -> str:
    Commands(controller).unpin(NAME)
    return "r3"


LIFE: tuple[Act, ...] = (push(R1), push(R2), pin, push_what_is_not_followed, unpin)


@dataclass(frozen=True)
class Ended:
    """What a life left behind."""

    live: LiveState
    world: World
    killed: tuple[str, ...]
    phases: tuple[str, ...]


async def live(folder: Path, *kills: int) -> Ended:
    """A life that is killed at those points, each counted from its restart."""
    world, left, fates = World(folder), list(LIFE), [*map(Fate, kills), Fate()]
    world.revisions, world.head = {"r0": desired(revision="r0")}, "r0"
    for fate in fates:
        try:
            async with process(world, fate) as controller:
                while left:
                    await rest(controller, fate, await left[0](world, controller))
                    left.pop(0)
                    served = {route.name for route in (await world.inner.observe()).routes}
                    world.always = served & {"iris"}
        except Killed:
            continue
    history = History(folder / "history.sqlite")
    phases = tuple(record.phase for record in reversed(history.syncs(NAME)))
    history.close()
    killed = tuple(fate.points[fate.at - 1] for fate in fates if 0 < fate.at <= len(fate.points))
    return Ended(await world.inner.observe(), world, killed, phases)


def lived(folder: Path, *kills: int) -> Ended:
    folder.mkdir()
    return asyncio.run(live(folder, *kills))


def effects(world: World) -> dict[str, int]:
    """How often each operation was carried out, but for routes: those may go by way of others."""
    return {operation: n for operation, n in world.applied.items() if not operation.startswith("SetRoutes(")}


@pytest.mark.parametrize("again", [(), (3,)], ids=["once", "and again"])
def test_a_kill_at_any_point_converges(tmp_path: Path, again: tuple[int, ...]) -> None:
    """Same world in the end, nothing done twice, nobody routed to what is not there; the history tells of
    every interrupted sync once."""
    whole = lived(tmp_path / "whole")
    assert whole.phases == ("Succeeded",) * len(whole.phases)
    points = set()
    for point in range(1, 1000):
        ended = lived(tmp_path / str(point), point, *again)
        if not ended.killed:
            break
        points.add(ended.killed[0])
        assert ended.live == whole.live, ended.killed
        assert effects(ended.world) == effects(whole.world), ended.killed
        assert set(ended.phases) <= {"Succeeded", "Interrupted"}, ended.killed
        assert ended.phases.count("Interrupted") == _interrupted(ended.killed), ended.killed
    operations = {"RecordResource", "ForgetResource", "StartServerReplica", "ReplaceServerReplica"}
    operations |= {"StopServerReplica", "LoadModel", "SetRoutes", "UnloadModel"}
    writes = {"begin", "finish", "interrupt", "note_created", "forget_created", "note_agreed", "intent"}
    assert {f"{when} {what}" for what in operations | writes for when in ("before", "after")} <= points


def _interrupted(killed: tuple[str, ...]) -> int:
    """How many syncs were begun and not finished at those points."""
    within = ("begin", "finish", "interrupt", "note_created", "forget_created", "note_agreed", "intent")
    outside = {f"{when} {what}" for what in within for when in ("before", "after")}
    outside -= {"after begin", "before finish"}
    return sum(point not in outside for point in killed)

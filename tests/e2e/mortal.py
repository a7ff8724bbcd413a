"""A controller that can be killed at every effect and every write, over a world and files that outlive it.

The world is simulated, so that every point can be tried; that real processes and the runtime's own
record survive the same is shown in ``tests/local`` and :mod:`tests.e2e.test_crashes`. A point comes before
or after one call that has effects: an operation of the runtime, a write to the history or to the intents.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from reconciler.config import ApplicationConfig
from reconciler.control.approval import NOTHING_SHOWN, PlanStanding
from reconciler.control.intent import Intent
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.planning.plan import Plan
from reconciler.status import ApplicationSource, Phase, SyncRecord
from runtime.operations import Operation, Result
from runtime.routes import Target
from runtime.state import LiveState
from schemas.resource import ResourceKey
from tests.fakes.simulated import SimulatedRuntime
from tests.reconciler.world import POLICY

NAME = "app"


class Killed(BaseException):
    """The process ends here; nothing of it catches this."""


@dataclass
class Fate:
    """Kills at the ``at``-th point it meets, counted from 1, and lets nothing be done after that; 0 never.
    ``points`` are those met so far, by what they are; ``life`` is what ends then."""

    at: int = 0
    points: list[str] = field(default_factory=list)
    dead: bool = False
    life: asyncio.Task[None] | None = None

    def meet(self, point: str) -> None:
        if not self.dead:
            self.points.append(point)
            self.dead = len(self.points) == self.at
        if self.dead:
            raise Killed(point)


@dataclass
class World:
    """What outlives the process: the simulated world, the folder of files, and what Git holds.

    After every operation it is checked that nobody is routed to what does not serve, and that what shall
    always answer does.
    """

    folder: Path
    inner: SimulatedRuntime = field(default_factory=SimulatedRuntime)
    revisions: dict[str, Desired] = field(default_factory=dict)
    head: str = ""
    always: set[str] = field(default_factory=set)
    applied: Counter[str] = field(default_factory=Counter)

    async def check(self) -> None:
        live = await self.inner.observe()
        loaded = {(m.model, m.version, m.replica) for m in live.models if m.state == "Loaded"}
        for route in live.routes:
            targets = [weighted.target for weighted in route.targets]
            targets += [route.mirror.target] if route.mirror else []
            for model, version, replica in _ends(targets):
                assert (model, version, replica) in loaded, f"{route.name} leads to {model} on {replica}"
        assert self.always <= {route.name for route in live.routes}, "a model ceased to answer"


def _ends(targets: Sequence[Target]) -> list[tuple[str, str, object]]:
    return [(target.model, target.version, replica) for target in targets for replica in target.replicas]


@dataclass
class MortalRuntime:
    """The world, as one process reaches it."""

    world: World
    fate: Fate

    async def observe(self) -> LiveState:
        return await self.world.inner.observe()

    async def apply(self, operation: Operation) -> Result:
        name = type(operation).__name__
        self.fate.meet(f"before {name}")
        result = await self.world.inner.apply(operation)
        self.world.applied[repr(operation)] += 1
        await self.world.check()
        self.fate.meet(f"after {name}")
        return result

    def changes(self) -> AsyncIterator[None]:
        return self.world.inner.changes()


class MortalHistory(History):
    """The history, written by one process. ``open_syncs`` counts syncs begun and not finished."""

    def __init__(self, file: Path, fate: Fate) -> None:
        super().__init__(file)
        self.fate = fate

    def interrupt(self, now: datetime) -> None:
        self.fate.meet("before interrupt")
        super().interrupt(now)
        self.fate.meet("after interrupt")

    def begin(
        self,
        plan: Plan,
        author: str,
        message: str,
        who: str,
        now: datetime,
        preview: PlanStanding = NOTHING_SHOWN,
    ) -> int:
        self.fate.meet("before begin")
        sync = super().begin(plan, author, message, who, now, preview)
        self.fate.meet("after begin")
        return sync

    def finish(self, sync: int, phase: Phase, failed: Sequence[tuple[str, str]], now: datetime) -> SyncRecord:
        self.fate.meet("before finish")
        record = super().finish(sync, phase, failed, now)
        self.fate.meet("after finish")
        return record

    def note_agreed(self, application: str, revision: str) -> None:
        self.fate.meet("before note_agreed")
        super().note_agreed(application, revision)
        self.fate.meet("after note_agreed")

    def note_created(self, keys: Sequence[ResourceKey], now: datetime) -> None:
        self.fate.meet("before note_created")
        super().note_created(keys, now)
        self.fate.meet("after note_created")

    def forget_created(self, keys: Sequence[ResourceKey]) -> None:
        self.fate.meet("before forget_created")
        super().forget_created(keys)
        self.fate.meet("after forget_created")


class MortalIntents(IntentStore):
    """The intents, written by one process."""

    def __init__(self, file: Path, fate: Fate) -> None:
        super().__init__(file)
        self.fate = fate

    def change(self, application, decide) -> Intent:
        self.fate.meet("before intent")
        intent = super().change(application, decide)
        self.fate.meet("after intent")
        return intent


class Branch:
    """The application's source: whatever the world says Git holds."""

    def __init__(self, world: World) -> None:
        self.config = ApplicationConfig(NAME, "", "")
        self.shown = ApplicationSource(NAME, "", "", "", "default")
        self.identity = ()
        self._world = world

    def read(self, revision: str | None = None) -> Desired:
        return self._world.revisions[revision or self._world.head]

    async def hints(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


@asynccontextmanager
async def process(world: World, fate: Fate) -> AsyncIterator[Controller]:
    """One life of the controller. Leaving it is its end, by ``fate`` or without a word."""
    history = MortalHistory(world.folder / "history.sqlite", fate)
    intents = MortalIntents(world.folder / "intent.sqlite", fate)
    controller = Controller([Branch(world)], MortalRuntime(world, fate), POLICY, history, intents)
    fate.life = task = asyncio.create_task(controller.run())
    try:
        yield controller
    finally:
        fate.dead = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        history.close()
        intents.close()


async def rest(controller: Controller, fate: Fate, revision: str) -> None:
    """Wait until that revision is served and nothing is under way; raises Killed where that never comes."""
    async with asyncio.timeout(60):
        while not _rests(controller, revision):
            if fate.dead:
                raise Killed
            if fate.life is not None and fate.life.done():
                await fate.life  # a broken promise
            await asyncio.sleep(0.001)


def _rests(controller: Controller, revision: str) -> bool:
    status = controller.application(NAME)
    idle = controller._state.busy is None and controller.queued == 0
    return status.sync == "Synced" and status.revision == revision and idle

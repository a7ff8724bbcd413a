"""An application that is left has works under way; they end without a word in what follows."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from reconciler.config import ApplicationConfig
from reconciler.control import controller as decisions
from reconciler.control.events import Executed, Looked, PlanFailed, Planned, SourceHint, Stale, SyncAsked
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.requests import SyncRequest
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.status import ApplicationSource
from schemas.errors import InputError
from tests.reconciler.test_loop import Gate
from tests.reconciler.world import POLICY, desired, model, server


class HeldSource:
    """A source whose reads wait for the test."""

    def __init__(self, wanted: Desired, identity: int, *, held: bool = False) -> None:
        self.config = ApplicationConfig("app", "", "")
        self.shown = ApplicationSource("app", "", "", "", "default")
        self.identity = (identity,)
        self.wanted = wanted
        self.reads = 0
        self.reading, self.free = threading.Event(), threading.Event()
        if not held:
            self.free.set()

    def read(self, revision: str | None = None) -> Desired:
        self.reading.set()
        assert self.free.wait(60)
        self.reads += 1
        return self.wanted

    async def hints(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


@pytest.fixture
def stores(tmp_path):
    history, intents = History(tmp_path / "history.sqlite"), IntentStore(tmp_path / "intent.sqlite")
    yield history, intents
    history.close()
    intents.close()


WANTED = desired(server(), model("iris"))


@pytest.mark.parametrize(
    "event",
    [Planned("a", "r1", 0, "d", empty=False), PlanFailed("a", "r1", 0), Executed("a", "d"), Stale("a")],
)
def test_who_had_the_turn_gives_it_back(event):
    """Whatever came of it is of no use any more."""
    assert decisions.belated(event) == Stale("a")


@pytest.mark.parametrize("event", [Looked("a", 1, "r1"), SourceHint("a"), SyncAsked("a", 1)])
def test_who_had_no_turn_gives_none_back(event):
    """Somebody else may have it."""
    assert decisions.belated(event) is None


def test_a_look_at_what_was_left_does_not_end_a_sync_of_what_follows(stores):
    """Its turn would be given away while the sync is under way, and another sync begin beside it."""
    history, intents = stores

    async def story() -> None:
        world, old, new = Gate(), HeldSource(WANTED, 1, held=True), HeldSource(WANTED, 2)
        world.open.clear()
        controller = Controller([old], world, POLICY, history, intents)
        task = asyncio.create_task(controller.run())
        await asyncio.to_thread(old.reading.wait, 60)
        controller.reconfigure([new])
        await asyncio.wait_for(world.loading.wait(), 60)
        old.free.set()
        while not old.reads:  # noqa: ASYNC110 (the thread tells nobody)
            await asyncio.sleep(0.01)
        new.wanted = replace(WANTED, revision="r2")
        for _ in range(20):
            controller.hint("app")
            await asyncio.sleep(0.01)
        begun = [record.phase for record in history.syncs("app")]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert begun == ["Running"]

    asyncio.run(story())


def test_a_request_to_what_is_left_meanwhile_goes_to_what_follows(stores):
    """Nobody waits for ever: one of the same name answers, or it is told that there is none."""
    history, intents = stores

    async def story() -> None:
        old, new = HeldSource(WANTED, 1), HeldSource(WANTED, 2)
        controller = Controller([old], Gate(), POLICY, history, intents)
        task = asyncio.create_task(controller.run())
        while not controller.ready:  # noqa: ASYNC110 (people ask, too)
            await asyncio.sleep(0.01)
        for follows in ([new], []):
            old.reading.clear()
            old.free.clear()
            asking = asyncio.create_task(controller.sync("app", SyncRequest("ada")))
            await asyncio.to_thread(old.reading.wait, 60)
            controller.reconfigure(follows)
            old.free.set()
            if follows:
                assert (await asyncio.wait_for(asking, 60)).phase in ("NothingToDo", "Succeeded")
                old = new
            else:
                with pytest.raises(InputError, match="ApplicationNotFound"):
                    await asyncio.wait_for(asking, 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())

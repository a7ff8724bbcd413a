"""A controller over the simulated runtime, in a thread of its own, with its API on a real socket."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self

from reconciler.address import Address, withdraw, write_address
from reconciler.compose import policy
from reconciler.config import ApplicationConfig, Config
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.control.sync_policy import DEFAULT_SYNC, SyncPolicy
from reconciler.history import History
from reconciler.observability.watchers import watchers
from reconciler.preview.pulls.service import PreviewService
from reconciler.preview.pulls.store import PreviewStore
from reconciler.source.application import GitApplication
from reconciler.source.webhooks.counts import Counts
from reconciler.web.api import Questions, make_app
from reconciler.web.previews import preview_routes
from reconciler.web.server import ApiServer, bind
from reconciler.web.signals import signal_routes
from tests.fakes.simulated import SimulatedRuntime

PATIENCE = 60.0
"""Seconds to wait for one condition."""


class RunningController:
    """Application ``example`` on branch ``main`` of ``repository``, synced as ``sync`` says; ``url`` is its
    API. ``runtime`` is another world than a new empty one."""

    def __init__(
        self,
        repository: Path,
        state: Path,
        gateway: str = "http://127.0.0.1:9",
        *,
        sync: SyncPolicy = DEFAULT_SYNC,
        runtime: SimulatedRuntime | None = None,
        read_only: bool = False,
    ) -> None:
        self.runtime = runtime or SimulatedRuntime()
        self._sync = sync
        self._read_only = read_only
        self.url = ""
        self._repository = repository
        self._state = state
        self._gateway = gateway
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._state.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        assert self._started.wait(PATIENCE)
        self.until(lambda: self.controller.ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until ``true``, asked on the controller's own loop."""
        end = time.monotonic() + PATIENCE

        async def ask() -> bool:
            return true()

        while not self.call(ask()):
            assert time.monotonic() < end
            time.sleep(0.02)

    def settle(self, revision: str) -> None:
        """Wait until that commit was planned and nothing is left to do."""

        def settled() -> bool:
            status = self.controller.application("example")
            return status.revision == revision and status.sync == "Synced"

        self.controller_hint()
        self.until(settled)

    def controller_hint(self) -> None:
        """Tell the controller to look at its source."""
        self._loop.call_soon_threadsafe(self.controller.hint, "example")

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the controller's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        history = History(self._state / "history.sqlite")
        application = ApplicationConfig(
            "example", str(self._repository), "main", sync=self._sync, interval=3600.0
        )
        config = Config(self._state, (application,))
        intents = IntentStore(self._state / "intent.sqlite")
        source = GitApplication(application, self._state / "mirrors")
        self.watching = watchers(config)
        self.controller = Controller(
            [source],
            self.runtime,
            policy(config),
            history,
            intents,
            self.watching.signals,
            read_only=self._read_only,
        )
        try:
            with bind("127.0.0.1", 0) as socket:
                await self._serve(socket)
        except asyncio.CancelledError:
            pass
        finally:
            withdraw(self._state)
            history.close()
            intents.close()

    async def _serve(self, socket: Any) -> None:
        address = Address.of(socket)
        write_address(self._state, address)
        self.url = address.url
        listeners = {"default": self._gateway}
        questions = Questions(self.controller, self._state, listeners, address.instance)
        signals = signal_routes(self.controller, Counts(), self.watching, address.instance)
        previews = preview_routes(PreviewService(PreviewStore(self._state / "previews"), [], tuple))
        app = make_app(questions, None, [*signals, *previews])
        self._loop.call_soon(self._started.set)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.controller.run())
            tasks.create_task(ApiServer(socket).serve(app))

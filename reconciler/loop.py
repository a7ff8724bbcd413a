"""The carrier of the controller's decisions: threads, timers and tasks around a pure state machine.

It reads sources, observes the runtime, makes plans and executes them exactly as
:mod:`reconciler.controller` says, and keeps what was last seen for whoever asks for status. It
decides nothing itself.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from reconciler import controller
from reconciler.config import ApplicationConfig
from reconciler.controller import ApplicationState, State
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.plan import Plan
from reconciler.planner import Explanation, Policy, basis_digest, explain, plan
from reconciler.source.application import DeclaredApplication, GitApplication, Source
from reconciler.status import ApplicationStatus, Condition, application_status
from reconciler.sync import Progress, execute, stops_alone
from runtime.ports import Runtime
from runtime.state import LiveState
from schemas.errors import InputError, MoorageError, StopError, TransientError
from schemas.resource import Resource, ResourceKey

log = structlog.get_logger(__name__)


@dataclass
class _Application:
    """One application's source and what was last seen of it. ``error`` says why it cannot be read now,
    ``unplanned`` why there is no plan of what was read."""

    source: Source
    policy: Policy
    desired: Desired | None = None
    plan: Plan | None = None
    error: Condition | None = None
    unplanned: Condition | None = None


class Controller:
    """Keeps applications on ``runtime`` as their sources say.

    ``policy`` makes the planning policy of an application; ``declared`` is what the configuration itself
    declares, None where it has no say. All methods belong to one event loop.
    """

    def __init__(
        self,
        applications: Sequence[ApplicationConfig],
        runtime: Runtime,
        policy: Callable[[ApplicationConfig], Policy],
        history: History,
        mirrors: Path,
        declared: Sequence[Resource] | None = None,
    ) -> None:
        self._runtime = runtime
        self._history = history
        sources: list[Source] = [GitApplication(config, mirrors, declared or ()) for config in applications]
        if declared is not None:
            sources.append(DeclaredApplication(declared))
        self._apps = {s.config.name: _Application(s, policy(s.config)) for s in sources}
        self._state = State({s.config.name: ApplicationState(auto=s.config.auto) for s in sources})
        self._events: asyncio.Queue[controller.Event] = asyncio.Queue()
        self._live = LiveState()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Keep reconciling until cancelled. Raises StopError where the runtime cannot go on."""
        self._history.interrupt(_now())
        with stops_alone():
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._watch_world())
                for app in self._apps.values():
                    tasks.create_task(self._watch_source(app))
                self._handle(controller.Tick())
                while True:
                    self._handle(await self._events.get())

    def hint(self, application: str) -> None:
        """Say that the source of ``application`` may have moved."""
        self._events.put_nowait(controller.SourceHint(self._app(application).source.config.name))

    @property
    def ready(self) -> bool:
        """True once every application has been read, or cannot be read, and was planned once."""
        return all(app.plan is not None or app.error is not None for app in self._apps.values())

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name, as last observed."""
        return tuple(self.application(name) for name in sorted(self._apps))

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application. Raises InputError ``ApplicationNotFound``."""
        app = self._app(name)
        last = next(iter(self._history.syncs(name, limit=1)), None)
        error = app.error or app.unplanned
        return application_status(app.source.shown, app.desired, self._live, app.plan, error, last)

    async def plan(self, name: str) -> Plan:
        """A plan of what Git and the world say now; the same function that the sync executes.

        Raises InputError or TransientError where the source cannot be read.
        """
        app = self._app(name)
        desired = await asyncio.to_thread(app.source.read)
        live = await self._observe()
        return await asyncio.to_thread(plan, desired, live, app.policy, "Asked")

    async def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is where it is, or is not. Raises InputError ``ResourceNotFound``."""
        app = self._app(name)
        desired = await asyncio.to_thread(app.source.read)
        live = await self._observe()
        return await asyncio.to_thread(explain, desired, live, app.policy, model)

    async def live(self) -> LiveState:
        """What the runtime reports now."""
        return await self._observe()

    def created(self) -> Mapping[str, str]:
        """When each resource was first applied (ISO 8601), by the key's text."""
        return self._history.created()

    def _app(self, name: str) -> _Application:
        if name not in self._apps:
            known = ", ".join(sorted(self._apps)) or "none"
            raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
        return self._apps[name]

    def _handle(self, event: controller.Event) -> None:
        self._state, actions = controller.step(self._state, event, time.monotonic())
        for action in actions:
            self._start(action)

    def _start(self, action: controller.Action) -> None:
        assert self._tasks is not None
        match action:
            case controller.Look(name, number):
                self._tasks.create_task(self._look(self._apps[name], number))
            case controller.MakePlan(name, revision, world):
                self._tasks.create_task(self._make_plan(self._apps[name], revision, world))
            case controller.Execute(name):
                self._tasks.create_task(self._execute(self._apps[name]))
            case controller.Wake(at):
                asyncio.get_running_loop().call_at(
                    asyncio.get_running_loop().time() + max(0.0, at - time.monotonic()),
                    self._events.put_nowait,
                    controller.Tick(),
                )

    async def _look(self, app: _Application, number: int) -> None:
        """Read the source; what cannot be read keeps what was read last, and says why."""
        revision = None
        try:
            app.desired = await asyncio.to_thread(app.source.read)
            app.error = None
            revision = app.desired.revision
        except MoorageError as error:
            if app.error is None or app.error.reason != error.reason:
                log.warning("source cannot be read", application=app.source.config.name, error=str(error))
            app.error = Condition(error.reason, error.message)
        self._events.put_nowait(controller.Looked(app.source.config.name, number, revision))

    async def _observe(self) -> LiveState:
        self._live = await self._runtime.observe()
        return self._live

    async def _make_plan(self, app: _Application, revision: str, world: int) -> None:
        name = app.source.config.name
        desired = app.desired
        if desired is None or desired.revision != revision:
            self._events.put_nowait(controller.Stale(name))
            return
        try:
            live = await self._observe()
            app.plan = await asyncio.to_thread(plan, desired, live, app.policy, self._reason(app))
        except StopError:
            raise
        except Exception as error:
            log.exception("planning failed", application=name, revision=revision)
            app.unplanned = _why(error)
            self._events.put_nowait(controller.PlanFailed(name, revision, world))
            return
        app.unplanned = None
        self._events.put_nowait(controller.Planned(name, revision, world, app.plan.digest, app.plan.empty))

    def _reason(self, app: _Application) -> str:
        """Why a plan is made: a new revision, a failed sync before it, or a world that moved."""
        last = next(iter(self._history.syncs(app.source.config.name, limit=1)), None)
        assert app.desired is not None
        if last is None or last.revision != app.desired.revision:
            return "NewRevision"
        return "LastSyncFailed" if last.phase == "Failed" else "LiveStateChanged"

    async def _execute(self, app: _Application) -> None:
        name, todo, desired = app.source.config.name, app.plan, app.desired
        assert todo is not None
        assert desired is not None
        if not await self._holds(app, todo, desired):
            log.info("plan dropped: what it was made from changed", application=name)
            self._events.put_nowait(controller.Stale(name))
            return
        author, message = app.source.commit
        sync = self._history.begin(todo, author, message, _now())
        log.info("sync started", application=name, revision=todo.revision[:7], reason=todo.reason)
        result = await execute(todo, self._runtime, _report(name))
        failed = [(step, f"{r.reason}: {r.message}") for step, r in result.failed]
        self._history.finish(sync, failed, _now())
        self._note_created(todo)
        log.info("sync ended", application=name, revision=todo.revision[:7], failed=len(failed))
        self._events.put_nowait(controller.Executed(name, todo.digest))

    async def _holds(self, app: _Application, todo: Plan, desired: Desired) -> bool:
        """True where what a plan was made from is still so. What cannot be observed may have changed:
        making the next plan tells."""
        try:
            live = await self._observe()
        except TransientError:
            return False
        return todo.basis == await asyncio.to_thread(basis_digest, desired, live, app.policy)

    def _note_created(self, done: Plan) -> None:
        self._history.note_created([c.key for c in done.changes if c.action == "create"], _now())
        self._history.forget_created([c.key for c in done.changes if c.action == "delete"])

    async def _watch_world(self) -> None:
        async for _ in self._runtime.changes():
            self._events.put_nowait(controller.WorldHint())

    async def _watch_source(self, app: _Application) -> None:
        async for _ in app.source.hints():
            self._events.put_nowait(controller.SourceHint(app.source.config.name))


def _report(application: str) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        facts = {"application": application, "step": progress.step.id}
        if progress.result.status == "failed":
            reason, message = progress.result.reason, progress.result.message
            log.warning("step failed", **facts, reason=reason, message=message)
        else:
            log.info("step done", **facts, done=progress.done, total=progress.total)

    return report


def _why(error: Exception) -> Condition:
    """An error of ours by its own words; anything else is a defect, and the log says more."""
    if isinstance(error, MoorageError):
        return Condition(error.reason, error.message)
    return Condition("InternalError", f"planning failed: {type(error).__name__}; the log says more")


def _now() -> datetime:
    return datetime.now(UTC)

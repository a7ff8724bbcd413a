"""The carrier of the controller's decisions: threads, timers and tasks around a pure state machine.

It reads sources, observes the runtime, makes plans and executes them exactly as
:mod:`reconciler.controller` says, and keeps what was last seen for whoever asks for status. It
decides nothing itself: gates, drift and status are worked out by pure modules. What people ask for
comes in through :mod:`reconciler.commands`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import structlog

from reconciler import controller, events
from reconciler.controller import State
from reconciler.desired import Desired
from reconciler.followed import Asked, Followed
from reconciler.gates import judge_gates
from reconciler.history import History
from reconciler.intent_store import IntentStore
from reconciler.plan import Plan
from reconciler.planner import Explanation, Policy, basis_digest, explain, plan
from reconciler.rebalancer import Rebalancer, Terms
from reconciler.requests import SyncAnswer, SyncRequest
from reconciler.signals import Listeners, Signals
from reconciler.source.application import Source
from reconciler.status import ApplicationStatus, Condition
from reconciler.sync import Progress, SyncResult, execute, stops_alone
from runtime.ports import Runtime
from runtime.state import LiveState
from schemas.errors import InputError, MoorageError, StopError, TransientError, WaitError
from schemas.resource import ResourceKey

log = structlog.get_logger(__name__)

Ended = Literal["Succeeded", "Failed", "Terminated"]

BY_ITSELF = "automated sync policy"
"""Who starts what nobody asked for, in Argo CD's words."""


class Controller:
    """Keeps applications on ``runtime`` as their sources say.

    ``policy`` is what holds for planning on the whole runtime; ``signals`` are told what happens. All
    methods belong to one event loop.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        runtime: Runtime,
        policy: Policy,
        history: History,
        intents: IntentStore,
        signals: Sequence[Signals] = (),
        *,
        read_only: bool = False,
    ) -> None:
        self.history = history
        self.intents = intents
        self._runtime = runtime
        self._policy = policy
        self._signals = Listeners(*signals)
        self._read_only = read_only
        self._apps = {source.config.name: Followed(source) for source in sources}
        self._state = State()
        self._events: asyncio.Queue[events.Event] = asyncio.Queue()
        self._live = LiveState()
        self._tasks: asyncio.TaskGroup | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._requests = 0
        self.rebalancer = Rebalancer(
            runtime, history, Terms(policy, self._permit_rebalance, self._announce_rebalance, _now)
        )

    async def run(self) -> None:
        """Keep reconciling until cancelled. Raises StopError where the runtime cannot go on."""
        self.history.interrupt(_now())
        with stops_alone():
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._watch_world())
                for app in self._apps.values():
                    self._follow(app)
                self._regate()
                while True:
                    self._handle(await self._events.get())
                    self._regate()

    def _follow(self, app: Followed) -> None:
        assert self._tasks is not None
        app.agreed = self.history.agreed(app.config.name)
        app.work.append(self._tasks.create_task(self._watch_source(app)))
        self._handle(events.Configured(app.config.name, app.rules))

    # Asking

    def hint(self, application: str) -> None:
        """Say that the source of ``application`` may have moved."""
        self._events.put_nowait(events.SourceHint(self.followed(application).config.name))

    @property
    def ready(self) -> bool:
        """True once every application has been read, or cannot be read, and was planned once."""
        return all(app.plan is not None or app.error is not None for app in self._apps.values())

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name, as last observed."""
        return tuple(self.application(name) for name in sorted(self._apps))

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application. Raises InputError ``ApplicationNotFound``."""
        app = self.followed(name)
        last = next(iter(self.history.syncs(name, limit=1)), None)
        return app.status(self._live, self.intents.intent(name), last)

    async def plan(self, name: str, request: SyncRequest | None = None) -> Plan:
        """A plan of what Git and the world say now; the same function that the sync executes.

        Raises InputError or TransientError where the source cannot be read.
        """
        app = self.followed(name)
        desired = await self._read(app, request)
        live = await self._observe()
        return await asyncio.to_thread(plan, desired, live, self._policy_of(app, request), "Asked")

    async def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is where it is, or is not. Raises InputError ``ResourceNotFound``."""
        app = self.followed(name)
        desired = await self._read(app)
        live = await self._observe()
        return await asyncio.to_thread(explain, desired, live, self._policy_of(app), model)

    async def live(self) -> LiveState:
        """What the runtime reports now."""
        return await self._observe()

    def created(self) -> Mapping[str, str]:
        """When each resource was first applied (ISO 8601), by the key's text."""
        return self.history.created()

    def followed(self, name: str) -> Followed:
        """The application of that name. Raises InputError ``ApplicationNotFound``."""
        if name not in self._apps:
            known = ", ".join(sorted(self._apps)) or "none"
            raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
        return self._apps[name]

    # Changing

    async def sync(self, name: str, request: SyncRequest) -> SyncAnswer:
        """Sync as a person asks for it, after what is under way.

        Raises InputError or TransientError where no plan can be made.
        """
        app = self.followed(name)
        await self._read(app, request)  # what cannot be read is told at once
        self._requests += 1
        asked = app.asked[self._requests] = Asked(request, asyncio.get_running_loop().create_future())
        self._events.put_nowait(events.SyncAsked(name, self._requests))
        return await asked.answer

    def terminate(self, name: str) -> bool:
        """End the sync under way; its steps are cancelled. True where there was one."""
        app = self.followed(name)
        if app.syncing is None:
            return False
        app.terminated = True
        return app.syncing.cancel()

    def intend(self, name: str) -> None:
        """Look again at what people said about an application: it has changed."""
        self.hint(name)
        self._events.put_nowait(events.WorldHint())

    def reconfigure(self, sources: Sequence[Source]) -> None:
        """Follow ``sources`` from now on. What is left out stays applied; what has not changed goes on
        undisturbed."""
        wanted = {source.config.name: source for source in sources}
        for name, app in list(self._apps.items()):
            if name not in wanted or wanted[name].identity != app.source.identity:
                self._leave(name)
        for name, source in wanted.items():
            known = self._apps.get(name)
            if known is None:
                self._apps[name] = known = Followed(source)
                self._follow(known)
            else:
                known.source.config = source.config
                self._handle(events.Configured(name, known.rules))
        self._handle(events.WorldHint())
        self._regate()

    def _leave(self, name: str) -> None:
        app = self._apps.pop(name)
        for task in app.work:
            task.cancel()
        self._handle(events.Removed(name))
        for asked in app.asked.values():
            _answer(asked, SyncAnswer("Denied", None, "ApplicationRemoved", f"{name} is followed no more"))

    # Carrying

    def _handle(self, event: events.Event) -> None:
        self._state, actions = controller.step(self._state, event, time.monotonic())
        for action in actions:
            self._start(action)

    def _start(self, action: events.Action) -> None:
        assert self._tasks is not None
        match action:
            case events.Look(name, number):
                app = self._apps[name]
                app.work.append(self._tasks.create_task(self._look(app, number)))
            case events.MakePlan(name, revision, world, request):
                self._tasks.create_task(self._make_plan(self._apps[name], revision, world, request))
            case events.Execute(name, _, request):
                self._tasks.create_task(self._execute(self._apps[name], request))
            case events.Rebalance(request):
                self._tasks.create_task(self._rebalance(request))
            case events.Deny(name, request):
                self._deny(name, request)
            case events.Wake(at):
                loop = asyncio.get_running_loop()
                loop.call_later(max(0.0, at - time.monotonic()), self._events.put_nowait, events.Tick())

    def _permit_rebalance(self) -> None:
        """Models of every application may move, so none may be closed to what people ask for."""
        for name, app in sorted(self._apps.items()):
            if not app.gate.manual:
                raise WaitError(app.gate.reason, f"application {name}: {app.gate.message}")

    def _announce_rebalance(self, number: int) -> None:
        self._events.put_nowait(events.RebalanceAsked(number))

    async def _rebalance(self, request: int) -> None:
        await self.rebalancer.execute()
        self._events.put_nowait(events.Rebalanced(request))

    def _deny(self, name: str, request: int) -> None:
        app = self._apps.get(name)
        asked = app.asked.pop(request, None) if app else None
        if app is not None and asked is not None:
            _answer(asked, SyncAnswer("Denied", asked.plan, app.gate.reason, app.gate.message))

    def _regate(self) -> None:
        """Ask for every application what stands in the way of its syncs now, and when to ask again."""
        now = _now()
        standings = {name: app.standing() for name, app in self._apps.items()}
        for name, app in self._apps.items():
            intent = self.intents.intent(name)
            gate = judge_gates(app.config.sync, intent, standings, now, read_only=self._read_only)
            opened = (gate.auto, gate.manual) != (app.gate.auto, app.gate.manual)
            app.gate = gate
            if opened:
                self._handle(events.Gated(name, gate.auto, gate.manual))
        self._set_alarm([app.gate.until for app in self._apps.values() if app.gate.until], now)

    def _set_alarm(self, times: Sequence[datetime], now: datetime) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if times:
            # A clock that is set back makes one more look, never a missed one.
            wait = min(max(0.0, (min(times) - now).total_seconds()), 60.0)
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(wait, self._events.put_nowait, events.Tick())

    async def _look(self, app: Followed, number: int) -> None:
        """Read the source; what cannot be read keeps what was read last, and says why."""
        name, revision, start = app.config.name, None, time.monotonic()
        try:
            app.desired = await self._read(app)
            app.error = None
            revision = app.desired.revision
        except MoorageError as error:
            if app.error is None or app.error.reason != error.reason:
                log.warning("source cannot be read", application=name, error=str(error))
            app.error = Condition(error.reason, error.message)
        self._signals.source_read(name, time.monotonic() - start, app.error.reason if app.error else "")
        if app.error is not None:
            self._show(app)
        self._tell(app, events.Looked(name, number, revision))

    async def _read(self, app: Followed, request: SyncRequest | None = None) -> Desired:
        """What the application wants: at the revision that is asked for, pinned, or followed."""
        pin = self.intents.intent(app.config.name).pin
        revision = request.revision if request and request.revision else pin.revision if pin else None
        return await asyncio.to_thread(app.source.read, revision)

    async def _observe(self) -> LiveState:
        self._live = await self._runtime.observe()
        return self._live

    def _policy_of(self, app: Followed, request: SyncRequest | None = None) -> Policy:
        intent = self.intents.intent(app.config.name)
        return app.policy(self._policy, intent, tuple(sorted(self._apps)), _now(), request)

    async def _make_plan(self, app: Followed, revision: str, world: int, number: int | None) -> None:
        name, start = app.config.name, time.monotonic()
        asked = app.asked.get(number) if number is not None else None
        try:
            desired = app.desired if asked is None else await self._read(app, asked.request)
            if desired is None or (asked is None and desired.revision != revision):
                self._tell(app, events.Stale(name))
                return
            live = await self._observe()
            policy = self._policy_of(app, asked.request if asked else None)
            made = await asyncio.to_thread(plan, desired, live, policy, self._reason(app, asked))
        except StopError:
            raise
        except Exception as error:
            log.exception("planning failed", application=name, revision=revision)
            self._fail_plan(app, error, events.PlanFailed(name, revision, world, number))
            return
        self._signals.planned(name, made, time.monotonic() - start)
        self._keep_plan(app, made, desired, asked)
        refused = asked is not None and self._settle_early(app, asked, made, number)
        waiting = bool(made.failures or made.held)
        self._tell(
            app,
            events.Planned(name, revision, world, made.digest, made.empty or refused, waiting, number),
        )

    def _fail_plan(self, app: Followed, error: Exception, event: events.PlanFailed) -> None:
        asked = app.asked.pop(event.request, None) if event.request is not None else None
        if asked is None:
            app.unplanned = _why(error)
            self._show(app)
        else:
            why = _why(error)
            _answer(asked, SyncAnswer("Failed", None, why.reason, why.message))
        self._tell(app, event)

    def _keep_plan(self, app: Followed, made: Plan, desired: Desired, asked: Asked | None) -> None:
        if asked is None:
            app.plan, app.unplanned = made, None
            self._show(app)
        else:
            asked.plan, asked.desired = made, desired

    def _settle_early(self, app: Followed, asked: Asked, made: Plan, number: int | None) -> bool:
        """Answer a request that needs no sync; True where it asked for another plan than this one."""
        assert number is not None
        changed = bool(asked.request.digest) and asked.request.digest != made.digest
        if changed:
            message = f"the plan is {made.digest[:12]} now: look at it again"
            _answer(asked, SyncAnswer("Denied", made, "PlanChanged", message))
        elif made.empty or asked.request.dry_run:
            _answer(asked, SyncAnswer("NothingToDo" if made.empty else "Succeeded", made))
        else:
            return False
        del app.asked[number]
        return True

    def _reason(self, app: Followed, asked: Asked | None) -> str:
        """Why a plan is made: somebody asks, a new revision, a failed sync before it, or a world that
        moved."""
        if asked is not None:
            return "Asked"
        last = next(iter(self.history.syncs(app.config.name, limit=1)), None)
        assert app.desired is not None
        if last is None or last.revision != app.desired.revision:
            return "NewRevision"
        return "LastSyncFailed" if last.phase == "Failed" else "LiveStateChanged"

    async def _execute(self, app: Followed, number: int | None) -> None:
        name = app.config.name
        asked = app.asked.get(number) if number is not None else None
        todo, desired = (asked.plan, asked.desired) if asked else (app.plan, app.desired)
        assert todo is not None
        assert desired is not None
        if not await self._holds(app, todo, desired, asked):
            log.info("plan dropped: what it was made from changed", application=name)
            self._tell(app, events.Stale(name))
            return
        app.terminated, app.syncing, start = False, asyncio.current_task(), time.monotonic()
        who = asked.request.who if asked else BY_ITSELF
        sync = self.history.begin(todo, desired.author, desired.message, who, _now())
        log.info("sync started", application=name, revision=todo.revision[:7], reason=todo.reason, by=who)
        try:
            failed = await self._run_steps(app, todo)
        finally:
            app.syncing = None
        phase: Ended = "Terminated" if app.terminated else "Failed" if failed else "Succeeded"
        record = self.history.finish(sync, phase, failed, _now())
        self._note_created(todo)
        log.info("sync ended", application=name, revision=todo.revision[:7], failed=len(failed))
        self._signals.sync_ended(record, time.monotonic() - start)
        if asked is not None and number is not None:
            app.asked.pop(number, None)
            _answer(asked, SyncAnswer(phase, todo, failed=tuple(failed)))
        self._tell(app, events.Executed(name, todo.digest, number, app.terminated))

    async def _run_steps(self, app: Followed, todo: Plan) -> list[tuple[str, str]]:
        """Execute a plan; the steps that failed and why. One that is ended early has one more line."""
        name = app.config.name
        try:
            async with asyncio.timeout(app.config.sync.timeout):
                result: SyncResult = await execute(todo, self._runtime, _report(name))
        except TimeoutError:
            return [("sync", f"SyncTimeout: it took longer than {app.config.sync.timeout:g} s")]
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not app.terminated or task is None:
                raise
            task.uncancel()
            return [("sync", "Terminated: ended by a person; steps under way were cancelled")]
        return [(step, f"{r.reason}: {r.message}") for step, r in result.failed]

    async def _holds(self, app: Followed, todo: Plan, desired: Desired, asked: Asked | None) -> bool:
        """True where what a plan was made from is still so. What cannot be observed may have changed:
        making the next plan tells."""
        try:
            live = await self._observe()
        except TransientError:
            return False
        policy = self._policy_of(app, asked.request if asked else None)
        return todo.basis == await asyncio.to_thread(basis_digest, desired, live, policy)

    def _note_created(self, done: Plan) -> None:
        self.history.note_created([c.key for c in done.changes if c.action == "create"], _now())
        self.history.forget_created([c.key for c in done.changes if c.action == "delete"])

    def _show(self, app: Followed) -> None:
        """Work out the status anew, and tell whoever watches where it differs."""
        before, status = app.shown, self.application(app.config.name)
        app.compare(status, _now())
        if status.sync == "Synced":
            self.history.note_agreed(app.config.name, status.revision)
        app.shown = self.application(app.config.name)
        if app.shown != before:
            self._signals.status_changed(before, app.shown)

    def _tell(self, app: Followed, event: events.Event) -> None:
        """Hand on an event, unless its application was left meanwhile: then only the turn is given back."""
        name = app.config.name
        own = self._apps.get(name) is app
        self._events.put_nowait(event if own else events.Stale(name))

    async def _watch_world(self) -> None:
        async for _ in self._runtime.changes():
            self._events.put_nowait(events.WorldHint())

    async def _watch_source(self, app: Followed) -> None:
        async for _ in app.source.hints():
            self._events.put_nowait(events.SourceHint(app.config.name))


def _answer(asked: Asked, answer: SyncAnswer) -> None:
    if not asked.answer.done():
        asked.answer.set_result(answer)


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

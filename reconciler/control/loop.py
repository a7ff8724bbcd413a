"""The carrier of the controller's decisions: an event queue, tasks and timers around a pure state machine.

It starts the works that :mod:`reconciler.control.controller` asks for and hands their events back, and answers
whoever asks for status. It decides nothing itself: gates are judged by :mod:`reconciler.control.gates`, the works
are in :mod:`reconciler.control.work`. What people may do comes in through :mod:`reconciler.control.commands`.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime

from reconciler.control import controller, events
from reconciler.control.approval import NO_PREVIEWS, Previews
from reconciler.control.controller import State
from reconciler.control.followed import Asked, Followed
from reconciler.control.gates import Gate, judge_gates
from reconciler.control.going_back import GoingBack
from reconciler.control.intent import Pin
from reconciler.control.intent_store import IntentStore
from reconciler.control.rebalancer import Rebalancer, Terms
from reconciler.control.requests import SyncAnswer, SyncRequest
from reconciler.control.rollback import RollBack, Until
from reconciler.control.signals import Signals
from reconciler.control.work import Work, now
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Explanation, Policy, explain, plan
from reconciler.source.application import Source
from reconciler.status import ApplicationStatus
from reconciler.sync import stops_alone
from runtime.ports import Runtime
from runtime.state import LiveState
from schemas.errors import InputError, WaitError
from schemas.resource import ResourceKey

LONGEST_WAIT = 60.0
"""Seconds until gates are asked again at the latest: a clock that is set back must not close one for long.
And until a rollback is tried again whose revision could not be read."""


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
        previews: Previews = NO_PREVIEWS,
        *,
        read_only: bool = False,
    ) -> None:
        self.history = history
        self.intents = intents
        self.rebalancer = Rebalancer(
            runtime, history, Terms(policy, self._permit_rebalance, self._announce_rebalance, now)
        )
        self._work = Work(
            runtime, policy, history, intents, signals, lambda: tuple(sorted(self._apps)), previews
        )
        self._going_back = GoingBack(history, intents)
        self._runtime = runtime
        self._read_only = read_only
        self._apps = {source.config.name: Followed(source) for source in sources}
        self._state = State()
        self._events: asyncio.Queue[tuple[events.Event, Followed | None]] = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._requests = 0

    async def run(self) -> None:
        """Keep reconciling until cancelled. Raises StopError where the runtime cannot go on."""
        self.history.interrupt(now())
        with stops_alone():
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._watch_world())
                for app in self._apps.values():
                    self._follow(app)
                self._regate()
                while True:
                    self._take(*await self._events.get())
                    self._regate()

    # Questions

    @property
    def ready(self) -> bool:
        """True once every application has been read, or cannot be read, and was planned once."""
        return all(app.plan is not None or app.error is not None for app in self._apps.values())

    @property
    def names(self) -> frozenset[str]:
        """The applications that are followed now."""
        return frozenset(self._apps)

    @property
    def queued(self) -> int:
        """Events that wait to be decided on."""
        return self._events.qsize()

    def followed(self, name: str) -> Followed:
        """The application of that name. Raises InputError ``ApplicationNotFound``."""
        if name not in self._apps:
            known = ", ".join(sorted(self._apps)) or "none"
            raise InputError("ApplicationNotFound", f"no application {name!r}", f"known: {known}")
        return self._apps[name]

    def applications(self) -> tuple[ApplicationStatus, ...]:
        """The status of every application, by name, as last observed."""
        return tuple(self.application(name) for name in sorted(self._apps))

    def application(self, name: str) -> ApplicationStatus:
        """The status of one application. Raises InputError ``ApplicationNotFound``."""
        return self._work.status(self.followed(name))

    async def plan(self, name: str, request: SyncRequest | None = None) -> Plan:
        """A plan of what Git and the world say now; the same function that the sync executes.

        Raises InputError or TransientError where the source cannot be read.
        """
        app = self.followed(name)
        desired, live = await self._work.read(app, request), await self._work.observe()
        return await asyncio.to_thread(plan, desired, live, self._work.policy_of(app, request), "Asked")

    async def explain(self, name: str, model: ResourceKey) -> Explanation:
        """Why a model is where it is, or is not. Raises InputError ``ResourceNotFound``."""
        app = self.followed(name)
        desired, live = await self._work.read(app), await self._work.observe()
        return await asyncio.to_thread(explain, desired, live, self._work.policy_of(app), model)

    async def live(self) -> LiveState:
        """What the runtime reports now."""
        return await self._work.observe()

    def created(self) -> Mapping[str, str]:
        """When each resource was first applied (ISO 8601), by the key's text."""
        return self.history.created()

    async def resolve(self, name: str, revision: str) -> str:
        """The commit that ``revision`` names in an application's source. Raises InputError
        ``RevisionNotFound``."""
        return (await asyncio.to_thread(self.followed(name).source.read, revision)).revision

    def terms(self, name: str) -> tuple[Policy, Gate, Pin | None]:
        """What planning an application depends on now, what keeps it from being synced, and where it is pinned:
        for whoever shows what a sync would do."""
        app = self.followed(name)
        return self._work.policy_of(app), app.gate, self.intents.intent(name).pin

    # Wishes

    def require_writable(self) -> None:
        """Raise InputError ``ReadOnly`` where people may not change anything."""
        if self._read_only:
            raise InputError("ReadOnly", "this controller runs read-only")

    def hint(self, application: str) -> None:
        """Say that the source of ``application`` may have moved."""
        app = self.followed(application)
        self._tell(events.SourceHint(app.config.name), app)

    async def sync(self, name: str, request: SyncRequest) -> SyncAnswer:
        """Sync as a person asks for it, after what is under way.

        Raises InputError or TransientError where the source cannot be read.
        """
        return await (await self.ask(name, request)).answer

    async def ask(self, name: str, request: SyncRequest) -> Asked:
        """As :meth:`sync`; returns once it is asked for, with what will hold the answer.

        Raises InputError ``ResourceNotFound`` also where it is limited to what nobody knows.
        """
        app = self.followed(name)
        desired = await self._work.read(app, request)  # what cannot be read is told at once
        if self.followed(name) is not app:  # it was left meanwhile, and what follows is another one
            return await self.ask(name, request)
        _require_known(desired, self._work.live, request.only or ())
        self._requests += 1
        asked = app.asked[self._requests] = Asked(request)
        self._tell(events.SyncAsked(name, self._requests), app)
        return asked

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
        self._tell(events.WorldHint())

    def listen(self, signals: Signals) -> None:
        """Tell one more listener what happens from now on."""
        self._work.listen(signals)

    def reconsider(self) -> None:
        """Plan again: what pull requests showed has changed."""
        self._tell(events.WorldHint())

    def reconfigure(self, sources: Sequence[Source]) -> None:
        """Follow ``sources`` from now on. What is left out stays applied; what reads the same goes on
        undisturbed, by its new policy."""
        wanted = {source.config.name: source for source in sources}
        for name, app in list(self._apps.items()):
            if name not in wanted or wanted[name].identity != app.source.identity:
                self._leave(name)
        for name, source in wanted.items():
            known = self._apps.get(name)
            if known is None:
                self._apps[name] = Followed(source)
                self._follow(self._apps[name])
            else:
                known.source.config = source.config
                self._handle(events.Configured(name, known.rules))
        self._handle(events.WorldHint())
        self._regate()

    def _follow(self, app: Followed) -> None:
        assert self._tasks is not None
        app.agreed = self.history.agreed(app.config.name)
        app.trial = self.history.trial(app.config.name)
        app.watching = self._tasks.create_task(self._watch_source(app))
        self._handle(events.Configured(app.config.name, app.rules))

    def _leave(self, name: str) -> None:
        app = self._apps.pop(name)
        if app.watching is not None:
            app.watching.cancel()
        self._handle(events.Removed(name))
        for asked in app.asked.values():
            asked.end(SyncAnswer("Denied", None, "ApplicationRemoved", f"{name} is followed no more"))

    # Carrying

    def _tell(self, event: events.Event, app: Followed | None = None) -> None:
        """Have an event decided on after those before it; ``app`` is whom it concerns."""
        self._events.put_nowait((event, app))

    def _take(self, event: events.Event, app: Followed | None) -> None:
        """Decide on an event. ``app`` may have been left, and another of its name followed, only now."""
        left = app is not None and self._apps.get(app.config.name) is not app
        rest = controller.belated(event) if left else event
        if rest is not None:
            self._handle(rest)

    def _handle(self, event: events.Event) -> None:
        self._state, actions = controller.step(self._state, event, time.monotonic())
        for action in actions:
            self._start(action)

    def _start(self, action: events.Action) -> None:
        match action:
            case events.Look(name, number):
                self._carry(self._apps[name], self._work.look(self._apps[name], number))
            case events.MakePlan(name):
                self._carry(self._apps[name], self._work.make_plan(self._apps[name], action))
            case events.Execute(name):
                self._carry(self._apps[name], self._work.execute(self._apps[name], action))
            case events.Rebalance(request):
                assert self._tasks is not None
                self._tasks.create_task(self._rebalance(request))
            case events.Deny(name, request):
                self._deny(name, request)
            case events.Wake(at):
                self._tick_after(at - time.monotonic())

    def _carry(self, app: Followed, work: Awaitable[events.Event]) -> None:
        """Hand on the event in which a work ends."""

        async def carry() -> None:
            self._tell(await work, app)

        assert self._tasks is not None
        self._tasks.create_task(carry())

    def _tick_after(self, seconds: float) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(max(0.0, seconds), self._tell, events.Tick())

    def _deny(self, name: str, request: int) -> None:
        app = self._apps.get(name)
        asked = app.asked.pop(request, None) if app else None
        if app is not None and asked is not None:
            asked.end(SyncAnswer("Denied", asked.plan, app.gate.reason, app.gate.message))

    def _permit_rebalance(self) -> None:
        """Models of every application may move, so none may be closed to what people ask for."""
        for name, app in sorted(self._apps.items()):
            if not app.gate.manual:
                raise WaitError(app.gate.reason, f"application {name}: {app.gate.message}")

    def _announce_rebalance(self, number: int) -> None:
        self._tell(events.RebalanceAsked(number))

    async def _rebalance(self, request: int) -> None:
        await self.rebalancer.execute()
        self._tell(events.Rebalanced(request))

    def _regate(self) -> None:
        """Ask for every application what stands in the way of its syncs now, and when to ask again."""
        moment = now()
        standings = {name: app.standing(self.intents.intent(name)) for name, app in self._apps.items()}
        for name, app in self._apps.items():
            intent, before = self.intents.intent(name), app.gate
            app.gate = judge_gates(
                app.config.sync, intent, standings, moment, standings[name], read_only=self._read_only
            )
            if (app.gate.auto, app.gate.manual) != (before.auto, before.manual):
                self._handle(events.Gated(name, app.gate.auto, app.gate.manual))
        times = [app.gate.until for app in self._apps.values() if app.gate.until]
        self._set_alarm([*times, *self._weigh(moment)], moment)

    def _weigh(self, moment: datetime) -> Iterator[datetime]:
        """Start automatic rollbacks that are due; when to ask again about others."""
        for app in self._apps.values():
            verdict = self._going_back.weigh(app, moment)
            if isinstance(verdict, Until):
                yield verdict.at
            elif verdict is not None and not app.going_back:
                app.going_back = True
                assert self._tasks is not None
                self._tasks.create_task(self._go_back(app, verdict))

    async def _go_back(self, app: Followed, verdict: RollBack) -> None:
        """Meanwhile anything may have happened, so it is weighed again."""
        if not await self._going_back.can_go_back(app, verdict):
            asyncio.get_running_loop().call_later(LONGEST_WAIT, self._let_go_back, app)
            return
        app.going_back = False
        if self._apps.get(app.config.name) is not app:
            return
        if self._going_back.weigh(app, now()) == verdict:
            self._going_back.go_back(app, verdict)
        self.intend(app.config.name)

    def _let_go_back(self, app: Followed) -> None:
        app.going_back = False
        self._tell(events.Tick())

    def _set_alarm(self, times: Sequence[datetime], moment: datetime) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        wait = (min(times) - moment).total_seconds() if times else None
        self._alarm = None if wait is None else self._tick_after(min(wait, LONGEST_WAIT))

    async def _watch_world(self) -> None:
        async for _ in self._runtime.changes():
            self._tell(events.WorldHint())

    async def _watch_source(self, app: Followed) -> None:
        async for _ in app.source.hints():
            self._tell(events.SourceHint(app.config.name), app)


def _require_known(desired: Desired, live: LiveState, only: Sequence[ResourceKey]) -> None:
    owned = {entry.resource.key for entry in live.resources if entry.owner == desired.application}
    known = owned.union(desired.invalid, (resource.key for resource in desired.resources))
    unknown = next((key for key in only if key not in known), None)
    if unknown is not None:
        raise InputError("ResourceNotFound", f"{desired.application} has no {unknown}")

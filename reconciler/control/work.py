"""The controller's works: reading a source, making a plan, executing it; each ends in one event.

What is done when, and whether at all, is decided in :mod:`reconciler.control.controller`; what a plan is, in the
planner. Here the world is asked and told, the history is written, and what was seen is kept.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import structlog

from reconciler.control import events
from reconciler.control.approval import NOTHING_SHOWN, PlanStanding, Previewed, Previews, judge_plan
from reconciler.control.followed import Asked, Followed
from reconciler.control.intent_store import IntentStore
from reconciler.control.requests import SyncAnswer, SyncRequest
from reconciler.control.rollback import AUTOMATIC
from reconciler.control.signals import Listeners, Signals
from reconciler.desired import Desired
from reconciler.history import History
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy, basis_digest, basis_facts, plan
from reconciler.planning.results import resource_results
from reconciler.status import ApplicationStatus, Condition
from reconciler.sync import Progress, SyncResult, execute
from runtime.operations import Result
from runtime.ports import Runtime
from runtime.state import LiveState
from schemas.errors import MoorageError, StopError, TransientError

log = structlog.get_logger(__name__)

Ended = Literal["Succeeded", "Failed", "Terminated"]

BY_ITSELF = "automated sync policy"
"""Who starts what nobody asked for, in Argo CD's words."""


class Work:
    """Works on ``runtime``; ``policy`` is what holds for planning on all of it. ``live`` is what was observed
    last. All methods belong to one event loop."""

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        history: History,
        intents: IntentStore,
        signals: Sequence[Signals],
        names: Callable[[], tuple[str, ...]],
        previews: Previews,
    ) -> None:
        self.live = LiveState()
        self._runtime = runtime
        self._policy = policy
        self._history = history
        self._intents = intents
        self._signals = Listeners(*signals)
        self._names = names
        self._previews = previews

    def listen(self, signals: Signals) -> None:
        """One more listener, after the others."""
        self._signals.add(signals)

    async def observe(self) -> LiveState:
        """What the runtime reports now; the same value as before where nothing has changed, because much is
        remembered of it."""
        live = await self._runtime.observe()
        if live != self.live:
            self.live = live
        return self.live

    async def read(self, app: Followed, request: SyncRequest | None = None) -> Desired:
        """What the application wants: at the revision that is asked for, pinned, or followed; nothing where
        everything shall go.

        Raises InputError or TransientError where the source cannot be read.
        """
        if request is not None and request.delete:
            return Desired(
                app.config.name, app.config.namespace, app.desired.revision if app.desired else "", ""
            )
        pin = self._intents.intent(app.config.name).pin
        revision = request.revision if request and request.revision else pin.revision if pin else None
        return await asyncio.to_thread(app.source.read, revision)

    def policy_of(self, app: Followed, request: SyncRequest | None = None) -> Policy:
        """What planning the application depends on now."""
        intent = self._intents.intent(app.config.name)
        return app.policy(self._policy, intent, self._names(), now(), request)

    def status(self, app: Followed) -> ApplicationStatus:
        """What people see of the application, as last observed."""
        name = app.config.name
        return app.status(self.live, self._intents.intent(name), self._history.last(name))

    async def look(self, app: Followed, number: int) -> events.Looked:
        """Read the source; what cannot be read keeps what was read last, and says why."""
        name, revision, start = app.config.name, None, time.monotonic()
        try:
            app.desired = await self.read(app)
            mended, app.error = app.error is not None, None
            revision = app.desired.revision
            if mended and app.plan is not None:  # nothing may have moved, so no plan need follow
                self._show(app)
        except MoorageError as error:
            if app.error is None or app.error.reason != error.reason:
                log.warning("source cannot be read", application=name, error=str(error))
            app.error = Condition(error.reason, error.message)
            self._show(app)
        self._signals.source_read(name, time.monotonic() - start, app.error.reason if app.error else "")
        return events.Looked(name, number, revision)

    async def make_plan(
        self, app: Followed, action: events.MakePlan
    ) -> events.Planned | events.PlanFailed | events.Stale:
        """Plan what was read last, or what a person asks for."""
        name, start = app.config.name, time.monotonic()
        asked = app.asked.get(action.request) if action.request is not None else None
        try:
            desired = app.desired if asked is None else await self.read(app, asked.request)
            if desired is None or (asked is None and desired.revision != action.revision):
                return events.Stale(name)
            live = await self.observe()
            policy = self.policy_of(app, asked.request if asked else None)
            made = await asyncio.to_thread(plan, desired, live, policy, self._reason(app, asked))
            shown = self._previews.previewed(name)  # asked here: who keeps it knows this thread alone
            approval = await asyncio.to_thread(self._judge, app, made, desired, live, policy, shown)
        except StopError:
            raise
        except Exception as error:
            log.exception("planning failed", application=name, revision=action.revision)
            return self._fail_plan(app, action, error)
        self._signals.planned(name, made, time.monotonic() - start)
        settled = self._keep_plan(app, made, desired, approval, asked, action.request)
        return events.Planned(
            name,
            action.revision,
            action.world,
            made.digest,
            made.empty or settled,
            bool(made.failures or made.held),
            action.request,
            asked is not None and asked.request.delete and app.gate.reason == "Suspended",
            approved=asked is not None or not app.held,
        )

    def _judge(
        self,
        app: Followed,
        made: Plan,
        desired: Desired,
        live: LiveState,
        policy: Policy,
        shown: Sequence[Previewed] | None,
    ) -> PlanStanding:
        """How a plan stands to what a pull request showed, or people approved."""
        if made.empty or (shown is None and not app.config.sync.require_previewed_plan):
            return NOTHING_SHOWN
        facts, approved = basis_facts(desired, live, policy), self._intents.intent(app.config.name).plans
        return judge_plan(made, desired.tree, facts, shown or (), approved, now())

    def _is_held(self, app: Followed, made: Plan, approval: PlanStanding) -> bool:
        """Whether policy keeps a plan from being executed by itself. What was let through once, or brought about
        already, is: its retries, and the drift that is mended after it. A pin is somebody's decision."""
        if approval.passes or not app.config.sync.require_previewed_plan:
            return False
        pin, last = self._intents.intent(app.config.name).pin, self._history.last(app.config.name)
        if made.revision in (app.agreed, pin.revision if pin else None):
            return False
        return last is None or last.revision != made.revision or not last.preview.passes

    def _fail_plan(self, app: Followed, action: events.MakePlan, error: Exception) -> events.PlanFailed:
        asked = app.asked.pop(action.request, None) if action.request is not None else None
        why = _why(error)
        if asked is None:
            app.unplanned = why
            self._show(app)
        else:
            asked.end(SyncAnswer("Failed", None, why.reason, why.message))
        return events.PlanFailed(app.config.name, action.revision, action.world, action.request)

    def _keep_plan(
        self,
        app: Followed,
        made: Plan,
        desired: Desired,
        approval: PlanStanding,
        asked: Asked | None,
        number: int | None,
    ) -> bool:
        """Keep a plan for what comes next; True where a person's request is answered by it already."""
        if asked is None or number is None:
            app.plan, app.unplanned = made, None
            app.approval, app.held = approval, self._is_held(app, made, approval)
            self._show(app)
            return False
        asked.plan, asked.desired, asked.approval = made, desired, approval
        answer = _early_answer(asked.request, made) or self._refusal(app, asked, made)
        if answer is None:
            return False
        del app.asked[number]
        asked.end(answer)
        return True

    def _refusal(self, app: Followed, asked: Asked, made: Plan) -> SyncAnswer | None:
        """People, too, execute only what was shown or approved, where policy asks for it. Who names the plan's
        digest has seen it and approves it so; deleting everything shows its plan first in any case."""
        request, approval = asked.request, asked.approval
        if request.digest and not approval.passes:
            asked.approval = PlanStanding("Approved", digest=made.digest, by=request.who)
            return None
        if request.delete or not self._is_held(app, made, approval):
            return None
        return SyncAnswer("Denied", made, approval.standing, approval.message)

    def _reason(self, app: Followed, asked: Asked | None) -> str:
        """Why a plan is made: somebody asks, a new revision, a failed sync before it, or a world that
        moved."""
        if asked is not None:
            return "Asked"
        last = self._history.last(app.config.name)
        assert app.desired is not None
        if last is None or last.revision != app.desired.revision:
            return "NewRevision"
        return "LastSyncFailed" if last.phase == "Failed" else "LiveStateChanged"

    async def execute(self, app: Followed, action: events.Execute) -> events.Executed | events.Stale:
        """Execute the plan that was made, unless what it was made from has changed."""
        asked = app.asked.get(action.request) if action.request is not None else None
        todo, desired = (asked.plan, asked.desired) if asked else (app.plan, app.desired)
        assert todo is not None
        assert desired is not None
        if not await self._holds(app, todo, desired, asked):
            log.info("plan dropped: what it was made from changed", application=app.config.name)
            return events.Stale(app.config.name)
        await self._sync(app, todo, desired, asked)
        if action.request is not None:
            app.asked.pop(action.request, None)
        return events.Executed(app.config.name, todo.digest, action.request, app.terminated)

    async def _holds(self, app: Followed, todo: Plan, desired: Desired, asked: Asked | None) -> bool:
        """True where what a plan was made from is still so. What cannot be observed may have changed:
        making the next plan tells."""
        try:
            live = await self.observe()
        except TransientError:
            return False
        policy = self.policy_of(app, asked.request if asked else None)
        return todo.basis == await asyncio.to_thread(basis_digest, desired, live, policy)

    async def _sync(self, app: Followed, todo: Plan, desired: Desired, asked: Asked | None) -> None:
        name, start = app.config.name, time.monotonic()
        who = asked.request.by if asked else self._starter(name)
        approval = asked.approval if asked else app.approval
        sync = self._history.begin(todo, desired.author, desired.message, who, now(), approval)
        log.info("sync started", application=name, revision=todo.revision[:7], reason=todo.reason, by=who)
        self._signals.sync_started(name, todo, who)
        ended: dict[str, Result] = {}
        failed = await self._run_steps(app, todo, ended)
        phase: Ended = "Terminated" if app.terminated else "Failed" if failed else "Succeeded"
        results = resource_results(todo, ended)
        self._history.note_results(sync, results)
        record = self._history.finish(sync, phase, failed, now())
        came = [
            c.key
            for c, r in zip(todo.changes, results, strict=True)
            if c.action == "create" and r[2] != "NotReached"
        ]
        went = [c.key for c, r in zip(todo.changes, results, strict=True) if r[2] == "Pruned"]
        self._history.note_created(came, now())
        self._history.forget_created(went)
        log.info("sync ended", application=name, revision=todo.revision[:7], failed=len(failed))
        self._signals.sync_ended(record, time.monotonic() - start)
        if asked is not None:
            asked.end(SyncAnswer(phase, todo, failed=tuple(failed)))

    async def _run_steps(self, app: Followed, todo: Plan, ended: dict[str, Result]) -> list[tuple[str, str]]:
        """Execute a plan; the steps that failed and why. ``ended`` is told of those that
        ended. A sync that is ended early has one more line."""
        name, limit, task = app.config.name, app.config.sync.timeout, asyncio.current_task()
        assert task is not None
        app.terminated, app.syncing = False, task
        try:
            async with asyncio.timeout(limit):
                result: SyncResult = await execute(todo, self._runtime, self._report(name, ended))
        except TimeoutError:
            return [("sync", f"SyncTimeout: it took longer than {limit:g} s; steps under way were cancelled")]
        except asyncio.CancelledError:
            if not app.terminated:
                raise
            task.uncancel()
            return [("sync", "Terminated: ended by a person; steps under way were cancelled")]
        finally:
            app.syncing = None
        return [(step, f"{r.reason}: {r.message}") for step, r in result.failed]

    def _report(self, name: str, ended: dict[str, Result]) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            ended[progress.step.id] = progress.result
            _log_step(name, progress)
            self._signals.step_ended(name, progress.step, progress.result, progress.seconds)

        return report

    def _starter(self, name: str) -> str:
        """Who starts a sync that nobody asked for."""
        pin = self._intents.intent(name).pin
        return AUTOMATIC if pin is not None and pin.said.who == AUTOMATIC else BY_ITSELF

    def _show(self, app: Followed) -> None:
        """Work out the status anew, and tell whoever watches where it differs."""
        before, agreed, status = app.shown, app.agreed, self.status(app)
        app.compare(status, now())
        app.shown = replace(status, position=replace(status.position, drift=app.drift))
        if app.agreed != agreed:
            self._history.note_agreed(app.config.name, app.agreed)
        if app.shown != before:
            self._signals.status_changed(before, app.shown)


def _early_answer(request: SyncRequest, made: Plan) -> SyncAnswer | None:
    """What a request is answered without a sync: there is nothing to do, it was only to be shown, or it
    was meant for another plan."""
    if not made.digest.startswith(request.digest):
        return SyncAnswer(
            "Denied", made, "PlanChanged", f"the plan is {made.digest[:12]} now: look at it again"
        )
    if made.empty:
        return SyncAnswer("NothingToDo", made)
    return SyncAnswer("Succeeded", made) if request.dry_run else None


def _log_step(application: str, progress: Progress) -> None:
    facts = {"application": application, "step": progress.step.id}
    if progress.result.status == "failed":
        reason, message = progress.result.reason, progress.result.message
        log.warning("step failed", **facts, reason=reason, message=message)
    else:
        log.info("step done", **facts, done=progress.done, total=progress.total)


def _why(error: Exception) -> Condition:
    """An error of ours by its own words; anything else is a defect, and the log says more."""
    if isinstance(error, MoorageError):
        return Condition(error.reason, error.message)
    return Condition("InternalError", f"planning failed: {type(error).__name__}; the log says more")


def now() -> datetime:
    """The time, as it is written down."""
    return datetime.now(UTC)

"""What people may do to applications, beside asking for a sync: pin, suspend, confirm, open windows.

Each is written down as intent before anything acts on it, and comes into force with the controller's next
look. A read-only controller refuses all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reconciler.control.intent import (
    ApprovedPlan,
    Intent,
    Pin,
    Said,
    WindowOverride,
    approve_plan,
    confirm_deletes,
    resume_resource,
    suspend_resource,
)
from reconciler.control.loop import Controller
from reconciler.control.requests import SyncAnswer, SyncRequest
from reconciler.control.rollback import sync_to_restore
from reconciler.secrecy import shown_plan
from schemas.errors import InputError, WaitError
from schemas.resource import ResourceKey

ASKING = ("PruneAwaitsConfirmation", "PruneRefusedEmpty", "PruneThreshold")
"""Reasons that a confirmation answers."""
DELETED = "deleted with everything it owned; resume applies it again"
"""Why an application is suspended that a person deleted."""
LONGEST = timedelta(days=7)
"""Of a confirmation or an override: what is longer belongs into the configuration."""


@dataclass(frozen=True)
class Who:
    """Who says it, and why, as it will be shown."""

    name: str
    why: str = ""

    def said(self) -> Said:
        """Said now."""
        return Said(self.name[:200], datetime.now(UTC), self.why[:500])


class Commands:
    """Commands on the applications of ``controller``. All of them raise InputError
    ``ApplicationNotFound``, and ``ReadOnly`` where nothing may be changed."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    async def sync(self, name: str, request: SyncRequest) -> SyncAnswer:
        """Sync now; returns when it has ended."""
        if not request.dry_run:
            self._controller.require_writable()
        return _shown(await self._controller.sync(name, request))

    async def ask_sync(self, name: str, request: SyncRequest) -> None:
        """Sync after what is under way; returns at once. The history tells how it went."""
        self._controller.require_writable()
        await self._controller.ask(name, request)

    async def delete(self, name: str, request: SyncRequest) -> SyncAnswer:
        """Delete everything that an application owns. It is suspended before, so that what Git says is not
        applied again; where nothing was executed, it is as before. The configuration goes on naming it."""
        request = replace(request, delete=True)
        if request.dry_run:
            return _shown(await self._controller.sync(name, request))
        before = self._controller.intents.intent(name).suspended
        said = Who(request.who, DELETED).said()
        self._say(name, lambda intent: replace(intent, suspended=said))
        answer = _shown(await self._controller.sync(name, request))
        if answer.phase == "Denied":
            self._say(name, lambda intent: replace(intent, suspended=before))
        return answer

    def refresh(self, name: str) -> None:
        """Look at the source now."""
        self._controller.hint(name)

    def terminate(self, name: str) -> None:
        """End the sync under way. Raises InputError ``NothingUnderWay``."""
        self._controller.require_writable()
        if not self._controller.terminate(name):
            raise InputError("NothingUnderWay", f"no sync of {name} is under way")

    async def pin(self, name: str, revision: str, who: Who) -> Intent:
        """Stay at a revision until unpinned. Raises InputError ``RevisionNotFound``."""
        commit = await self._controller.resolve(name, revision)
        return self._say(name, lambda intent: replace(intent, pin=Pin(commit, who.said())))

    def unpin(self, name: str) -> Intent:
        """Follow Git again."""
        return self._say(name, lambda intent: replace(intent, pin=None))

    async def roll_back(self, name: str, sync: int | None, who: Who) -> Intent:
        """Pin the revision of an earlier sync; without one, that of the last that succeeded before the
        current. Raises InputError ``HistoryEntryNotFound``."""
        self._controller.require_writable()
        self._controller.followed(name)
        current = self._controller.application(name).revision
        record = sync_to_restore(name, self._controller.history.syncs(name), current, sync)
        why = who.why or f"rollback to sync {record.id}"
        return await self.pin(name, record.revision, replace(who, why=why))

    def suspend(self, name: str, key: ResourceKey | None, who: Who) -> Intent:
        """Leave the application, or one of its resources, as it is."""
        if key is None:
            return self._say(name, lambda intent: replace(intent, suspended=who.said()))
        return self._say(name, lambda intent: suspend_resource(intent, key, who.said()))

    def resume(self, name: str, key: ResourceKey | None) -> Intent:
        """Let it follow again."""
        if key is None:
            return self._say(name, lambda intent: replace(intent, suspended=None))
        return self._say(name, lambda intent: resume_resource(intent, key))

    def confirm(self, name: str, only: frozenset[ResourceKey], hours: int, who: Who) -> Intent:
        """Let deletes that wait for a person go; all of them, or ``only`` some. Raises InputError
        ``NothingToConfirm``."""
        self._controller.require_writable()
        plan = self._controller.followed(name).plan
        waiting = {held.key for held in plan.held if held.reason in ASKING} if plan else set()
        keys = frozenset(waiting if not only else waiting & only)
        if not keys:
            raise InputError("NothingToConfirm", f"no delete of {name} waits for a confirmation")
        said = who.said()
        until = said.at + _bounded(hours)
        return self._say(name, lambda intent: confirm_deletes(intent, keys, until, said))

    def approve(self, name: str, digest: str, hours: int, who: Who) -> Intent:
        """Let the plan that is there now be executed although no pull request showed it; ``digest`` is how its
        own begins. Raises InputError ``NothingToApprove``, WaitError ``PlanChanged``."""
        self._controller.require_writable()
        app = self._controller.followed(name)
        if app.plan is None or not app.held:
            raise InputError("NothingToApprove", f"no plan of {name} waits for approval")
        if not app.plan.digest.startswith(digest):
            message = f"the plan is {app.plan.digest[:12]} now"
            raise WaitError("PlanChanged", message, "look at it again: moorage plan")
        said = who.said()
        approved = ApprovedPlan(app.plan.digest, said.at + _bounded(hours), said)
        return self._say(name, lambda intent: approve_plan(intent, approved))

    def override_windows(self, name: str, minutes: int, who: Who) -> Intent:
        """Open closed sync windows for a while; 0 closes them again."""
        said = who.said()
        override = WindowOverride(said.at + _bounded(minutes / 60), said) if minutes else None
        return self._say(name, lambda intent: replace(intent, override=override))

    def _say(self, name: str, decide: Callable[[Intent], Intent]) -> Intent:
        self._controller.require_writable()
        self._controller.followed(name)
        intent = self._controller.intents.change(name, decide)
        self._controller.intend(name)
        return intent


def _shown(answer: SyncAnswer) -> SyncAnswer:
    return answer if answer.plan is None else replace(answer, plan=shown_plan(answer.plan))


def _bounded(hours: float) -> timedelta:
    span = timedelta(hours=hours)
    if not timedelta(0) < span <= LONGEST:
        raise InputError("InvalidCommand", f"{hours:g} hours", "name a time of at most 7 days")
    return span

"""Rebalances that people ask for: planned again when their turn comes, executed if nothing changed.

Whose turn it is, is decided in :mod:`reconciler.control.controller`; what is moved, in the planner.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from reconciler.history import History
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy
from reconciler.planning.rebalancing import RebalanceRun, check_unchanged, rebalance_plan
from reconciler.sync import Progress, execute
from runtime.ports import Runtime
from schemas.errors import InputError, MoorageError, StopError, WaitError

log = structlog.get_logger(__name__)

BY_HAND = "moorage rebalance"
"""Who starts a rebalance, as the history shows it: the API asks nobody who they are."""


@dataclass(frozen=True)
class Terms:
    """What a controller decides about rebalances: ``policy`` of planning, ``permit`` raises a MoorageError
    while people may not change anything, ``announce`` gets the number of one that waits for its turn."""

    policy: Policy
    permit: Callable[[], None]
    announce: Callable[[int], None]
    now: Callable[[], datetime]


class Rebalancer:
    """Plans and executes rebalances of ``runtime``, one at a time; the history has them too."""

    def __init__(self, runtime: Runtime, history: History, terms: Terms) -> None:
        self._runtime = runtime
        self._history = history
        self._terms = terms
        self._run: RebalanceRun | None = None

    async def plan(self, max_moves: int) -> Plan:
        """What a rebalance would do now. Raises WaitError ``SyncPending``."""
        live = await self._runtime.observe()
        return await asyncio.to_thread(rebalance_plan, live, self._terms.policy, max_moves)

    def run(self) -> RebalanceRun:
        """The rebalance that was asked for last. Raises InputError ``ResourceNotFound``."""
        if self._run is None:
            raise InputError("ResourceNotFound", "no rebalance was asked for since the controller started")
        return self._run

    async def ask(self, max_moves: int, digest: str) -> RebalanceRun:
        """Take note of a request for the very plan that was shown.

        Raises WaitError ``PlanChanged`` where the plan is another one now, ``RebalanceUnderWay`` where
        one is asked for already.
        """
        self._terms.permit()
        check_unchanged(await self.plan(max_moves), digest)
        if self._run is not None and not self._run.ended:
            raise WaitError("RebalanceUnderWay", "a rebalance is under way", "wait until it has ended")
        number = self._run.number + 1 if self._run else 1
        self._run = RebalanceRun(number, max_moves, digest, "Waiting")
        self._terms.announce(number)
        return self._run

    async def execute(self) -> None:
        """Do what was asked for, or drop it where its plan has changed."""
        asked = self.run()
        try:
            self._terms.permit()
            made = await self.plan(asked.max_moves)
            check_unchanged(made, asked.digest)
        except StopError:
            raise
        except MoorageError as error:
            self._end(asked, (("plan", f"{error.reason}: {error.message}"),))
        except Exception:
            log.exception("planning a rebalance failed")
            self._end(asked, (("plan", "InternalError: the controller's log says more"),))
        else:
            await self._execute(asked, made)

    async def _execute(self, asked: RebalanceRun, made: Plan) -> None:
        self._run = replace(asked, phase="Running")
        sync = self._history.begin(made, "", "", BY_HAND, self._terms.now())
        log.info("rebalance started", digest=made.digest[:12], groups=len(made.rebalance))
        result = await execute(made, self._runtime, _report)
        failed = tuple((step, f"{r.reason}: {r.message}") for step, r in result.failed)
        self._history.finish(sync, "Failed" if failed else "Succeeded", failed, self._terms.now())
        self._end(asked, failed)

    def _end(self, asked: RebalanceRun, failed: tuple[tuple[str, str], ...]) -> None:
        self._run = replace(asked, phase="Failed" if failed else "Succeeded", results=failed)
        log.info("rebalance ended", digest=asked.digest[:12], failed=len(failed))


def _report(progress: Progress) -> None:
    step, result = progress.step.id, progress.result
    if result.status == "failed":
        log.warning("step failed", step=step, reason=result.reason, message=result.message)
    else:
        log.info("step done", step=step, done=progress.done, total=progress.total)

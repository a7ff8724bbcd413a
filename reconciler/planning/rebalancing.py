"""A rebalance as a plan: the same planner, asked about what is applied instead of about a commit. Pure.

It starts from rest: while a sync has something to do, that comes first, so a rebalance does what was shown
and nothing else. Its plan belongs to no application.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from reconciler.control.controller import REBALANCE
from reconciler.desired import Desired
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Policy, plan
from runtime.state import LiveState
from schemas.errors import WaitError

REASON: Final = "Rebalance"
MOST_MOVES: Final = 1_000
"""Moves that one rebalance may be asked for."""

RunPhase = Literal["Waiting", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True)
class RebalanceRun:
    """A rebalance that a person asked for. ``results`` are steps that failed and why, in plan order; of one
    that was dropped because its plan had changed, ``PlanChanged``."""

    number: int
    max_moves: int
    digest: str
    phase: RunPhase
    results: tuple[tuple[str, str], ...] = ()

    @property
    def ended(self) -> bool:
        """True where nothing more comes of it."""
        return self.phase in ("Succeeded", "Failed")


def rebalance_plan(live: LiveState, policy: Policy, max_moves: int) -> Plan:
    """The plan that moves up to ``max_moves`` served replicas where that gains something; its
    ``rebalance`` says what.

    Raises WaitError ``SyncPending`` where live state is not what was last planned.
    """
    nothing_new = Desired(REBALANCE, "", "", "")
    if not plan(nothing_new, live, policy).empty:
        message = "a sync has something to do first"
        raise WaitError("SyncPending", message, "`moorage plan` shows it; wait for it, then ask again")
    return plan(nothing_new, live, replace(policy, rebalance=max_moves), REASON)


def check_unchanged(made: Plan, digest: str) -> None:
    """Raise WaitError ``PlanChanged`` where the plan is not the one that was shown under ``digest``."""
    if made.digest != digest:
        message = f"the plan is {made.digest[:12]} now, not {digest[:12]}"
        raise WaitError("PlanChanged", message, "look at it again with `moorage rebalance`")

"""How each resource that a plan changes came out of its sync, from the steps that ended. Pure.

It tells what was done, also where a sync was ended early: whether that serves well is health's to say.
"""

from collections.abc import Mapping
from typing import Literal

from reconciler.planning.order import necessary_steps
from reconciler.planning.plan import Plan
from runtime.operations import Result

ResourceResult = Literal["Synced", "SyncFailed", "Pruned", "NotReached", ""]
"""Argo CD's words, and ``NotReached`` where no step was begun; empty while a sync runs, and where nobody
saw its end."""


def resource_results(plan: Plan, ended: Mapping[str, Result]) -> tuple[tuple[str, str, ResourceResult], ...]:
    """(key, action, result) of every change, by key; ``ended`` are the steps that ended, by id.

    One of which some steps were done and others were not is ``SyncFailed``.
    """
    steps: dict[str, list[str]] = {}
    for step in necessary_steps(plan):
        steps.setdefault(str(step.resource), []).append(step.id)
    return tuple(
        (str(change.key), change.action, _result(change.action, steps.get(str(change.key), ()), ended))
        for change in plan.changes
    )


def _result(action: str, steps: list[str] | tuple[str, ...], ended: Mapping[str, Result]) -> ResourceResult:
    results = [ended.get(step) for step in steps]
    if all(result is not None and result.status == "done" for result in results):
        return "Pruned" if action == "delete" else "Synced"
    begun = (result for result in results if result is not None)
    return "SyncFailed" if any(r.status == "done" or r.reason != "Blocked" for r in begun) else "NotReached"

"""Status of an application: worked out here, once, from what was observed; everybody shows this.

Sync status and health are Argo CD's words. Synced: Git and live agree and nothing is held back.
OutOfSync: the plan is not empty, something is held back or a manifest is wrong. Unknown: the source
cannot be read, so there is nothing to compare with.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from reconciler.control.approval import NOTHING_SHOWN, PlanStanding
from reconciler.control.drift import Drift
from reconciler.control.gates import OPEN, Gate
from reconciler.control.intent import Pin
from reconciler.control.sync_policy import Prune
from reconciler.desired import Desired
from reconciler.health import Health, HealthStatus, Observation, worst
from reconciler.planning.plan import Plan
from reconciler.planning.results import ResourceResult
from reconciler.resource_status import KnownStatuses, ResourceStatus, SyncStatus
from runtime.state import LiveState
from schemas.problem import Problem

Phase = Literal["Running", "Succeeded", "Failed", "Terminated", "Interrupted"]


@dataclass(frozen=True)
class SyncRecord:
    """One sync in the history. Times are ISO 8601 in UTC; ``finished`` is empty while it runs. ``who``
    started it; ``resources`` are what it changed, as (key, action, result); ``results`` steps that failed;
    ``preview`` how its plan stood to what a pull request showed."""

    id: int
    application: str
    revision: str
    author: str
    message: str
    reason: str
    started: str
    finished: str
    phase: Phase
    digest: str
    basis: str
    results: tuple[tuple[str, str], ...] = ()
    who: str = ""
    resources: tuple[tuple[str, str, ResourceResult], ...] = ()
    preview: PlanStanding = NOTHING_SHOWN


@dataclass(frozen=True)
class Condition:
    """Something about the application as a whole that people should know."""

    reason: str
    message: str


@dataclass(frozen=True)
class Position:
    """What holds for the application beside Git and live: whether it syncs by itself, what stands in the
    way now, since when it is out of sync and who moved it, where it is pinned, and whether it deletes.
    ``plan`` says how the plan stands to what a pull request showed, ``held`` that it waits for approval."""

    auto: bool = True
    gate: Gate = OPEN
    drift: Drift | None = None
    pin: Pin | None = None
    prune: Prune = "on"
    plan: PlanStanding = NOTHING_SHOWN
    held: bool = False


@dataclass(frozen=True)
class ApplicationStatus:
    """An application as page, API and CLI show it. ``revision`` is the commit that was last compared,
    which ``sync`` is about. Resources are sorted by key."""

    name: str
    repository: str
    follows: str
    path: str
    namespace: str
    sync: SyncStatus
    health: HealthStatus
    revision: str
    resources: tuple[ResourceStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    conditions: tuple[Condition, ...] = ()
    last_sync: SyncRecord | None = None
    position: Position = Position()


@dataclass(frozen=True)
class ApplicationSource:
    """What an application follows; ``repository`` is safe to show."""

    name: str
    repository: str
    follows: str
    path: str
    namespace: str


def application_status(
    source: ApplicationSource,
    desired: Desired | None,
    live: LiveState,
    plan: Plan | None,
    error: Condition | None = None,
    last_sync: SyncRecord | None = None,
    position: Position = Position(),
    known: KnownStatuses | None = None,
) -> ApplicationStatus:
    """The status of one application. ``error`` says why its source cannot be read now; ``known`` is what
    was said of its resources before."""
    waiting = (position.held or not position.gate.auto) and (
        last_sync is None or last_sync.phase != "Running"
    )
    seen = Observation(live, plan, waiting=waiting)
    resources = _resources(desired, seen, known or KnownStatuses()) if desired else ()
    return ApplicationStatus(
        name=source.name,
        repository=source.repository,
        follows=source.follows,
        path=source.path,
        namespace=source.namespace,
        sync=_sync(desired, plan, error),
        health=worst({r.health.status for r in resources}) if desired else "Unknown",
        revision=_compared(desired, plan),
        resources=resources,
        problems=desired.problems if desired else (),
        conditions=_conditions(desired, plan, error, last_sync, position),
        last_sync=last_sync,
        position=position,
    )


def _sync(desired: Desired | None, plan: Plan | None, error: Condition | None) -> SyncStatus:
    if desired is None or plan is None or error is not None:
        return "Unknown"
    agrees = plan.empty and not plan.held and not desired.invalid and not desired.unreadable
    return "Synced" if agrees else "OutOfSync"


def _compared(desired: Desired | None, plan: Plan | None) -> str:
    """A commit that was read and not planned yet is not what ``sync`` speaks of."""
    if plan is not None:
        return plan.revision
    return desired.revision if desired else ""


def _resources(desired: Desired, seen: Observation, known: KnownStatuses) -> tuple[ResourceStatus, ...]:
    """Of everything that is wanted, and of what is held or goes, by key."""
    known.look(seen)
    said = [known.status(resource, seen) for resource in desired.resources]
    known.forget(len(said))
    said.extend(_unwanted(desired, seen))
    return tuple(sorted(said, key=_order))


def _order(status: ResourceStatus) -> tuple[str, str, str, str]:
    key = status.key
    return key.group, key.kind, key.namespace, key.name


def _unwanted(desired: Desired, seen: Observation) -> Iterator[ResourceStatus]:
    """What cannot be read, what is held although Git does not want it, and what goes."""
    wanted = {resource.key for resource in desired.resources} if seen.held or seen.changing else set()
    errors = _first_errors(desired.problems)
    for key in desired.invalid:
        problem = errors.get((key.kind, key.namespace, key.name))
        message = f"{problem.file}:{problem.line}:{problem.column} {problem.message}" if problem else ""
        invalid = Health("Degraded", "InvalidManifest", message)
        place = (problem.file, problem.line) if problem else ("", 0)
        yield ResourceStatus(key, "Unknown", invalid, *place)
    for key, item in seen.held.items():
        if key not in wanted:
            yield ResourceStatus(key, "OutOfSync", Health("Healthy", item.reason, item.message))
    for key in seen.changing - wanted - set(desired.invalid):
        yield ResourceStatus(key, "OutOfSync", Health("Progressing", "Pruning", "to be deleted"))


def _first_errors(problems: Iterable[Problem]) -> dict[tuple[str, str, str], Problem]:
    """The first error of every resource that has one, by (kind, namespace, name)."""
    errors: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        if problem.severity == "error":
            errors.setdefault((problem.kind, problem.namespace, problem.name), problem)
    return errors


def _conditions(
    desired: Desired | None,
    plan: Plan | None,
    error: Condition | None,
    last_sync: SyncRecord | None,
    position: Position,
) -> tuple[Condition, ...]:
    conditions = [error] if error else []
    if position.pin is not None:
        said = position.pin.said
        message = f"stays at {position.pin.revision[:12]}, said {said.who}" + (
            f": {said.why}" if said.why else ""
        )
        conditions.append(Condition("Pinned", message))
    if position.gate.reason and (plan is None or not plan.empty):
        conditions.append(Condition(position.gate.reason, position.gate.message))
    if position.held:
        conditions.append(Condition(position.plan.standing, position.plan.message))
    if desired is not None and desired.unreadable:
        problem = next((p for p in desired.problems if p.severity == "error" and not p.name), None)
        message = f"{problem.file}:{problem.line}:{problem.column} {problem.message}" if problem else ""
        conditions.append(Condition("UnreadableManifest", f"{message}; nothing is deleted meanwhile"))
    if plan is not None:
        conditions.extend(Condition(item.reason, f"{item.key}: {item.message}") for item in plan.held)
    unmended = plan is None or not plan.empty
    if last_sync is not None and last_sync.phase in ("Failed", "Interrupted", "Terminated") and unmended:
        step, why = next(iter(last_sync.results), ("", ""))
        conditions.append(Condition(f"Sync{last_sync.phase}", f"{step} {why}".strip()))
    return tuple(conditions)

"""The one executor: it takes a plan and nothing else, and never improvises.

It runs the plan's steps in their order, as many at once as their order allows. A step that fails
leaves undone what waits for it, and says which one it was; the rest goes on. A barrier is nothing but
waiting: it is neither executed nor reported. What to do about it is the next plan's business.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter

from reconciler.planning.barriers import steps
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from runtime.operations import Result
from runtime.ports import Runtime
from schemas.errors import StopError

BLOCKED = "Blocked"
DONE = Result("done")


@dataclass(frozen=True)
class Progress:
    """One step that ended after ``seconds`` of work; ``done`` of ``total`` steps have ended so far."""

    step: Step
    result: Result
    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class SyncResult:
    """How a sync ended: the failed steps by id, in plan order, blocked ones included."""

    plan: Plan
    failed: tuple[tuple[str, Result], ...]

    @property
    def ok(self) -> bool:
        """True where every step was done."""
        return not self.failed


async def execute(plan: Plan, runtime: Runtime, report: Callable[[Progress], None]) -> SyncResult:
    """Execute ``plan`` on ``runtime``; ``report`` is told of every step that ends.

    Raises StopError where the runtime cannot go on; steps under way are cancelled then.
    """
    todo = steps(plan)
    ended: dict[str, asyncio.Task[Result]] = {}
    by_id = {step.id: step for step in todo}
    total = sum(step.operation is not None for step in todo)
    done, clock = 0, asyncio.get_running_loop().time

    async def run(step: Step) -> Result:
        nonlocal done
        before = [(by_id[name], await ended[name]) for name in step.after]
        blocked, start = _blocked(step, before), clock()
        if step.operation is None:
            return blocked or DONE
        result = blocked or await runtime.apply(step.operation)
        done += 1
        report(Progress(step, result, done, total, clock() - start))
        return result

    with stops_alone():
        async with asyncio.TaskGroup() as group:
            for step in _topological(todo):
                ended[step.id] = group.create_task(run(step))
    results = [(step.id, ended[step.id].result()) for step in todo if step.operation is not None]
    return SyncResult(plan, tuple((i, result) for i, result in results if result.status == "failed"))


def _blocked(step: Step, before: Sequence[tuple[Step, Result]]) -> Result | None:
    """Why ``step`` is not done after what came before it, None where nothing of that failed: the step that
    did, after the wave or the resource that failed with it where it is that which was waited for."""
    failed = [each for each in before if each[1].status == "failed"]
    if not failed:
        return None
    passed_on = next((result for other, result in failed if other.operation is None), None)
    if passed_on is not None:
        return passed_on
    other, result = next((each for each in failed if each[1].reason != BLOCKED), failed[0])
    message = result.message if result.reason == BLOCKED else f"{other.id}: {result.reason}"
    return Result("failed", BLOCKED, f"{step.id} failed: {message}" if step.operation is None else message)


@contextmanager
def stops_alone() -> Iterator[None]:
    """Let a StopError out of a task group as itself: whoever catches it knows nothing of tasks."""
    try:
        yield
    except ExceptionGroup as group:
        stops = group.subgroup(StopError)
        if stops is None:
            raise
        raise _first(stops) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _topological(todo: tuple[Step, ...]) -> list[Step]:
    """Every step after those it waits for: a task is only awaited once it exists."""
    by_id = {step.id: step for step in todo}
    order = TopologicalSorter({step.id: step.after for step in todo})
    return [by_id[name] for name in order.static_order()]

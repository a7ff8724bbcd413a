"""What the controller does at its size: ``python -m bench.scale [--full]``.

The production loop with a real Git repository and real history and intent files, on a simulated runtime, so
that what is left is our own time: one push to 10,000 models, a push that changes all of them, and many
applications in one controller. Every figure stands beside a floor of the same run: Git's own comparison, a
bare loop of the same operations, plain dicts compared. Each case has a process of its own, so that its
memory is its own; on a shared machine only the ratios mean something.
"""

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, redirect_stderr, suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pygit2

from bench.reconcile import Repository, config, diff_tree, policy
from reconciler.cli.logs import configure_logs
from reconciler.compose import YOUNG_OBJECTS
from reconciler.control.intent_store import IntentStore
from reconciler.control.loop import Controller
from reconciler.history import History
from reconciler.planning.order import Step
from reconciler.planning.plan import Plan
from reconciler.source.application import GitApplication
from reconciler.status import ApplicationStatus, SyncRecord
from runtime.operations import Operation, Result
from tests.fakes.simulated import SimulatedRuntime

MIB = 1 << 20
MODELS = 10_000
APPLICATIONS = 100
PUSHES = 7
IDLE_SECONDS = 10.0


class Observer:
    """A listener of the controller that lets one wait for what happens. ``rested`` are the applications
    whose plan was empty since the last sync ended."""

    def __init__(self) -> None:
        self.plans = 0
        self.rested: set[str] = set()
        self.ended: dict[str, tuple[str, float]] = {}
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> float:
        """Wall time at which ``condition`` was first seen to hold."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()
        return time.perf_counter()

    async def synced(self, application: str, revision: str) -> float:
        """Wall time at which the sync of that revision succeeded."""
        await self.until(lambda: self.ended.get(application, ("", 0.0))[0] == revision)
        return self.ended[application][1]

    async def rest(self, applications: int) -> float:
        """Wall time at which every application was seen to have nothing left to do."""
        return await self.until(lambda: len(self.rested) == applications)

    def source_read(self, application: str, seconds: float, reason: str) -> None:
        """Nothing to wait for."""

    def planned(self, application: str, plan: Plan, seconds: float) -> None:  # noqa: ARG002 (the protocol's)
        """Count it."""
        self.plans += 1
        if plan.empty:
            self.rested.add(application)
        self._changed.set()

    def sync_started(self, application: str, plan: Plan, who: str) -> None:
        """Nothing to wait for."""

    def step_ended(self, application: str, step: Step, result: Result, seconds: float) -> None:
        """Nothing to wait for."""

    def sync_ended(self, record: SyncRecord, seconds: float) -> None:  # noqa: ARG002 (the protocol's)
        """Keep what ended when."""
        if record.phase == "Succeeded":
            self.ended[record.application] = (record.revision, time.perf_counter())
        self.rested.clear()
        self._changed.set()

    def status_changed(self, before: ApplicationStatus | None, after: ApplicationStatus) -> None:
        """Nothing to wait for."""


class Stage:
    """A running controller over ``repositories``, one application each, and what it runs on."""

    def __init__(self, folder: Path, repositories: Sequence[Repository], interval: float) -> None:
        self.runtime, self.observer = SimulatedRuntime(), Observer()
        self.repositories = repositories
        self.names = [f"app-{number:03d}" for number in range(len(repositories))]
        self.history, self.intents = History(folder / "history.db"), IntentStore(folder / "intent.db")
        configs = [
            replace(config(repository), name=name, interval=interval)
            for name, repository in zip(self.names, repositories, strict=True)
        ]
        sources = [GitApplication(each, folder / "mirrors") for each in configs]
        self.controller = Controller(
            sources, self.runtime, policy(), self.history, self.intents, [self.observer]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The controller, from its start until everything is applied and at rest, and to its end."""
        task = asyncio.create_task(self.controller.run())
        try:
            await self.observer.rest(len(self.names))
            gc.collect()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.history.close()
            self.intents.close()

    async def push(self, number: int, change: Callable[[], str]) -> float:
        """Seconds from a moved ref to the end of its sync; returns once everybody is at rest again. Of many the
        one is told, as by a webhook: nobody watches that many local repositories."""
        revision = change()
        start = time.perf_counter()
        if len(self.names) > 1:
            self.controller.hint(self.names[number])
        end = await self.observer.synced(self.names[number], revision)
        await self.observer.rest(len(self.names))
        return end - start


def report(label: str, figure: str, ratio: float | None = None, of: str = "") -> None:
    """One line; the ratio is to the named floor."""
    print(f"{label:<62}{figure:>14}" + (f"   {ratio:8.2f} × {of}" if ratio is not None else ""), flush=True)


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:,.1f} ms"


def peak() -> int:
    """Bytes that this process had in memory at most (Linux's VmHWM: a fork's does not count)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def one_changed(size: int, folder: Path) -> None:
    """One push after the other, each to one model of many."""
    stage = Stage(folder, [Repository(folder / "repository.git", size)], interval=3600)
    repository = stage.repositories[0]
    async with stage.running():
        times = [await stage.push(0, repository.change_one) for _ in range(PUSHES)]
    report(
        f"push → applied, 1 of {size:,} changed",
        milliseconds(statistics.median(times)),
        statistics.median(times) / diff_tree(repository),
        "git diff-tree",
    )


async def all_changed(size: int, folder: Path) -> None:
    """One push that gives every model a new version, on servers with room for both."""
    before = peak()
    stage = Stage(folder, [Repository(folder / "repository.git", size)], interval=3600)
    async with stage.running():
        told = len(stage.runtime.journal)
        start = time.process_time()
        seconds = await stage.push(0, stage.repositories[0].change_all)
        processor = time.process_time() - start
        done = stage.runtime.journal[told:]
    label = f"push → applied, all of {size:,} changed"
    report(label, milliseconds(seconds), seconds / await replayed(stage.runtime.journal, done), "bare loop")
    report("  converge rate", f"{size / seconds:,.0f} models/s")
    report("  CPU time until at rest again", milliseconds(processor), processor / seconds, "wall time")
    report("  peak memory", f"{peak() / MIB:,.0f} MiB", peak() / before, "imported modules")


async def replayed(journal: Sequence[Operation], done: Sequence[Operation]) -> float:
    """Floor: the same operations in a plain loop, on a runtime that has seen what was before."""
    runtime = SimulatedRuntime()
    for operation in journal[: len(journal) - len(done)]:
        await runtime.apply(operation)
    start = time.perf_counter()
    for operation in done:
        await runtime.apply(operation)
    return time.perf_counter() - start


async def many_applications(count: int, size: int, idle: float, folder: Path) -> None:
    """Many applications of some models each, on servers that the first of them declares."""
    repositories = [
        Repository(folder / f"{number:03d}.git", size, name=f"a{number:03d}-", server=number == 0)
        for number in range(count)
    ]
    before = peak()
    stage = Stage(folder, repositories, interval=30.0)
    start, of = time.perf_counter(), f"{count} applications of {size} models"
    async with stage.running():
        report(f"{of}, from nothing to rest", milliseconds(time.perf_counter() - start))
        await measure_push_to_one(stage)
        await measure_world_change(stage)
        await measure_idle(stage, idle)
    report("  peak memory", f"{peak() / MIB:,.0f} MiB", peak() / before, "imported modules")


async def measure_push_to_one(stage: Stage) -> None:
    """A push to one application while all are at rest, and what it costs until they are again."""
    times, costs, plans = [], [], stage.observer.plans
    last = len(stage.names) - 1
    for _ in range(3):
        start = time.process_time()
        times.append(await stage.push(last, stage.repositories[last].change_one))
        costs.append(time.process_time() - start)
    floor = diff_tree(stage.repositories[last])
    wall, processor = statistics.median(times), statistics.median(costs)
    report("  push to one, all at rest → applied", milliseconds(wall), wall / floor, "git diff-tree")
    report(
        "  CPU time until all are at rest again", milliseconds(processor), processor / floor, "git diff-tree"
    )
    report("  plans made for it", f"{(stage.observer.plans - plans) / len(times):,.0f}")


async def measure_world_change(stage: Stage) -> None:
    """The world moves for everybody: a server crashes and recovers, so all look whether it concerns them."""
    replica = (await stage.runtime.observe()).servers[0].id
    observer, wanted = stage.observer, len(stage.names)
    start, processor = time.perf_counter(), time.process_time()
    for change in (stage.runtime.crash, stage.runtime.recover):
        observer.rested.clear()
        change(replica)
        await observer.rest(wanted)
    wall, processor = time.perf_counter() - start, time.process_time() - processor
    floor = 2 * await compared(stage)
    report(
        "  a server crashes and recovers → all planned", milliseconds(wall), wall / floor, "dicts compared"
    )
    report("  CPU time of it", milliseconds(processor), processor / floor, "dicts compared")


async def compared(stage: Stage) -> float:
    """Floor: per application, a plain comparison of what is wanted and what is applied, by key and digest."""
    live = await stage.runtime.observe()
    applied = {entry.resource.key: entry.resource.digest for entry in live.resources}
    start = time.perf_counter()
    for _ in stage.names:
        assert {entry.resource.key: entry.resource.digest for entry in live.resources} == applied
    return time.perf_counter() - start


async def measure_idle(stage: Stage, seconds: float) -> None:
    """CPU time while nothing happens, polls every 30 s included."""
    await asyncio.sleep(2.0)
    start = time.process_time()
    await asyncio.sleep(seconds)
    minute = (time.process_time() - start) * 60 / seconds
    start = time.process_time()
    for repository in stage.repositories:
        _ = pygit2.Repository(str(repository.folder)).references["refs/heads/main"].target
    floor = (time.process_time() - start) * 60 / 30
    report("  idle CPU time per minute", milliseconds(minute), minute / floor, "refs read as often")


CASES = {"one": one_changed, "all": all_changed, "many": many_applications}


def run(case: str, *sizes: float) -> None:
    """One case in this process, set up as a controller is; its log goes nowhere."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    with (
        Path(os.devnull).open("w") as log,
        redirect_stderr(log),
        tempfile.TemporaryDirectory() as name,
    ):
        configure_logs()
        asyncio.run(CASES[case](*sizes, Path(name)))


def alone(case: str, *sizes: float) -> None:
    """One case in a process of its own."""
    process = get_context("spawn").Process(target=run, args=(case, *sizes))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"bench: {case} failed")


def main() -> None:
    """Print the table."""
    full = "--full" in sys.argv
    alone("one", MODELS)
    alone("all", MODELS)
    alone("many", APPLICATIONS if full else 20, 100, 60.0 if full else IDLE_SECONDS)


if __name__ == "__main__":
    main()

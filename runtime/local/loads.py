"""Loads under way: one task per model replica, with retries, few at once per server replica.

A load outlives its server: where that ends meanwhile, the next try waits for the next incarnation.
What a good or a failed load means for the record is told to an :class:`Outcome`.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import stamina
import structlog

from placement.inventory import ReplicaId
from runtime.local.artifacts import Artifacts
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.loading import ENDED, Loader
from runtime.local.rows import ModelAt, ModelRow
from runtime.local.servers import Incarnation
from runtime.local.supervisor import SupervisedReplica
from runtime.local.versions import Versions
from runtime.operations import Result
from runtime.ports import Artifact
from schemas.errors import InputError, TransientError, WaitError

Logger = structlog.stdlib.BoundLogger


@dataclass
class _Seen:
    """What the last try saw: the artifact's digest (empty where none was to be had), a crash."""

    artifact: str = ""
    crash: bool = False


class Outcome(Protocol):
    """What becomes of loads."""

    def require_wanted(self, at: ModelAt) -> None:
        """WaitError where nobody wants ``at`` any more."""

    def loaded(self, at: ModelAt, digest: str) -> None:
        """``at`` answers, from the artifact of that digest; TransientError where that must not be."""

    async def announce(self, at: ModelAt) -> None:
        """Say that ``at`` is loaded, once it is routed to; TransientError where it answers no more."""

    def failed(self, row: ModelRow) -> None:
        """All tries of a load are used up."""

    def dropped(self, at: ModelAt) -> None:
        """There is no server to load ``at`` on."""


class Loads:
    """The loads that are under way on one machine."""

    def __init__(
        self,
        versions: Versions,
        artifacts: Artifacts,
        loader: Loader,
        replicas: Mapping[ReplicaId, SupervisedReplica],
        outcome: Outcome,
        limits: LocalLimits,
        logger: Logger,
    ) -> None:
        self._versions = versions
        self._artifacts = artifacts
        self._loader = loader
        self._replicas = replicas
        self._outcome = outcome
        self._limits = limits
        self._log = logger
        self._tasks: dict[ModelAt, asyncio.Task[Result]] = {}
        self._turns: defaultdict[ReplicaId, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.loads_at_once)
        )
        self._alone: defaultdict[ReplicaId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._careful: set[ReplicaId] = set()
        self._under_way: Counter[ReplicaId] = Counter()

    def begin(self, at: ModelAt) -> asyncio.Task[Result]:
        """The load of ``at``, begun now or under way already."""
        task = self._tasks.get(at)
        if task is None:
            task = self._tasks[at] = asyncio.create_task(self._load(at))
            self._under_way[at.replica] += 1
            task.add_done_callback(partial(self._note_end, at))
        return task

    async def end(self, at: ModelAt) -> None:
        """Stop the load of ``at``; none is no error."""
        task = self._tasks.pop(at, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def end_all(self) -> None:
        """Stop every load."""
        for at in list(self._tasks):
            await self.end(at)

    async def carry(self, at: ModelAt, incarnation: Incarnation) -> None:
        """Load a bound version on an incarnation that does not serve yet; raises what the last try raised."""
        version = self._versions.require(at.version_key)
        async for attempt in self._tries():
            with attempt:
                async with self._turn(at.replica):
                    artifact = await self._artifacts.get(at.version_key)
                    await self._loader.load(incarnation, artifact, at.model, version.number, version.spec)

    async def _load(self, at: ModelAt) -> Result:
        seen = _Seen()
        try:
            async for attempt in self._tries():
                with attempt:
                    await self._attempt(at, seen)
        except WaitError as error:
            self._outcome.dropped(at)
            return Result("failed", error.reason, error.message)
        except InputError as error:
            return await self._give_up(at, seen, error.reason, error.message)
        except TransientError as error:
            return await self._give_up(at, seen, "LoadFailed", error.message)
        return Result("done")

    async def _attempt(self, at: ModelAt, seen: _Seen) -> None:
        seen.artifact, seen.crash = "", False
        async with self._turn(at.replica):
            self._outcome.require_wanted(at)
            artifact = await self._artifacts.get(at.version_key)
            seen.artifact = artifact.digest
            incarnation = await self._server(at.replica)
            try:
                await self._load_on(incarnation, at, artifact)
            except TransientError:
                seen.crash = await _ends(incarnation, self._limits.poll * 4)
                if seen.crash:
                    self._careful.add(at.replica)
                raise
            self._outcome.loaded(at, artifact.digest)
        await self._outcome.announce(at)
        self._artifacts.let_go(at.version_key)
        self._log.info("model is loaded", model=at.model, replica=str(at.replica))

    async def _load_on(self, incarnation: Incarnation, at: ModelAt, artifact: Artifact) -> None:
        version = self._versions.require(at.version_key)
        await self._loader.load(incarnation, artifact, at.model, version.number, version.spec)
        if self._replicas[at.replica].current is not incarnation:
            raise TransientError("LoadFailed", ENDED)

    def _tries(self) -> AsyncIterator[stamina.Attempt]:
        limits = self._limits
        return stamina.retry_context(
            on=TransientError,
            attempts=limits.load_retries + 1,
            timeout=limits.load_elapsed,
            wait_initial=limits.load_backoff,
            wait_max=limits.load_backoff_max,
            wait_jitter=limits.load_backoff,
        ).__aiter__()

    @contextlib.asynccontextmanager
    async def _turn(self, replica: ReplicaId) -> AsyncIterator[None]:
        """Few at once; one at a time while one of the loads may be what ends the server."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._turns[replica])
            if replica in self._careful:
                await stack.enter_async_context(self._alone[replica])
            yield

    async def _server(self, replica: ReplicaId) -> Incarnation:
        supervised = self._replicas.get(replica)
        if supervised is None:
            raise WaitError("ReplicaNotReady", f"server replica {replica} is gone")
        return await supervised.ready()

    async def _give_up(self, at: ModelAt, seen: _Seen, reason: str, message: str) -> Result:
        self._log.warning(
            "model could not be loaded", model=at.model, replica=str(at.replica), detail=message
        )
        supervised = self._replicas.get(at.replica)
        incarnation = supervised.current if supervised else None
        if incarnation is not None:
            await self._loader.discard(incarnation, self._versions.wire(at))
            with contextlib.suppress(*RECOVERABLE):  # what stays is laid over by the next load
                await self._loader.remove(incarnation, at.model, self._versions.number(at))
        self._artifacts.let_go(at.version_key)
        self._outcome.failed(ModelRow(at, "LoadFailed", reason, message, seen.artifact, seen.crash))
        return Result("failed", reason, message)

    def _note_end(self, at: ModelAt, task: asyncio.Task[Result]) -> None:
        if self._tasks.get(at) is task:
            del self._tasks[at]
        self._under_way[at.replica] -= 1
        if not self._under_way[at.replica]:
            del self._under_way[at.replica]
            self._careful.discard(at.replica)
        if not task.cancelled() and task.exception() is not None:
            self._log.critical("a load ended in an error", model=at.model, exc_info=task.exception())


async def _ends(incarnation: Incarnation, within: float) -> bool:
    """A connection breaks a moment before the end of its process is noticed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await incarnation.process.wait()
    return not incarnation.process.running

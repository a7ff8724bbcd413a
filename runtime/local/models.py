"""Model replicas: loaded with retries, loaded again after a crash, unloaded with grace, judged anew.

One task per model replica at a time. A replica that shall be there is on record before anything is
done about it, so that a crash at any point leaves something to converge to. Which models go where is
a plan's business; when routes move is the proxy's.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial

import stamina
import structlog

from placement.inventory import ReplicaId
from runtime.local.artifacts import Artifacts
from runtime.local.limits import LocalLimits
from runtime.local.loading import Loader
from runtime.local.record import Record
from runtime.local.rows import ModelAt, ModelRow
from runtime.local.servers import Incarnation
from runtime.local.supervisor import SupervisedReplica
from runtime.local.versions import VersionKey, Versions
from runtime.operations import LoadModel, Result
from runtime.ports import Artifact
from runtime.state import LiveModelReplica
from schemas.errors import InputError, MoorageError, StopError, TransientError, WaitError
from schemas.resource import key

Logger = structlog.stdlib.BoundLogger

DONE = Result("done")
_RECHECK_CAP = 32  # recheck pauses grow as 1, 2, 4, … up to this


def version_key(at: ModelAt) -> VersionKey:
    """The version that a model replica is of."""
    return (at.namespace, at.model, at.version)


class Models:
    """All model replicas of one machine. ``serving`` are those that answer right now."""

    def __init__(
        self,
        record: Record,
        versions: Versions,
        artifacts: Artifacts,
        loader: Loader,
        replicas: Mapping[ReplicaId, SupervisedReplica],
        limits: LocalLimits,
        changed: Callable[[], None],
        logger: Logger,
    ) -> None:
        self.serving: set[ModelAt] = set()
        self._record = record
        self._versions = versions
        self._artifacts = artifacts
        self._loader = loader
        self._replicas = replicas
        self._limits = limits
        self._changed = changed
        self._log = logger
        self._loads: dict[ModelAt, asyncio.Task[Result]] = {}
        self._turns: defaultdict[ReplicaId, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.loads_at_once)
        )
        self._alone: defaultdict[ReplicaId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._careful: set[ReplicaId] = set()
        self._rechecks: dict[ModelAt, int] = {}

    def observe(self) -> tuple[LiveModelReplica, ...]:
        """Every model replica on record, by (namespace, model, version, replica)."""
        return tuple(live_model(row, self._versions) for row in self._record.models.in_order())

    async def load(self, operation: LoadModel) -> Result:
        """Load one version on one replica, or join the load that is under way."""
        at = ModelAt(operation.namespace, operation.model, operation.version, operation.replica)
        replica = self._replicas.get(at.replica)
        if replica is None or replica.state in ("Lost", "Draining"):
            return Result("failed", "ReplicaNotReady", f"server replica {at.replica} is not Ready")
        if at in self.serving:
            return DONE
        with self._record.together():
            self._versions.enter(version_key(at), operation.spec)
            self._record.models.put(ModelRow(at, "Loading"))
        self._changed()
        task = self._begin(at)
        await asyncio.wait({task})  # a caller who goes away leaves the load running
        if task.cancelled():
            return Result("failed", "LoadCancelled", f"model {at.model} was unloaded while it was loading")
        return task.result()

    def restrict(self, at: ModelAt) -> bool:
        """No more requests for ``at``: it is on its way out. False where it served nobody."""
        row = self._record.models.get(at)
        if row is not None and row.state != "LoadFailed":
            self._record.models.put(replace(row, state="Unloading"))
        served = at in self.serving
        self.serving.discard(at)
        return served

    async def stop_loading(self, at: ModelAt) -> None:
        """End a load that is under way."""
        task = self._loads.pop(at, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def take_out(self, at: ModelAt) -> None:
        """Unload ``at`` where a server runs, remove its files and forget it."""
        replica = self._replicas.get(at.replica)
        version = self._versions.find(version_key(at))
        row = self._record.models.get(at)
        if replica is not None and replica.current is not None and version is not None:
            incarnation = replica.current
            if row is not None and row.state != "LoadFailed":
                await self._unload(incarnation, at, version.number)
            await self._loader.remove(incarnation, at.model, version.number)
        self._drop(at)

    def free(self, replica: ReplicaId) -> None:
        """Forget everything that was on a replica that is gone."""
        with self._record.together():
            for row in self._record.models_on(replica):
                self._drop(row.at)

    def forget(self, namespace: str, model: str) -> None:
        """Drop a model's versions, unless one is still loaded: then with the last of them."""
        if key("Model", namespace, model) in self._record.resources.rows:
            return
        if not any((at.namespace, at.model) == (namespace, model) for at in self._record.models.rows):
            self._versions.forget(namespace, model)

    def bring_back(self, replica: ReplicaId) -> None:
        """A fresh incarnation is Ready: load what the record says, judge failed loads anew."""
        for row in self._record.models_on(replica):
            if row.state == "Unloading" or (row.state == "LoadFailed" and not row.crashed):
                self._drop(row.at)
            elif row.state != "LoadFailed":
                self._begin(row.at)

    def interrupt(self, replica: ReplicaId) -> None:
        """The server has ended: nothing on it answers, what was loaded will be loaded again."""
        with self._record.together():
            for row in self._record.models_on(replica):
                self.serving.discard(row.at)
                if row.state == "Loaded":
                    self._record.models.put(replace(row, state="Loading"))

    async def take_over(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        """Find out what an adopted server holds; load what is missing, unload what is not on record."""
        names = await self._held(incarnation)
        for row in self._record.models_on(replica):
            version = self._versions.find(version_key(row.at))
            name = f"{row.at.model}_{version.number}" if version else ""
            here = name in names
            names.discard(name)
            if row.state == "Unloading":
                await self.take_out(row.at)
            elif row.state == "Loaded" and here:
                self.serving.add(row.at)
            elif row.state != "LoadFailed":
                self._record.models.put(replace(row, state="Loading"))
                self._begin(row.at)
        for name in sorted(names):
            await self._loader.discard(incarnation, name)
        self._changed()

    async def carry(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        """Load on ``incarnation`` everything that is loaded on ``replica``; raises what a load raises."""
        carried: set[ModelAt] = set()
        while missing := [
            row.at
            for row in self._record.models_on(replica)
            if row.state == "Loaded" and row.at not in carried
        ]:
            ends = await asyncio.gather(
                *(self._carry(at, incarnation) for at in missing), return_exceptions=True
            )
            for error in ends:
                if error is not None:
                    raise error
            carried.update(missing)

    def judge_anew(self, replica: ReplicaId) -> None:
        """Another template runs: what failed on the old one may load on this one."""
        for row in self._record.models_on(replica):
            if row.state == "LoadFailed":
                self._drop(row.at)

    async def recheck(self) -> None:
        """For ever: where the artifact of a failed load has changed since, forget the failure."""
        while True:
            await asyncio.sleep(self._limits.recheck)
            failed = [row for row in self._record.models.in_order() if row.state == "LoadFailed"]
            self._rechecks = {row.at: self._rechecks.get(row.at, 0) + 1 for row in failed}
            for row in failed:
                if _is_due(self._rechecks[row.at]) and await self._has_changed(row):
                    self._drop(row.at)

    async def halt(self) -> None:
        """Stop all loads; the record says what is missing."""
        for at in list(self._loads):
            await self.stop_loading(at)

    async def _held(self, incarnation: Incarnation) -> set[str]:
        try:
            return set(await incarnation.client.loaded())
        except TransientError as error:
            self._log.warning("an adopted server does not say what it holds", detail=error.message)
            return set()

    def _begin(self, at: ModelAt) -> asyncio.Task[Result]:
        task = self._loads.get(at)
        if task is None:
            task = self._loads[at] = asyncio.create_task(self._bring(at))
            task.add_done_callback(partial(self._note_done, at))
        return task

    def _note_done(self, at: ModelAt, task: asyncio.Task[Result]) -> None:
        if self._loads.get(at) is task:
            del self._loads[at]
        if not task.cancelled() and task.exception() is not None:
            self._log.critical("a load ended in an error", model=at.model, exc_info=task.exception())
        if not any(other.replica == at.replica for other in self._loads):
            self._careful.discard(at.replica)

    async def _bring(self, at: ModelAt) -> Result:
        row = ModelRow(at, "LoadFailed")
        try:
            async for attempt in self._tries():
                with attempt:
                    async with self._turn(at.replica):
                        row = replace(row, judged_on="", crashed=False)
                        artifact = await self._artifacts.get(version_key(at))
                        row = replace(row, judged_on=artifact.digest)
                        incarnation = await self._server(at.replica)
                        row = replace(row, crashed=not await self._try(at, incarnation, artifact))
                        if row.crashed:
                            raise TransientError("LoadFailed", "the server ended while the model was loading")
        except WaitError as error:
            self._drop(at)
            return Result("failed", error.reason, error.message)
        except StopError:
            raise
        except MoorageError as error:
            return await self._give_up(row, error)
        return DONE

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
        """Loads on one replica are few at once; one at a time while one of them may be ending the server."""
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

    async def _try(self, at: ModelAt, incarnation: Incarnation, artifact: Artifact) -> bool:
        """One try; False where the server ended meanwhile, raises where the load failed."""
        version = self._versions.find(version_key(at))
        assert version is not None
        try:
            await self._loader.load(incarnation, artifact, at.model, version.number, version.spec)
        except TransientError:
            if await _ends(incarnation, self._limits.poll * 4):
                self._careful.add(at.replica)
                return False
            raise
        if self._replicas[at.replica].current is not incarnation:
            return False
        self._accept(at, artifact.digest)
        return True

    def _accept(self, at: ModelAt, digest: str) -> None:
        with self._record.together():
            if not self._versions.bind(version_key(at), digest):
                raise TransientError("LoadFailed", "another artifact of this version was loaded meanwhile")
            self._record.models.put(ModelRow(at, "Loaded"))
        self._artifacts.let_go(version_key(at))
        self.serving.add(at)
        self._log.info("model is loaded", model=at.model, replica=str(at.replica))
        self._changed()

    async def _give_up(self, row: ModelRow, error: MoorageError) -> Result:
        reason = error.reason if isinstance(error, InputError) else "LoadFailed"
        at = row.at
        self._log.warning(
            "model could not be loaded", model=at.model, replica=str(at.replica), detail=error.message
        )
        version = self._versions.find(version_key(at))
        replica = self._replicas.get(at.replica)
        if version is not None and replica is not None and replica.current is not None:
            await self._loader.discard(replica.current, f"{at.model}_{version.number}")
            await self._loader.remove(replica.current, at.model, version.number)
        self._artifacts.let_go(version_key(at))
        if at in self._record.models.rows:  # not freed meanwhile by the loss of the replica
            self._record.models.put(replace(row, reason=reason, message=error.message))
        self._changed()
        return Result("failed", reason, error.message)

    async def _unload(self, incarnation: Incarnation, at: ModelAt, number: int) -> None:
        limits = self._limits
        async for attempt in stamina.retry_context(
            on=TransientError,
            attempts=limits.unload_retries + 1,
            timeout=limits.unload_elapsed,
            wait_initial=limits.load_backoff,
            wait_max=limits.load_backoff_max,
            wait_jitter=limits.load_backoff,
        ):
            with attempt:
                if incarnation.process.running:
                    await incarnation.client.unload(f"{at.model}_{number}")

    async def _carry(self, at: ModelAt, incarnation: Incarnation) -> None:
        version = self._versions.find(version_key(at))
        assert version is not None
        async for attempt in self._tries():
            with attempt:
                async with self._turn(at.replica):
                    artifact = await self._artifacts.get(version_key(at))
                    await self._loader.load(incarnation, artifact, at.model, version.number, version.spec)

    async def _has_changed(self, row: ModelRow) -> bool:
        try:
            return await self._artifacts.digest_now(version_key(row.at)) != row.judged_on
        except MoorageError as error:
            if isinstance(error, StopError):
                raise
            return False

    def _drop(self, at: ModelAt) -> None:
        self.serving.discard(at)
        self._rechecks.pop(at, None)
        self._record.models.drop(at)
        self.forget(at.namespace, at.model)
        self._changed()


def live_model(row: ModelRow, versions: Versions) -> LiveModelReplica:
    """A row as live state."""
    at = row.at
    version = versions.find(version_key(at))
    assert version is not None, at
    return LiveModelReplica(
        at.namespace,
        at.model,
        at.version,
        version.number,
        at.replica,
        version.spec.memory or 0,
        row.state,
        row.reason,
        row.message,
    )


async def _ends(incarnation: Incarnation, within: float) -> bool:
    """A connection breaks a moment before the end of its process is noticed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await incarnation.process.wait()
    return not incarnation.process.running


def _is_due(count: int) -> bool:
    return count & (count - 1) == 0 or count % _RECHECK_CAP == 0

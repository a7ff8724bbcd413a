"""Model replicas: what is on record of them, what serves, and what repair does about the difference.

A replica that shall be there is on record before anything is done about it, so that a crash at any
point leaves something to converge to. Which models go where is a plan's business; how a load goes is
told in :mod:`runtime.local.loads`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import stamina
import structlog

from placement.inventory import ReplicaId
from runtime.local.artifacts import Artifacts
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.loading import ENDED, Loader
from runtime.local.loads import Loads
from runtime.local.proxy import Proxy
from runtime.local.record import Record
from runtime.local.rows import ModelAt, ModelRow
from runtime.local.servers import Incarnation
from runtime.local.supervisor import SupervisedReplica
from runtime.local.versions import Versions
from runtime.operations import LoadModel, Result
from runtime.state import LiveModelReplica
from schemas.errors import TransientError, WaitError
from schemas.resource import key

Logger = structlog.stdlib.BoundLogger

_RECHECK_CAP = 32  # recheck pauses grow as 1, 2, 4, … up to this


class Models:
    """All model replicas of one machine. ``serving`` are those that answer right now.

    ``changed`` is called when live state changes.
    """

    def __init__(
        self,
        record: Record,
        versions: Versions,
        artifacts: Artifacts,
        loader: Loader,
        replicas: Mapping[ReplicaId, SupervisedReplica],
        limits: LocalLimits,
        changed: Callable[[], None],
        proxy: Proxy,
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
        self._proxy = proxy
        self._log = logger
        self._loads = Loads(versions, artifacts, loader, replicas, self, limits, logger)
        self._repaired: set[ModelAt] = set()
        self._rechecks: dict[ModelAt, int] = {}
        self._observed: tuple[tuple[ModelRow, ...], tuple[LiveModelReplica, ...]] = ((), ())

    def observe(self) -> tuple[LiveModelReplica, ...]:
        """Every model replica on record, by (namespace, model, version, replica)."""
        rows = self._record.models.in_order()
        if rows is not self._observed[0]:  # the record gives the same tuple until something changes
            # Rows are the same values while they say the same; so is what is made of them, with its digest.
            known = dict(zip(map(id, self._observed[0]), self._observed[1], strict=True))
            made = tuple(known.get(id(row)) or live_model(row, self._versions) for row in rows)
            self._observed = (rows, made)
        return self._observed[1]

    async def load(self, operation: LoadModel) -> Result:
        """Load one version on one replica, or join the load that is under way."""
        at = ModelAt(operation.namespace, operation.model, operation.version, operation.replica)
        supervised = self._replicas.get(at.replica)
        if supervised is None or supervised.state in ("Lost", "Draining"):
            return Result("failed", "ReplicaNotReady", f"server replica {at.replica} is not Ready")
        if at in self.serving:
            return Result("done")
        with self._record.together():
            self._versions.enter(at.version_key, operation.spec)
            self._record.models.put(ModelRow(at, "Loading"))
        self._changed()
        return await self._end_of_load(at)

    async def arrival(self, at: ModelAt) -> Result:
        """How the load of ``at`` ends that repair has under way; done where nothing is to be waited for."""
        row = self._record.models.get(at)
        return await self._end_of_load(at) if row is not None and row.state == "Loading" else Result("done")

    async def stop_loading(self, at: ModelAt) -> None:
        """End a load that is under way."""
        await self._loads.end(at)

    def restrict(self, at: ModelAt) -> bool:
        """No more requests for ``at``: it is on its way out. False where it cannot have had any."""
        row = self._record.models.get(at)
        if row is None or row.state in ("Loading", "LoadFailed"):
            return False
        self._record.models.put(replace(row, state="Unloading"))
        self.serving.discard(at)
        return True

    async def take_out(self, at: ModelAt) -> None:
        """Unload ``at`` where a server runs, remove its files and forget it."""
        supervised = self._replicas.get(at.replica)
        row = self._record.models.get(at)
        if row is not None and supervised is not None and supervised.current is not None:
            incarnation = supervised.current
            if row.state != "LoadFailed":
                await self._unload(incarnation, self._versions.wire(at))
            await self._loader.remove(incarnation, at.model, self._versions.number(at))
        self.dropped(at)

    def free(self, replica: ReplicaId) -> None:
        """Forget everything that was on a replica that is gone."""
        with self._record.together():
            for row in self._record.models_on(replica):
                self.dropped(row.at)

    def forget(self, namespace: str, model: str) -> None:
        """Drop a model's versions, unless one is still loaded: then with the last of them."""
        if key("Model", namespace, model) in self._record.resources.rows:
            return
        if not any((at.namespace, at.model) == (namespace, model) for at in self._record.models.rows):
            self._versions.forget(namespace, model)

    def interrupt(self, replica: ReplicaId) -> None:
        """The server has ended: nothing on it answers, what was loaded will be loaded again."""
        with self._record.together():
            for row in self._record.models_on(replica):
                self.serving.discard(row.at)
                if row.state == "Loaded":
                    self._record.models.put(replace(row, state="Loading"))

    def bring_back(self, replica: ReplicaId) -> None:
        """A fresh incarnation is Ready: load what the record says, judge failed loads anew."""
        for row in self._record.models_on(replica):
            if row.state == "Unloading" or (row.state == "LoadFailed" and not row.crashed):
                self.dropped(row.at)
            elif row.state != "LoadFailed":
                self._repair(row.at)

    async def take_over(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        """Find out what an adopted server holds; load what is missing, unload what is not on record."""
        names = await self._held(incarnation)
        for row in self._record.models_on(replica):
            name = self._versions.wire(row.at)
            here = name in names
            names.discard(name)
            if row.state == "Loaded" and here:
                self.serving.add(row.at)
            elif row.state in ("Loaded", "Loading"):
                self._record.models.put(replace(row, state="Loading"))
                self._repair(row.at)
        for name in sorted(names):
            await self._loader.discard(incarnation, name)
        self._changed()

    async def carry(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        """Load on ``incarnation`` everything that is loaded on ``replica``; raises what a load raises."""
        carried: set[ModelAt] = set()
        while missing := self._loaded_on(replica) - carried:
            loads = (self._loads.carry(at, incarnation) for at in sorted(missing))
            for error in await asyncio.gather(*loads, return_exceptions=True):
                if error is not None:
                    raise error
            carried |= missing
        for at in sorted(carried - self._record.models.rows.keys()):  # unloaded meanwhile
            await self._loader.discard(incarnation, self._versions.wire(at))

    def judge_anew(self, replica: ReplicaId) -> None:
        """Another template runs: what failed on the old one may load on this one."""
        for row in self._record.models_on(replica):
            if row.state == "LoadFailed":
                self.dropped(row.at)

    async def recheck(self) -> None:
        """For ever: where the artifact of a failed load has changed since, forget the failure."""
        while True:
            await asyncio.sleep(self._limits.recheck)
            failed = [row for row in self._record.models.in_order() if row.state == "LoadFailed"]
            self._rechecks = {row.at: self._rechecks.get(row.at, 0) + 1 for row in failed}
            for row in failed:
                if _is_due(self._rechecks[row.at]) and await self._has_changed(row):
                    self.dropped(row.at)

    async def halt(self) -> None:
        """Stop all loads; the record says what is missing."""
        await self._loads.end_all()

    # the outcome of loads: see runtime.local.loads.Outcome

    def require_wanted(self, at: ModelAt) -> None:
        """WaitError where the replica was lost, and its models with it."""
        if at not in self._record.models.rows:
            raise WaitError("ReplicaNotReady", f"server replica {at.replica} was lost meanwhile")

    def loaded(self, at: ModelAt, digest: str) -> None:
        """Bind the version and let the replica serve."""
        self.require_wanted(at)
        if not self._versions.bind(at.version_key, digest):
            raise TransientError("LoadFailed", "another artifact of this version was loaded meanwhile")
        self.serving.add(at)

    async def announce(self, at: ModelAt) -> None:
        """Write the replica down as Loaded. What is repaired has its routes already, so it waits for them:
        live state must not say that a model is back before it can be reached."""
        if at in self._repaired:
            await self._proxy.caught_up()
        if at not in self.serving:
            raise TransientError("LoadFailed", ENDED)
        self._repaired.discard(at)
        self._record.models.put(ModelRow(at, "Loaded"))
        self._proxy.touch()
        self._changed()

    def failed(self, row: ModelRow) -> None:
        """Write the failure down, unless the replica was lost meanwhile."""
        if row.at in self._record.models.rows:
            self._record.models.put(row)
        self._changed()

    def dropped(self, at: ModelAt) -> None:
        """Forget a model replica, and its model's versions where nothing else needs them."""
        self.serving.discard(at)
        self._repaired.discard(at)
        self._rechecks.pop(at, None)
        self._record.models.drop(at)
        self.forget(at.namespace, at.model)
        self._changed()

    async def _end_of_load(self, at: ModelAt) -> Result:
        task = self._loads.begin(at)
        await asyncio.wait({task})  # a caller who goes away leaves the load running
        if task.cancelled():
            return Result("failed", "LoadCancelled", f"model {at.model} was unloaded while it was loading")
        return task.result()

    def _repair(self, at: ModelAt) -> None:
        self._repaired.add(at)
        self._loads.begin(at)

    def _loaded_on(self, replica: ReplicaId) -> set[ModelAt]:
        return {row.at for row in self._record.models_on(replica) if row.state == "Loaded"}

    async def _held(self, incarnation: Incarnation) -> set[str]:
        try:
            return set(await incarnation.client.loaded())
        except TransientError as error:
            self._log.warning("an adopted server does not say what it holds", detail=error.message)
            return set()

    async def _unload(self, incarnation: Incarnation, name: str) -> None:
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
                    await incarnation.client.unload(name)

    async def _has_changed(self, row: ModelRow) -> bool:
        """A version that is bound is only helped by the artifact it was bound to."""
        try:
            now = await self._artifacts.digest_now(row.at.version_key)
        except RECOVERABLE:
            return False
        if row.reason == "ArtifactChanged":
            return now == self._versions.require(row.at.version_key).artifact
        return now != row.judged_on


def live_model(row: ModelRow, versions: Versions) -> LiveModelReplica:
    """A row as live state."""
    at = row.at
    version = versions.require(at.version_key)
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


def _is_due(count: int) -> bool:
    return count & (count - 1) == 0 or count % _RECHECK_CAP == 0

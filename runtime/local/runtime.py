"""The one-machine runtime: operations in, processes and routes out, live state back.

It ties record, servers, models and gateway together and decides nothing that a plan decides: what it
does by itself is repair, which restores what was executed. Ports, pids and paths stop here; people ask
for them with :meth:`LocalRuntime.processes`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from placement.inventory import ReplicaId
from runtime.local.artifacts import Artifacts
from runtime.local.ending import end_strays, find_strays
from runtime.local.limits import LocalLimits
from runtime.local.loading import Loader
from runtime.local.lock import StateLock
from runtime.local.logs import bound
from runtime.local.models import Models
from runtime.local.proxy import Proxy, gateway_log
from runtime.local.record import Record
from runtime.local.rows import ModelAt, ProcessRow, ServerRow
from runtime.local.servers import Incarnation, Launcher, server_log
from runtime.local.supervisor import SupervisedReplica
from runtime.local.versions import Versions
from runtime.operations import (
    ForgetResource,
    LoadModel,
    Operation,
    RecordResource,
    ReplaceServerReplica,
    Result,
    SetRoutes,
    StartServerReplica,
    StopServerReplica,
    UnloadModel,
)
from runtime.ports import ArtifactStore, Endpoint, Gateway, ServerProgram
from runtime.routes import Target
from runtime.state import AppliedResource, LiveState
from schemas.errors import MoorageError, StopError
from schemas.resource import ResourceKey
from schemas.template import ServerTemplate

Logger = structlog.stdlib.BoundLogger
StopMode = Literal["stop", "leave"]

DONE = Result("done")
_LOG_PAUSE = 30.0  # seconds between two looks at the size of the logs


@dataclass(frozen=True)
class ProcessFacts:
    """One running process, for people: ``name`` is ``gateway`` or ``namespace/server/index``."""

    name: str
    pid: int
    endpoint: Endpoint | None
    log: Path


class LocalRuntime:
    """A ``Runtime`` on one machine, below one state folder.

    Use: :meth:`start`, then the protocol, then :meth:`stop`. ``programs`` are by ServerConfig name,
    ``listeners`` give the gateway's port per namespace.
    """

    def __init__(
        self,
        folder: Path,
        programs: Mapping[str, ServerProgram],
        artifacts: ArtifactStore,
        gateway: Gateway,
        listeners: Mapping[str, int],
        limits: LocalLimits | None = None,
        logger: Logger | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._programs = dict(programs)
        self._store = artifacts
        self._gateway = gateway
        self._listeners = dict(listeners)
        self._limits = limits or LocalLimits()
        self._log: Logger = logger or structlog.get_logger("runtime.local")
        self._hints: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: defaultdict[ReplicaId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._replicas: dict[ReplicaId, SupervisedReplica] = {}
        self._broken: BaseException | None = None

    async def start(self) -> None:
        """Take the state folder, adopt what still runs, start what else the record wants.

        StopError ``StateLocked`` where another controller holds the folder.
        """
        self._lock = StateLock(self._folder)
        try:
            self._record = Record(self._folder)
        except BaseException:
            self._lock.release()
            raise
        self._assemble()
        try:
            await self._take_up()
        except BaseException:
            await self.stop("leave")
            raise

    async def stop(self, mode: StopMode) -> None:
        """End supervision; ``stop`` drains and ends every process, ``leave`` lets Ready ones run on."""
        await asyncio.gather(*(replica.halt() for replica in self._replicas.values()))
        await self._models.halt()
        if mode == "stop":
            await self._drain()
        await self._cancel_tasks()
        if mode == "stop":
            await self._proxy.end()
            await asyncio.gather(*(replica.end() for replica in self._replicas.values()))
        else:
            self._proxy.leave()
            for replica in self._replicas.values():
                replica.leave()
        self._record.close()
        self._lock.release()

    async def observe(self) -> LiveState:
        """The live state now. StopError where supervision has broken down."""
        self._require_whole()
        return LiveState(
            self._record.resources.in_order(),
            tuple(self._replicas[replica].observe() for replica in sorted(self._replicas)),
            self._models.observe(),
            self._record.routes.in_order(),
            {name: program.facts() for name, program in sorted(self._programs.items())},
        )

    async def apply(self, operation: Operation) -> Result:
        """Do one operation; a failure is a result, except for StopError."""
        self._require_whole()
        try:
            return await self._apply(operation)
        except StopError:
            raise
        except MoorageError as error:
            return Result("failed", error.reason, error.message)

    async def changes(self) -> AsyncIterator[None]:
        """Yields when the live state may have changed; several changes may give one hint."""
        hint = asyncio.Event()
        self._hints.add(hint)
        try:
            while True:
                await hint.wait()
                hint.clear()
                yield
        finally:
            self._hints.discard(hint)

    def processes(self) -> tuple[ProcessFacts, ...]:
        """The running processes, gateway first, then by server replica."""
        facts = [_facts("gateway", self._proxy.row, gateway_log(self._folder))]
        for identity in sorted(self._replicas):
            current = self._replicas[identity].current
            row = current.row if current else None
            facts.append(_facts(str(identity), row, server_log(self._folder, identity)))
        return tuple(fact for fact in facts if fact is not None)

    # events of replicas: see runtime.local.supervisor.ReplicaEvents

    def came_up(self, replica: ReplicaId) -> None:
        """A fresh incarnation: load what the record says."""
        self._models.bring_back(replica)

    def went_down(self, replica: ReplicaId) -> None:
        """Routes go around it until it is back."""
        self._models.interrupt(replica)

    def was_lost(self, replica: ReplicaId) -> None:
        """Only now are its models free to go elsewhere."""
        self._models.free(replica)

    def changed(self) -> None:
        """Publish what serves, and hint at it."""
        self._proxy.touch()
        for hint in self._hints:
            hint.set()

    def _assemble(self) -> None:
        self._proxy = Proxy(
            self._folder, self._record, self._gateway, self._listeners, self._limits, self._log
        )
        self._proxy.serve_from(self._serving, self._wire)
        self._versions = Versions(self._record)
        self._launcher = Launcher(self._folder, self._record, self._programs, self._limits)
        self._models = Models(
            self._record,
            self._versions,
            Artifacts(self._versions, self._store),
            Loader(self._launcher, self._limits),
            self._replicas,
            self._limits,
            self.changed,
            self._log,
        )

    async def _take_up(self) -> None:
        """Adopt, learn what is loaded, route, and only then end what is left over and start the rest."""
        adopted = self._adopt()
        strays = await find_strays(self._record, self._adopted_tokens(adopted))
        await asyncio.gather(*(self._take_over(replica, held) for replica, held in adopted.items()))
        for task in self._proxy.start():
            self._watch(task)
        await self._settle_first()
        await end_strays(self._record, strays, self._limits)
        for row in self._record.servers.in_order():
            if row.stopping:
                self._forget_replica(row.id)
            elif row.id not in adopted:
                self._supervise(row)
        self._watch(asyncio.create_task(self._models.recheck()))
        self._watch(asyncio.create_task(self._bound_logs()))

    def _adopt(self) -> dict[ReplicaId, Incarnation]:
        self._proxy.adopt()
        found: dict[ReplicaId, Incarnation] = {}
        for row in self._record.processes.in_order():
            wanted = self._record.servers.get(row.server.replica) if row.server else None
            if row.current and wanted is not None and not wanted.stopping:
                incarnation = self._launcher.adopt(row)
                if incarnation is not None:
                    found[wanted.id] = incarnation
        return found

    def _adopted_tokens(self, adopted: Mapping[ReplicaId, Incarnation]) -> frozenset[str]:
        rows = [self._proxy.row, *(incarnation.row for incarnation in adopted.values())]
        return frozenset(row.token for row in rows if row is not None)

    async def _take_over(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        row = self._record.servers.get(replica)
        assert row is not None
        self._supervise(row, incarnation)
        await self._models.take_over(replica, incarnation)

    async def _settle_first(self) -> None:
        """A gateway that does not take its routes is no reason not to start: it is told again later."""
        try:
            await self._proxy.settle()
        except MoorageError as error:
            if isinstance(error, StopError):
                raise
            self._log.error("the gateway does not take its routes", reason=error.reason, detail=error.message)

    async def _apply(self, operation: Operation) -> Result:
        match operation:
            case RecordResource(resource, owner):
                self._record.resources.put(AppliedResource(resource, owner))
            case ForgetResource(key):
                self._forget(key)
            case StartServerReplica(replica, template):
                async with self._busy[replica]:
                    return await self._start_replica(replica, template)
            case ReplaceServerReplica(replica, template):
                async with self._busy[replica]:
                    return await self._replace_replica(replica, template)
            case StopServerReplica(replica):
                async with self._busy[replica]:
                    await self._stop_replica(replica)
            case LoadModel():
                return await self._models.load(operation)
            case UnloadModel(namespace, model, version, replica):
                await self._unload(ModelAt(namespace, model, version, replica))
            case SetRoutes():
                await self._set_routes(operation)
        return DONE

    def _forget(self, key: ResourceKey) -> None:
        with self._record.together():
            self._record.resources.drop(key)
            if key.kind == "Model":
                self._models.forget(key.namespace, key.name)

    async def _start_replica(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        supervised = self._replicas.get(replica)
        if supervised is None:
            row = ServerRow(replica, template, capabilities=self._launcher.offers(template))
            supervised = self._supervise(self._record.servers.put(row))
        elif supervised.current is None:
            supervised.want(template)
        elif supervised.current.template != template:
            message = f"server replica {replica} runs from another template; replace it"
            return Result("failed", "Orphaned", message)
        return await supervised.outcome()

    async def _replace_replica(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        supervised = self._replicas.get(replica)
        if supervised is None or supervised.current is None:
            return await self._start_replica(replica, template)
        if supervised.current.template == template:
            return await supervised.outcome()
        old = await supervised.replace(template, lambda new: self._models.carry(replica, new))
        if old is None:
            return await supervised.outcome()
        self._models.judge_anew(replica)
        await self._proxy.settle()
        await asyncio.sleep(self._limits.unload_grace)
        await self._launcher.end(old)
        await asyncio.to_thread(self._launcher.clear, old)
        return DONE

    async def _stop_replica(self, replica: ReplicaId) -> None:
        supervised = self._replicas.get(replica)
        if supervised is None:
            return
        self._record.servers.put(replace(supervised.row, stopping=True))
        await supervised.drain()
        for row in self._record.models_on(replica):
            await self._models.stop_loading(row.at)
        await self._proxy.settle()
        if any(at.replica == replica for at in self._models.serving):
            await asyncio.sleep(self._limits.unload_grace)
        await supervised.end()
        del self._replicas[replica]
        self._forget_replica(replica)

    def _forget_replica(self, replica: ReplicaId) -> None:
        with self._record.together():
            self._models.free(replica)
            self._record.servers.drop(replica)
        self._launcher.clear_all(replica)
        self.changed()

    async def _unload(self, at: ModelAt) -> None:
        """The route should be gone already; where it is not, the gateway leaves the replica out first."""
        await self._models.stop_loading(at)
        if at not in self._record.models.rows:
            return
        if self._models.restrict(at):
            self.changed()
            await self._proxy.settle()
            await asyncio.sleep(self._limits.unload_grace)
        await self._models.take_out(at)

    async def _set_routes(self, operation: SetRoutes) -> None:
        with self._record.together():
            for route in operation.set:
                self._record.routes.put(route)
            for name in operation.delete:
                self._record.routes.drop(name)
        await self._proxy.settle()

    def _supervise(self, row: ServerRow, incarnation: Incarnation | None = None) -> SupervisedReplica:
        supervised = SupervisedReplica(row, self._launcher, self._record, self._limits, self, self._log)
        self._replicas[row.id] = supervised
        self._watch(supervised.start(incarnation))
        return supervised

    def _serving(self, namespace: str, target: Target, replica: ReplicaId) -> Endpoint | None:
        supervised = self._replicas.get(replica)
        at = ModelAt(namespace, target.model, target.version, replica)
        if supervised is None or supervised.current is None or supervised.state != "Ready":
            return None
        return supervised.current.endpoint if at in self._models.serving else None

    def _wire(self, namespace: str, target: Target) -> str:
        version = self._versions.require((namespace, target.model, target.version))
        return f"{target.model}_{version.number}"

    def _watch(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """Supervision ends by being cancelled; anything else is a reason to stop, told at the next call."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._log.critical("supervision has broken down", exc_info=self._broken)
            self.changed()

    def _require_whole(self) -> None:
        if self._broken is not None:
            raise StopError("SupervisionFailed", str(self._broken)) from self._broken

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_PAUSE)
            for facts in self.processes():
                await asyncio.to_thread(bound, facts.log, self._limits.log_bytes)

    async def _drain(self) -> None:
        """No new requests, a grace for those under way."""
        try:
            await self._proxy.close_routes()
        except MoorageError as error:
            self._log.warning("the gateway keeps its routes", reason=error.reason, detail=error.message)
        else:
            await asyncio.sleep(self._limits.unload_grace)

    async def _cancel_tasks(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _facts(name: str, row: ProcessRow | None, log: Path) -> ProcessFacts | None:
    return ProcessFacts(name, row.pid, row.server.endpoint if row.server else None, log) if row else None

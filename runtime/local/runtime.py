"""The one-machine runtime: operations in, processes and routes out, live state back.

It ties record, servers, models and gateway together and decides nothing that a plan decides: what it
does by itself is repair, which restores what was executed. Ports, pids and paths stop here; people ask
for them with :meth:`LocalRuntime.processes`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from placement.inventory import ReplicaId
from runtime.local.artifacts import Artifacts
from runtime.local.ending import end_strays, find_strays
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.loading import Loader
from runtime.local.lock import StateLock
from runtime.local.logs import bound
from runtime.local.models import Models
from runtime.local.proxy import Proxy, gateway_log
from runtime.local.record import Record
from runtime.local.replicas import Replicas
from runtime.local.rows import ModelAt, ProcessRow
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
from runtime.routes import Route, Target
from runtime.state import AppliedResource, LiveState
from schemas.errors import StopError
from schemas.resource import ResourceKey

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
        self._leaving: dict[ModelAt, asyncio.Task[None]] = {}
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
        await self._replicas.halt()
        await self._models.halt()
        await self._cancel_tasks()
        if mode == "stop":
            await self._proxy.end()
            await self._replicas.end()
            await end_strays(self._record, await find_strays(self._record), self._limits)
        else:
            self._proxy.leave()
            self._replicas.leave()
        await self._proxy.close()
        self._record.close()
        self._lock.release()

    async def observe(self) -> LiveState:
        """The live state now. StopError where supervision has broken down."""
        self._require_whole()
        return LiveState(
            self._record.resources.in_order(),
            tuple(entry.observe() for _, entry in sorted(self._replicas.supervised.items())),
            self._models.observe(),
            self._record.routes.in_order(),
            {name: program.facts() for name, program in sorted(self._programs.items())},
        )

    async def apply(self, operation: Operation) -> Result:
        """Do one operation; a failure is a result, except for StopError."""
        self._require_whole()
        try:
            return await self._apply(operation)
        except RECOVERABLE as error:
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
        for identity, supervised in sorted(self._replicas.supervised.items()):
            current = supervised.current
            row = current.row if current else None
            facts.append(_facts(str(identity), row, server_log(self._folder, identity)))
        return tuple(fact for fact in facts if fact is not None)

    def _assemble(self) -> None:
        supervised: dict[ReplicaId, SupervisedReplica] = {}
        record, limits, log = self._record, self._limits, self._log
        self._versions = Versions(record)
        self._proxy = Proxy(self._folder, record, self._gateway, self._listeners, limits, log)
        self._proxy.serve_from(self._serving, self._wire)
        launcher = Launcher(self._folder, record, self._programs, limits)
        self._models = Models(
            record,
            self._versions,
            Artifacts(self._versions, self._store),
            Loader(launcher, limits),
            supervised,
            limits,
            self._hint,
            self._proxy,
            log,
        )
        self._replicas = Replicas(
            supervised, record, launcher, self._models, self._proxy, limits, self._hint, self._watch, log
        )

    async def _take_up(self) -> None:
        """Adopt, learn what is loaded, route, and only then end what is left over and start the rest."""
        self._proxy.adopt()
        adopted = self._replicas.adopt()
        strays = await find_strays(self._record, self._tokens(adopted.values()))
        await asyncio.gather(*(self._replicas.take_over(*entry) for entry in adopted.items()))
        for task in self._proxy.start():
            self._watch(task)
        await self._settle_first()
        await end_strays(self._record, strays, self._limits)
        for row in self._record.servers.in_order():
            if row.stopping:
                self._replicas.forget(row.id)
            elif row.id not in adopted:
                self._replicas.bring_up(row)
        self._finish_unloads(sorted(adopted))
        self._watch(asyncio.create_task(self._models.recheck()))
        self._watch(asyncio.create_task(self._bound_logs()))

    def _tokens(self, adopted: Iterable[Incarnation]) -> frozenset[str]:
        gateway = {self._proxy.row.token} if self._proxy.row else set()
        return frozenset(gateway | {incarnation.token for incarnation in adopted})

    async def _settle_first(self) -> None:
        """A gateway that does not take its routes is no reason not to start: it is told again later."""
        try:
            await self._proxy.settle()
        except RECOVERABLE as error:
            self._log.error("the gateway does not take its routes", reason=error.reason, detail=error.message)

    async def _apply(self, operation: Operation) -> Result:
        match operation:
            case RecordResource(resource, owner):
                self._record.resources.put(AppliedResource(resource, owner))
            case ForgetResource(key):
                self._forget(key)
            case StartServerReplica(replica, template):
                return await self._replicas.start(replica, template)
            case ReplaceServerReplica(replica, template):
                return await self._replicas.replace(replica, template)
            case StopServerReplica(replica):
                await self._replicas.stop(replica)
            case LoadModel():
                await self._left(operation)
                return await self._models.load(operation)
            case UnloadModel(namespace, model, version, replica):
                await self._left(operation)
                await self._unload(ModelAt(namespace, model, version, replica))
            case SetRoutes():
                return await self._set_routes(operation)
        return DONE

    def _forget(self, key: ResourceKey) -> None:
        with self._record.together():
            self._record.resources.drop(key)
            if key.kind == "Model":
                self._models.forget(key.namespace, key.name)

    async def _unload(self, at: ModelAt) -> None:
        """The route should be gone already; where it is not, the gateway leaves the replica out first."""
        await self._models.stop_loading(at)
        if self._models.restrict(at):
            await self._proxy.settle()
            await asyncio.sleep(self._limits.unload_grace)
        await self._models.take_out(at)

    def _finish_unloads(self, adopted: Iterable[ReplicaId]) -> None:
        """What the last controller had begun to unload goes; whoever wants it again waits until it has."""
        for replica in adopted:
            for row in self._record.models_on(replica):
                if row.state == "Unloading":
                    task = self._leaving[row.at] = asyncio.create_task(self._finish_unload(row.at))
                    self._watch(task)

    async def _finish_unload(self, at: ModelAt) -> None:
        """What cannot be finished is left to the next plan."""
        try:
            await self._unload(at)
        except RECOVERABLE as error:
            self._log.warning("model not unloaded", reason=error.reason, detail=error.message)
        finally:
            del self._leaving[at]

    async def _left(self, operation: LoadModel | UnloadModel) -> None:
        """Return once no unload of that model replica is left over from the last controller."""
        at = ModelAt(operation.namespace, operation.model, operation.version, operation.replica)
        if at in self._leaving:
            await asyncio.wait({self._leaving[at]})

    async def _set_routes(self, operation: SetRoutes) -> Result:
        """What a route newly leads to and repair is still loading is waited for, as a plan's own loads are."""
        for route in operation.set:
            led_to = _members(self._record.routes.get((route.namespace, route.name)))
            for at in sorted(_members(route) - led_to):
                result = await self._models.arrival(at)
                if result.status == "failed":
                    return result
        with self._record.together():
            for route in operation.set:
                self._record.routes.put(route)
            for name in operation.delete:
                self._record.routes.drop(name)
        await self._proxy.settle()
        return DONE

    def _serving(self, namespace: str, target: Target, replica: ReplicaId) -> Endpoint | None:
        supervised = self._replicas.supervised.get(replica)
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
            self._hint()

    def _hint(self) -> None:
        for hint in self._hints:
            hint.set()

    def _require_whole(self) -> None:
        if self._broken is not None:
            raise StopError("SupervisionFailed", str(self._broken)) from self._broken

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_PAUSE)
            for facts in self.processes():
                try:
                    await asyncio.to_thread(bound, facts.log, self._limits.log_bytes)
                except OSError as error:
                    self._log.warning("log not set aside", file=str(facts.log), detail=error.strerror)

    async def _cancel_tasks(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _members(route: Route | None) -> frozenset[ModelAt]:
    """Every model replica that a route leads to, the mirror's too."""
    if route is None:
        return frozenset()
    targets = [weighted.target for weighted in route.targets]
    if route.mirror is not None:
        targets.append(route.mirror.target)
    return frozenset(ModelAt(route.namespace, t.model, t.version, r) for t in targets for r in t.replicas)


def _facts(name: str, row: ProcessRow | None, log: Path) -> ProcessFacts | None:
    return ProcessFacts(name, row.pid, row.server.endpoint if row.server else None, log) if row else None

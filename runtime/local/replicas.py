"""The server replicas of one machine: started, replaced, stopped, adopted.

Each is supervised on its own (:mod:`runtime.local.supervisor`); here is what happens to one because
somebody asked, and what its coming and going means for models and routes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import structlog

from placement.inventory import ReplicaId
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.models import Models
from runtime.local.proxy import Proxy
from runtime.local.record import Record
from runtime.local.rows import ServerRow
from runtime.local.servers import Incarnation, Launcher
from runtime.local.supervisor import SupervisedReplica
from runtime.operations import Result
from schemas.template import ServerTemplate

Logger = structlog.stdlib.BoundLogger

DONE = Result("done")


class Replicas:
    """Everything that runs or shall run, in ``supervised``. ``watch`` is given every supervising task."""

    def __init__(
        self,
        supervised: dict[ReplicaId, SupervisedReplica],
        record: Record,
        launcher: Launcher,
        models: Models,
        proxy: Proxy,
        limits: LocalLimits,
        changed: Callable[[], None],
        watch: Callable[[asyncio.Task[None]], None],
        logger: Logger,
    ) -> None:
        self.supervised = supervised
        self.changed = changed
        self._record = record
        self._launcher = launcher
        self._models = models
        self._proxy = proxy
        self._limits = limits
        self._watch = watch
        self._log = logger
        self._busy: defaultdict[ReplicaId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        """Done once Ready; failed where it runs from another template or cannot be started."""
        async with self._busy[replica]:
            return await self._start(replica, template)

    async def replace(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        """A new incarnation beside the old one, filled, routed; then the old one ends."""
        async with self._busy[replica]:
            supervised = self.supervised.get(replica)
            if supervised is None or supervised.current is None:
                return await self._start(replica, template)
            if supervised.current.template == template:
                return await supervised.outcome()
            old = await supervised.replace(template, lambda new: self._models.carry(replica, new))
            if old is None:
                return await supervised.outcome()
            self._models.judge_anew(replica)
            retiring = asyncio.create_task(self._retire(old))
            self._watch(retiring)
            await self._proxy.settle()
            await asyncio.wait({retiring})
            return DONE

    async def stop(self, replica: ReplicaId) -> None:
        """No more requests, the grace, the end. Absent is no error."""
        async with self._busy[replica]:
            supervised = self.supervised.get(replica)
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
            del self.supervised[replica]
            self.forget(replica)

    def forget(self, replica: ReplicaId) -> None:
        """Take a replica that has ended off the record and the disk."""
        with self._record.together():
            self._models.free(replica)
            self._record.servers.drop(replica)
        self._launcher.clear_all(replica)
        self.changed()

    def adopt(self) -> dict[ReplicaId, Incarnation]:
        """The incarnations on record that run and are wanted; nothing is done to them."""
        found: dict[ReplicaId, Incarnation] = {}
        for row in self._record.processes.in_order():
            wanted = self._record.servers.get(row.server.replica) if row.server else None
            if row.current and wanted is not None and not wanted.stopping:
                incarnation = self._launcher.adopt(row)
                if incarnation is not None:
                    found[wanted.id] = incarnation
        return found

    async def take_over(self, replica: ReplicaId, incarnation: Incarnation) -> None:
        """Supervise an adopted incarnation and find out what it holds."""
        self.supervise(self._record.servers.rows[replica], incarnation)
        await self._models.take_over(replica, incarnation)

    def bring_up(self, row: ServerRow) -> None:
        """Start again what the record wants and nobody runs."""
        self._models.interrupt(row.id)
        self.supervise(row)

    def supervise(self, row: ServerRow, incarnation: Incarnation | None = None) -> SupervisedReplica:
        """Begin to supervise one replica."""
        supervised = SupervisedReplica(row, self._launcher, self._record, self._limits, self, self._log)
        self.supervised[row.id] = supervised
        self._watch(supervised.start(incarnation))
        return supervised

    async def halt(self) -> None:
        """Stop supervising; what is Ready runs on."""
        await asyncio.gather(*(supervised.halt() for supervised in self.supervised.values()))

    async def end(self) -> None:
        """End every incarnation, after :meth:`halt`."""
        await asyncio.gather(*(supervised.end() for supervised in self.supervised.values()))

    def leave(self) -> None:
        """Let every incarnation run on unwatched, after :meth:`halt`."""
        for supervised in self.supervised.values():
            supervised.leave()

    # what happens to replicas by itself: see runtime.local.supervisor.ReplicaEvents

    def came_up(self, replica: ReplicaId) -> None:
        """A fresh incarnation: load what the record says."""
        self._models.bring_back(replica)

    def went_down(self, replica: ReplicaId) -> None:
        """Routes go around it until it is back."""
        self._models.interrupt(replica)
        self._proxy.touch()

    def was_lost(self, replica: ReplicaId) -> None:
        """Only now are its models free to go elsewhere."""
        self._models.free(replica)

    async def _start(self, replica: ReplicaId, template: ServerTemplate) -> Result:
        supervised = self.supervised.get(replica)
        if supervised is None:
            row = ServerRow(replica, template, capabilities=self._launcher.offers(template))
            supervised = self.supervise(self._record.servers.put(row))
        elif supervised.current is None:
            supervised.want(template)
        elif supervised.current.template != template:
            message = f"server replica {replica} runs from another template; replace it"
            return Result("failed", "Orphaned", message)
        return await supervised.outcome()

    async def _retire(self, old: Incarnation) -> None:
        """End the old incarnation once no route leads to it, however long the gateway takes for that."""
        while True:
            try:
                await self._proxy.settle()
            except RECOVERABLE as error:
                self._log.warning("an old server is kept", reason=error.reason, detail=error.message)
                await asyncio.sleep(self._limits.restart_backoff)
            else:
                break
        await asyncio.sleep(self._limits.unload_grace)
        await self._launcher.end(old)
        await asyncio.to_thread(self._launcher.clear, old)

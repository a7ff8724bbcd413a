"""The gateway as a supervised process, and the table it is given.

The table is worked out anew from the recorded routes and from what serves; whoever changes one of the
two touches the proxy, which is all that repair of routes takes. How the gateway is told is its own
business, behind the port.
"""

import asyncio
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from runtime.local.backoff import Backoff
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.processes import Process, ProcessIdentity, adopt, spawn, sweep
from runtime.local.record import Record
from runtime.local.rows import ProcessRow
from runtime.local.table import Serving, WireName, gateway_table
from runtime.ports import Gateway, GatewayTable
from schemas.errors import MoorageError

Logger = structlog.stdlib.BoundLogger


def gateway_log(state: Path) -> Path:
    """The log of the gateway process started last; the one before is beside it with ``.1``."""
    return state / "gateway" / "gateway.log"


class Proxy:
    """Keeps the gateway running and its table right."""

    def __init__(
        self,
        state: Path,
        record: Record,
        gateway: Gateway,
        listeners: Mapping[str, int],
        limits: LocalLimits,
        logger: Logger,
    ) -> None:
        self._state = state
        self._record = record
        self._gateway = gateway
        self._listeners = dict(listeners)
        self._limits = limits
        self._log = logger
        self._serving: Serving = lambda *_: None
        self._wire: WireName = lambda _, target: target.model
        self._process: Process | None = None
        self._row: ProcessRow | None = None
        self._started_at = 0.0
        first = limits.restart_backoff / 10  # a gateway that is away serves nobody: look again sooner
        self._backoff = Backoff(first, limits.restart_backoff_max, limits.stable)
        self._table: GatewayTable | None = None
        self._version = 0
        self._unreachable: set[str] = set()
        self._publishing = asyncio.Lock()
        self._touched = asyncio.Event()
        self._caught_up = asyncio.Event()

    @property
    def row(self) -> ProcessRow | None:
        """The running process, as it is recorded."""
        return self._row

    def serve_from(self, serving: Serving, wire: WireName) -> None:
        """Say where versions answer and what they are called; before :meth:`start`."""
        self._serving, self._wire = serving, wire

    def adopt(self) -> None:
        """Take over the gateway process on record, if it still runs."""
        for row in self._record.processes.in_order():
            if row.server is None and self._process is None:
                self._process = adopt(ProcessIdentity(row.pid, row.started, row.token))
                self._row = row if self._process else None

    def start(self) -> list[asyncio.Task[None]]:
        """Start the gateway unless it was adopted, and keep it so; the tasks only end in an error.

        Raises what :meth:`Gateway.command` raises: a port in use is a reason not to start at all.
        """
        if self._process is None:
            self._spawn()
        return [asyncio.create_task(self._run()), asyncio.create_task(self._republish())]

    def touch(self) -> None:
        """What serves has changed: publish soon."""
        self._touched.set()

    async def caught_up(self) -> None:
        """Return once what serves now is routed, or could not be: one publication for all who wait."""
        caught_up = self._caught_up
        self.touch()
        await caught_up.wait()

    async def settle(self) -> None:
        """Publish what is right now and return once the gateway routes by it."""
        await self._gateway.settled(await self._publish())

    async def end(self) -> None:
        """Accept nothing more, let requests under way finish, end the process."""
        try:
            await self._gateway.drain()
        except RECOVERABLE as error:
            self._log.warning("gateway not drained", reason=error.reason, detail=error.message)
        if self._process is not None:
            await self._process.end(self._limits.end_grace)
            self._forget()

    async def close(self) -> None:
        """Nothing more is published."""
        await self._gateway.close()

    def leave(self) -> None:
        """Let the process run on unwatched."""
        if self._process is not None:
            self._process.leave()

    async def _publish(self) -> int:
        async with self._publishing:
            routes = self._record.routes.in_order()
            self._tell_unreachable({route.namespace for route in routes} - self._listeners.keys())
            table = gateway_table(self._listeners, routes, self._serving, self._wire)
            if table != self._table:
                self._version = await self._gateway.publish(table)
                self._table = table
            return self._version

    def _tell_unreachable(self, namespaces: set[str]) -> None:
        """Once per namespace."""
        for namespace in sorted(namespaces - self._unreachable):
            self._log.warning("the gateway has no listener for a namespace with routes", namespace=namespace)
        self._unreachable = namespaces

    async def _republish(self) -> None:
        while True:
            await self._touched.wait()
            await asyncio.sleep(self._limits.poll)  # what changes together is told together
            self._touched.clear()
            caught_up, self._caught_up = self._caught_up, asyncio.Event()
            try:
                await self.settle()
            except RECOVERABLE as error:
                self._log.warning("routes not published", reason=error.reason, detail=error.message)
                await asyncio.sleep(self._limits.restart_backoff)
                self._touched.set()
            finally:
                caught_up.set()

    async def _run(self) -> None:
        while True:
            if self._process is None and not self._respawn():
                await asyncio.sleep(self._backoff.pause())
                continue
            assert self._process is not None
            await self._process.wait()
            await self._note_end(self._process)

    async def _note_end(self, process: Process) -> None:
        self._backoff.ran(asyncio.get_running_loop().time() - self._started_at)
        self._log.warning("gateway ended", exit_code=process.exit_code)
        await sweep(process.identity.token)
        self._forget()
        await asyncio.sleep(self._backoff.pause())

    def _respawn(self) -> bool:
        """Start the gateway again; False where that failed. A port that is taken now may be free soon."""
        try:
            self._spawn()
        except MoorageError as error:
            if error.reason == "RecordFailed":
                raise
            self._log.error("gateway did not start", reason=error.reason, detail=error.message)
            return False
        return True

    def _spawn(self) -> None:
        argv = self._gateway.command()
        row = self._record.processes.put(ProcessRow(secrets.token_hex(16)))
        env = {"PATH": os.environ.get("PATH", os.defpath)}
        log = gateway_log(self._state)
        try:
            self._process = spawn(argv, env, self._state, log, self._record.state, row.token)
        except BaseException:
            self._record.processes.drop(row.token)
            raise
        identity = self._process.identity
        self._row = self._record.processes.put(replace(row, pid=identity.pid, started=identity.started))
        self._started_at = asyncio.get_running_loop().time()
        self._table = None  # a new process is told everything
        self.touch()

    def _forget(self) -> None:
        if self._row is not None:
            self._record.processes.drop(self._row.token)
        self._process = self._row = None

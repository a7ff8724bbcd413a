"""One incarnation of a server replica: prepared, started on fresh ports, live, and ended again.

The record knows of a process before it is spawned, so that none is lost in a crash. How often to try,
and what to load afterwards, is decided elsewhere.
"""

import asyncio
import contextlib
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from placement.inventory import ReplicaId
from runtime.capabilities import offered
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.logs import last_line
from runtime.local.processes import Process, ProcessIdentity, adopt, spawn
from runtime.local.record import Record
from runtime.local.rows import IncarnationRow, ProcessRow
from runtime.ports import Endpoint, InferenceServer, ServerProgram
from schemas.errors import InputError, MoorageError, TransientError
from schemas.template import ServerTemplate

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Incarnation:
    """A running server process and how to talk to it. ``folder`` holds its settings and models."""

    process: Process
    token: str
    started_with: IncarnationRow
    folder: Path
    client: InferenceServer

    @property
    def row(self) -> ProcessRow:
        """How it stands on record while it serves."""
        identity = self.process.identity
        return ProcessRow(self.token, self.started_with, pid=identity.pid, started=identity.started)

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return self.started_with.endpoint

    @property
    def template(self) -> ServerTemplate:
        """What it was started from."""
        return self.started_with.template


def replica_folder(state: Path, replica: ReplicaId) -> Path:
    """Everything on disk that belongs to a server replica."""
    return state / "servers" / replica.namespace / replica.server / str(replica.index)


def server_log(state: Path, replica: ReplicaId) -> Path:
    """The log of the incarnation started last; the one before is beside it with ``.1``."""
    return replica_folder(state, replica) / "server.log"


class Launcher:
    """Starts and ends incarnations below one state folder."""

    def __init__(
        self, state: Path, record: Record, programs: Mapping[str, ServerProgram], limits: LocalLimits
    ) -> None:
        self._state = state
        self._record = record
        self._programs = programs
        self._limits = limits
        self._ports: set[int] = set()

    def program(self, server_config: str) -> ServerProgram:
        """The program of a ServerConfig; InputError ``NoServerBinary`` where this machine has none."""
        program = self._programs.get(server_config)
        if program is None:
            raise InputError(
                "NoServerBinary", f"this machine has no program for ServerConfig {server_config!r}"
            )
        facts = program.facts()
        if not facts.runnable:
            raise InputError(facts.reason or "NoServerBinary", facts.message)
        return program

    def offers(self, template: ServerTemplate) -> tuple[str, ...]:
        """The capabilities that a server of ``template`` has here, sorted; none where it cannot run."""
        program = self._programs.get(template.server_config)
        return offered(template.capabilities, program.facts())[0] if program else ()

    async def launch(
        self, replica: ReplicaId, template: ServerTemplate, generation: int, *, current: bool
    ) -> Incarnation:
        """A new incarnation that answers its liveness probe.

        Raises errors of reason ``NoServerBinary``, ``EnvironmentFailed`` or ``ServerStartFailed``; then,
        and when cancelled, nothing of it runs any more.
        """
        program = self.program(template.server_config)
        await _prepare(program, template.server_config)
        wanted = IncarnationRow(replica, self._free_endpoint(), template, generation)
        try:
            return await self._start(program, wanted, current=current)
        finally:
            self._ports -= {wanted.endpoint.http_port, wanted.endpoint.grpc_port}

    def adopt(self, row: ProcessRow) -> Incarnation | None:
        """The incarnation that ``row`` describes, if its process still runs and its program is known."""
        program = self._programs.get(row.server.template.server_config) if row.server else None
        if program is None or row.server is None:
            return None
        process = adopt(ProcessIdentity(row.pid, row.started, row.token))
        if process is None:
            return None
        client = program.connect(row.server.endpoint)
        return Incarnation(process, row.token, row.server, self._folder(row.server), client)

    async def end(self, incarnation: Incarnation) -> None:
        """End its process and whatever that started, and forget it."""
        await incarnation.process.end(self._limits.end_grace)
        self._record.processes.drop(incarnation.token)

    def clear(self, incarnation: Incarnation) -> None:
        """Remove the folder of an incarnation that has ended."""
        shutil.rmtree(incarnation.folder, ignore_errors=True)

    def clear_others(self, incarnation: Incarnation) -> None:
        """Remove the folders of earlier incarnations of the same replica."""
        for folder in incarnation.folder.parent.iterdir():
            if folder.is_dir() and folder != incarnation.folder:
                shutil.rmtree(folder, ignore_errors=True)

    def clear_all(self, replica: ReplicaId) -> None:
        """Remove everything that is on disk for a replica that is gone."""
        shutil.rmtree(replica_folder(self._state, replica), ignore_errors=True)

    async def _start(self, program: ServerProgram, wanted: IncarnationRow, *, current: bool) -> Incarnation:
        row = self._record.processes.put(ProcessRow(secrets.token_hex(16), wanted, current))
        process: Process | None = None
        try:
            folder, log = self._folder(wanted), server_log(self._state, wanted.replica)
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            command = await asyncio.to_thread(program.command, folder, wanted.endpoint, wanted.template)
            process = spawn(command.argv, command.env, command.cwd, log, self._record.state, row.token)
            identity = process.identity
            self._record.processes.put(replace(row, pid=identity.pid, started=identity.started))
            incarnation = Incarnation(process, row.token, wanted, folder, program.connect(wanted.endpoint))
            await self._until_live(incarnation, log)
        except BaseException as error:
            if process is not None:
                await process.end(0)
            self._record.processes.drop(row.token)
            if isinstance(error, (*RECOVERABLE, OSError)):
                raise _start_failed(wanted.endpoint, error) from error
            raise
        return incarnation

    async def _until_live(self, incarnation: Incarnation, log: Path) -> None:
        try:
            async with asyncio.timeout(self._limits.start_call):
                while not await _is_live(incarnation.client):
                    _require_running(incarnation.process, log)
                    await asyncio.sleep(self._limits.poll)
        except TimeoutError as error:
            raise TransientError(
                "ServerStartFailed", f"no sign of life after {self._limits.start_call:g} s: {last_line(log)}"
            ) from error
        _require_running(incarnation.process, log)  # another process may have taken the port and answered

    def _folder(self, wanted: IncarnationRow) -> Path:
        return replica_folder(self._state, wanted.replica) / str(wanted.generation)

    def _free_endpoint(self) -> Endpoint:
        """Two ports that nobody listens on now; another process may still take them first."""
        with contextlib.ExitStack() as stack:
            ports: list[int] = []
            while len(ports) < 2:
                probe = stack.enter_context(socket.socket())
                probe.bind((LOOPBACK, 0))
                port = probe.getsockname()[1]
                if port not in self._ports:
                    ports.append(port)
            self._ports.update(ports)
            return Endpoint(LOOPBACK, ports[0], ports[1])


async def _prepare(program: ServerProgram, server_config: str) -> None:
    try:
        await program.prepare()
    except RECOVERABLE as error:
        kind = InputError if isinstance(error, InputError) else TransientError
        message = f"the environment of ServerConfig {server_config!r} could not be made: {error.message}"
        raise kind("EnvironmentFailed", message, error.hint) from error


async def _is_live(client: InferenceServer) -> bool:
    try:
        return await client.live()
    except TransientError:
        return False


def _require_running(process: Process, log: Path) -> None:
    if not process.running:
        code = "" if process.exit_code is None else f" with exit status {process.exit_code}"
        raise TransientError("ServerStartFailed", f"the server ended{code}: {last_line(log)}")


def _start_failed(endpoint: Endpoint, error: MoorageError | OSError) -> MoorageError:
    message = error.message if isinstance(error, MoorageError) else str(error)
    kind = InputError if isinstance(error, InputError) else TransientError
    return kind("ServerStartFailed", without_ports(message, endpoint))


def without_ports(message: str, endpoint: Endpoint) -> str:
    """``message`` for live state, which must not differ from one incarnation to the next."""
    for port in (endpoint.http_port, endpoint.grpc_port):
        message = message.replace(str(port), "PORT")
    return message

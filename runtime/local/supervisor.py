"""A server replica under supervision: brought up, watched, brought up again, replaced, ended.

The states are the design's: Pending until it first runs, Ready, Restarting (keeps its models), Lost
(frees them) after a bound, Draining on its way out. What is loaded on it is the business of whoever
listens to its :class:`ReplicaEvents`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

import structlog

from placement.inventory import ReplicaId, ReplicaState
from runtime.local.backoff import Backoff
from runtime.local.failures import RECOVERABLE
from runtime.local.limits import LocalLimits
from runtime.local.record import Record
from runtime.local.rows import ServerRow
from runtime.local.servers import Incarnation, Launcher
from runtime.operations import Result
from runtime.state import LiveServerReplica
from schemas.errors import InputError, MoorageError, WaitError
from schemas.template import ServerTemplate

Logger = structlog.stdlib.BoundLogger


class ReplicaEvents(Protocol):
    """What happens to a replica by itself."""

    def came_up(self, replica: ReplicaId) -> None:
        """A fresh incarnation is Ready and holds nothing."""

    def went_down(self, replica: ReplicaId) -> None:
        """The incarnation has ended; another one will follow."""

    def was_lost(self, replica: ReplicaId) -> None:
        """The replica did not come back in time."""

    def changed(self) -> None:
        """Something else about it changed."""


class SupervisedReplica:
    """One replica of one server. ``row`` is what is wanted, ``current`` the incarnation that serves."""

    def __init__(
        self,
        row: ServerRow,
        launcher: Launcher,
        record: Record,
        limits: LocalLimits,
        events: ReplicaEvents,
        logger: Logger,
    ) -> None:
        self.row = row
        self.current: Incarnation | None = None
        self.state: ReplicaState = "Restarting" if row.served else "Pending"
        self._launcher = launcher
        self._record = record
        self._limits = limits
        self._events = events
        self._log = logger.bind(replica=str(row.id))
        self._reason = ""
        self._message = ""
        self._failures = 0
        self._ready_at = 0.0
        self._backoff = Backoff(limits.restart_backoff, limits.restart_backoff_max, limits.stable)
        self._moved = asyncio.Event()
        self._nudge = asyncio.Event()
        self._switching = asyncio.Lock()
        self._losing: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, incarnation: Incarnation | None = None) -> asyncio.Task[None]:
        """Begin to supervise, an adopted incarnation or none yet; the task only ends in an error."""
        if incarnation is not None:
            self._settle_in(incarnation)
        elif self.state == "Restarting":
            self._begin_losing()
        self._task = asyncio.create_task(self._run())
        return self._task

    def observe(self) -> LiveServerReplica:
        """The replica as live state."""
        template = self.current.template if self.current else self.row.template
        reason, message = self._reason, self._message
        if template != self.row.template and not reason:
            reason, message = "Orphaned", "it runs from another template than the one on record"
        return LiveServerReplica(self.row.id, self.state, template, self.row.capabilities, reason, message)

    async def ready(self) -> Incarnation:
        """The incarnation to talk to, once there is one; WaitError where none is to be expected."""
        while self.state != "Ready" or self.current is None:
            if self.state in ("Lost", "Draining"):
                raise WaitError("ReplicaNotReady", f"server replica {self.row.id} is {self.state}")
            await self._moved.wait()
        return self.current

    async def outcome(self) -> Result:
        """How the start that is under way ends; a Lost replica is tried again at once."""
        failures = self._failures
        self._nudge.set()
        while self.state != "Ready":
            if self.state == "Lost" and self._failures != failures:
                return Result("failed", self._reason, self._message)
            if self.state == "Draining":
                return Result("failed", "ReplicaNotReady", f"server replica {self.row.id} is Draining")
            await self._moved.wait()
        return Result("done")

    def want(self, template: ServerTemplate) -> None:
        """Start the next incarnation from ``template``."""
        if template != self.row.template:
            row = replace(self.row, template=template, generation=self.row.generation + 1)
            self._put(replace(row, capabilities=self._launcher.offers(template)))

    async def replace(
        self, template: ServerTemplate, carry: Callable[[Incarnation], Awaitable[None]]
    ) -> Incarnation | None:
        """Put a new incarnation in the place of the current one once ``carry`` has filled it.

        Gives the old one, which still runs; None where none ran (then :meth:`outcome` tells the rest).
        On an error the old one serves on.
        """
        async with self._switching:
            old, before = self.current, self.row
            self.want(template)
            if old is None:
                return None
            try:
                new = await self._launcher.launch(self.row.id, template, self.row.generation, current=False)
                await self._fill(new, carry)
            except BaseException as error:
                self._put(before)
                if isinstance(error, MoorageError):
                    self._note(error)
                    self._events.changed()
                raise
            ended = self.current is not old
            self._switch(old, new)
            if ended:  # its models were taken for interrupted, and nobody else loads them again
                self._events.came_up(self.row.id)
            return old

    async def halt(self) -> None:
        """Stop supervising; what runs goes on, what is only starting is ended."""
        if self._losing is not None:
            self._losing.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def drain(self) -> None:
        """Stop supervising for good: no new requests, no restart."""
        await self.halt()
        self._move("Draining")

    async def end(self) -> None:
        """End the incarnation, after :meth:`halt` or :meth:`drain`."""
        if self.current is not None:
            incarnation, self.current = self.current, None
            await self._launcher.end(incarnation)

    def leave(self) -> None:
        """Let the incarnation run on unwatched, after :meth:`halt`."""
        if self.current is not None:
            self.current.process.leave()

    async def _run(self) -> None:
        while True:
            incarnation = self.current
            if incarnation is None:
                await self._bring_up()
                continue
            await incarnation.process.wait()
            if self.current is incarnation:
                self._note_end(incarnation)
                await self._launcher.end(incarnation)  # what the process left behind in its session
                await self._pause()

    async def _bring_up(self) -> None:
        async with self._switching:
            if self.current is not None:
                return
            try:
                incarnation = await self._launcher.launch(
                    self.row.id, self.row.template, self.row.generation, current=True
                )
            except InputError as error:
                self._failed(error, final=True)
            except RECOVERABLE as error:
                self._failed(error, final=self._failures + 1 >= self._limits.start_tries)
            else:
                await self._take_in(incarnation)
                return
        await self._pause()

    async def _take_in(self, incarnation: Incarnation) -> None:
        if incarnation.template != self.row.template:  # another one was asked for meanwhile
            await self._launcher.end(incarnation)
            return
        self._settle_in(incarnation)
        self._events.came_up(self.row.id)
        await asyncio.to_thread(self._launcher.clear_others, incarnation)

    async def _pause(self) -> None:
        self._nudge.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.pause()):
                await self._nudge.wait()

    async def _fill(self, new: Incarnation, carry: Callable[[Incarnation], Awaitable[None]]) -> None:
        try:
            await carry(new)
        except BaseException:
            await self._launcher.end(new)
            self._launcher.clear(new)
            raise

    def _switch(self, old: Incarnation, new: Incarnation) -> None:
        with self._record.together():
            self._record.processes.put(new.row)
            if old.token in self._record.processes.rows:  # it may have ended meanwhile
                self._record.processes.put(replace(old.row, current=False))
        self._settle_in(new)
        self._events.changed()

    def _settle_in(self, incarnation: Incarnation) -> None:
        self.current = incarnation
        self._ready_at = asyncio.get_running_loop().time()
        self._failures = 0
        self._reason = self._message = ""
        if self._losing is not None:
            self._losing.cancel()
        self._put(replace(self.row, served=True, capabilities=self._launcher.offers(incarnation.template)))
        self._move("Ready")
        self._log.info("server replica is ready")

    def _note_end(self, incarnation: Incarnation) -> None:
        self.current = None
        self._backoff.ran(asyncio.get_running_loop().time() - self._ready_at)
        self._log.warning("server process ended", exit_code=incarnation.process.exit_code)
        self._begin_losing()
        self._move("Restarting")
        self._events.went_down(self.row.id)

    def _begin_losing(self) -> None:
        loop = asyncio.get_running_loop()
        self._losing = loop.call_later(self._limits.restarting, self._lose)

    def _lose(self) -> None:
        if not self._reason:
            self._reason = "ServerStartFailed"
            self._message = f"the server did not come back within {self._limits.restarting:g} s"
        self._move("Lost")
        self._log.error("server replica is lost", reason=self._reason, detail=self._message)
        self._events.was_lost(self.row.id)

    def _failed(self, error: MoorageError, *, final: bool) -> None:
        self._failures += 1
        if self._reason != error.reason:
            self._log.warning("server did not start", reason=error.reason, detail=error.message)
        self._note(error)
        if self.state == "Pending" and final:
            self._lose()
        self._move(self.state)

    def _note(self, error: MoorageError) -> None:
        """The first message of a reason stays, so that live state does not change with every try."""
        if self._reason != error.reason:
            self._reason, self._message = error.reason, error.message

    def _move(self, state: ReplicaState) -> None:
        self.state = state
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self._events.changed()

    def _put(self, row: ServerRow) -> None:
        self.row = self._record.servers.put(row)

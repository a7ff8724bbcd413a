"""From one table to the next, in the order that loses no request.

Clusters are added and awaited until Envoy has them warm, then routes are switched and awaited; the
clusters that no route uses any more stay for a drain time and go with a later write. Where Envoy does
not run nobody waits: it will start with what the files say.
"""

import asyncio
from typing import Final

from runtime.gateway.admin import Admin, Sight
from runtime.gateway.files import ConfigFile
from runtime.gateway.rendering import Rendered, to_bytes
from runtime.gateway.tables import Tables, decoded
from schemas.errors import TransientError

_STEP_SECONDS: Final = 30.0  # 10,000 routes take about one


class Steps:
    """Takes Envoy from table to table, one at a time. ``drain`` is in seconds."""

    def __init__(self, tables: Tables, admin: Admin, drain: float) -> None:
        self._tables = tables
        self._admin = admin
        self._drain = drain
        self._clusters = {each["name"]: to_bytes(each) for each in decoded(tables.clusters)}
        self._unused: dict[str, float] = {}  # name → when it may go, by the clock of the event loop

    async def take(self, rendered: Rendered) -> None:
        """Write ``rendered`` and wait, step by step, until a running Envoy goes by it.

        TransientError ``GatewayRefused`` with Envoy's reason (the table before stays in force) or
        ``GatewayNotReady``.
        """
        clusters = self._still_needed() | rendered.clusters
        await self._step(self._tables.clusters, _listed(clusters))
        self._clusters = clusters
        for namespace, routes in rendered.routes.items():
            await self._step(self._tables.routes_of(namespace), routes)
        await self._step(self._tables.listeners, rendered.listeners)
        self._tables.drop_routes_except(frozenset(rendered.routes))
        self._retire(frozenset(rendered.clusters))

    def next_removal(self) -> float | None:
        """When the next unused cluster may go, by the clock of the event loop."""
        return min(self._unused.values(), default=None)

    def postpone_removal(self) -> None:
        """Try no removal for a while, after a write that failed."""
        earliest = asyncio.get_running_loop().time() + _STEP_SECONDS
        self._unused = {name: max(due, earliest) for name, due in self._unused.items()}

    async def confirm(self, seconds: float) -> bool:
        """Wait until a running Envoy goes by every file; False where it does not after ``seconds``."""
        async for sight in self._admin.sights(seconds):
            if sight is not None and self._followed(sight):
                return True
        return False

    def _followed(self, sight: Sight) -> bool:
        return not sight.warming and all(_goes_by(sight, file) for file in self._tables.files())

    def _still_needed(self) -> dict[str, bytes]:
        now = asyncio.get_running_loop().time()
        return {name: text for name, text in self._clusters.items() if self._unused.get(name, now + 1) > now}

    def _retire(self, used: frozenset[str]) -> None:
        due = asyncio.get_running_loop().time() + self._drain
        self._unused = {name: self._unused.get(name, due) for name in self._clusters if name not in used}

    async def _step(self, file: ConfigFile, resources: bytes) -> None:
        if file.written.resources == resources:
            return
        before, kept, logged = await self._admin.look(), file.written.resources, self._admin.log_size()
        await asyncio.to_thread(file.write, self._tables.next_version(), resources)
        if before is None or not before.follows(file.subject):
            return
        if not await self._accepted(file, before.refused(file.subject)):
            file.write(self._tables.next_version(), kept)  # a restarted Envoy must not start with it
            raise await self._refused(file, logged)

    async def _accepted(self, file: ConfigFile, refused_before: int) -> bool:
        """Wait until Envoy goes by ``file`` (or is gone), False where it refused it."""
        async for sight in self._admin.sights(_STEP_SECONDS):
            if sight is None or (_goes_by(sight, file) and not sight.warming):
                return True
            if sight.refused(file.subject) > refused_before:
                return False
        raise TransientError(
            "GatewayNotReady", f"Envoy took no notice of {file.path.name} for {_STEP_SECONDS:.0f} s"
        )

    async def _refused(self, file: ConfigFile, logged: int) -> TransientError:
        reason = await self._admin.refusal(logged) or "its log does not say why"
        message = f"Envoy refused {file.path.name}: {reason}"
        return TransientError("GatewayRefused", message, "the routes before stay in force")


def _goes_by(sight: Sight, file: ConfigFile) -> bool:
    return sight.version(file.subject) == str(file.written.version)


def _listed(clusters: dict[str, bytes]) -> bytes:
    return b"[%b]" % b",".join(clusters[name] for name in sorted(clusters))

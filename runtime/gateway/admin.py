"""Envoy's admin interface, asked over its Unix socket.

Configuration by files has no acknowledgement of its own. What stands in for it are statistics: the
version that Envoy goes by, and how many updates it refused. The reason of a refusal is only in its log.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from schemas.errors import TransientError

_FILTER: Final = (
    r"(\.version_text|\.update_rejected|\.update_failure|\.downstream_rq_active"
    r"|cluster_manager\.warming_clusters|listener_manager\.total_listeners_(active|warming))$"
)
_TIMEOUT_SECONDS: Final = 10.0  # its main thread is busy for half a second over 10,000 routes
_FIRST_PAUSE: Final = 0.002  # seconds; a small table is taken over in about that time
_LONGEST_PAUSE: Final = 0.05
_LOG_TAIL_BYTES: Final = 8192
_LOG_TRIES: Final = 20  # Envoy flushes its log ten times a second
_REASON_CHARACTERS: Final = 600
_REASON: Final = re.compile(
    # directly after the words, or after the text of the refused table; up to the next line of the log
    rb"(?:Filesystem config update (?:rejected|failure): (?!goo\.gle/debug)|\n: )(.+?)(?=\n\[|\Z)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Sight:
    """What Envoy says of itself at one moment: every statistic that :data:`_FILTER` lets through."""

    statistics: Mapping[str, str]

    def follows(self, subject: str) -> bool:
        """True where Envoy has such a table at all."""
        return f"{subject}.version_text" in self.statistics

    def version(self, subject: str) -> str:
        """The version of the table that Envoy goes by; empty where it has none."""
        return self.statistics.get(f"{subject}.version_text", "")

    def refused(self, subject: str) -> int:
        """How many updates of the table Envoy refused since it started."""
        return self._number(f"{subject}.update_rejected") + self._number(f"{subject}.update_failure")

    @property
    def warming(self) -> int:
        """Clusters and listeners that were accepted but do not work yet."""
        return self._number("cluster_manager.warming_clusters") + self._number(
            "listener_manager.total_listeners_warming"
        )

    @property
    def listeners(self) -> int:
        """Listeners that accept connections."""
        return self._number("listener_manager.total_listeners_active")

    @property
    def active_requests(self) -> int:
        """Requests that are being answered now, the admin's own left out."""
        names = (name for name in self.statistics if name.endswith(".downstream_rq_active"))
        return sum(self._number(name) for name in names if not name.startswith("http.admin."))

    def _number(self, name: str) -> int:
        return int(self.statistics.get(name, "0"))


class Admin:
    """A client of the admin interface at ``socket``; ``log`` is where Envoy logs to."""

    def __init__(self, socket: Path, log: Path) -> None:
        self._log = log
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket), verify=False),
            base_url="http://envoy",
            timeout=_TIMEOUT_SECONDS,
            # A kept connection could break for reasons other than Envoy's end; a new one tells them apart.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def look(self) -> Sight | None:
        """What Envoy says now; None where it does not run. TransientError where it does not answer."""
        try:
            response = await self._client.get("/stats", params={"filter": _FILTER})
        except httpx.TimeoutException as error:
            raise _no_answer() from error
        except httpx.TransportError:
            return None
        pairs = (line.partition(": ") for line in response.text.splitlines())
        return Sight({name: value.strip('"') for name, _, value in pairs})

    async def sights(self, seconds: float) -> AsyncIterator[Sight | None]:
        """What Envoy says, again and again, at first quickly, for at most ``seconds``."""
        clock, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        end = clock.time() + seconds
        while clock.time() < end:
            yield await self.look()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def stop_listening(self) -> None:
        """Accept no further connection; those that are open go on."""
        try:
            await self._client.post("/drain_listeners")
        except httpx.TransportError as error:
            raise _no_answer() from error

    def log_size(self) -> int:
        """Bytes that Envoy has logged so far."""
        return self._log.stat().st_size if self._log.exists() else 0

    async def refusal(self, since: int) -> str:
        """Envoy's reason for an update that it refused, logged after ``since`` bytes; may be empty."""
        for _ in range(_LOG_TRIES):
            if reason := _reason(self._log, since):
                break
            await asyncio.sleep(_LONGEST_PAUSE)
        return reason

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()


def _no_answer() -> TransientError:
    return TransientError("GatewayNotReady", "Envoy does not answer on its admin socket")


def _reason(log: Path, since: int) -> str:
    # Envoy logs the whole refused table before the reason, so the end of the log is what is wanted.
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            found = list(_REASON.finditer(file.read()))
    except OSError:
        return ""
    return found[-1][1].strip().decode(errors="replace")[:_REASON_CHARACTERS] if found else ""

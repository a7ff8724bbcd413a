"""All who listen to a controller, made from its configuration: metrics, notices and where they go, traces.

What is optional is imported only where it is asked for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.config import Config
from reconciler.control.signals import Signals
from reconciler.observability.board import Board, Outlet
from reconciler.observability.metrics import Metrics
from reconciler.observability.posting import Post
from reconciler.observability.settings import KafkaTopic
from schemas.errors import InputError

if TYPE_CHECKING:
    from reconciler.observability.tracing import Tracing


@dataclass(frozen=True)
class Watchers:
    """``tracing`` is None where nothing is traced."""

    metrics: Metrics
    board: Board
    tracing: "Tracing | None" = None

    @property
    def signals(self) -> tuple[Signals, ...]:
        """Whom the controller tells."""
        traced = () if self.tracing is None else (self.tracing,)
        return (self.metrics, self.board, *traced)

    async def run(self, followed: Callable[[], frozenset[str]]) -> None:
        """Take notices where they shall go, until cancelled; ``followed`` are the applications now."""
        try:
            await self.board.run(followed)
        finally:
            if self.tracing is not None:
                await self.tracing.close()


def watchers(config: Config) -> Watchers:
    """Those that ``config`` asks for. Raises InputError ``ExtraMissing``."""
    outlets: list[Outlet] = [Post(each, _now) for each in config.notifications]
    if config.events.kafka is not None:
        outlets.append(_kafka(config.events.kafka))
    ages = [each.after for each in config.notifications if "DriftOld" in each.events]
    traced = None if config.tracing.endpoint is None else _tracing(config.tracing.endpoint)
    return Watchers(Metrics(), Board(_now, outlets, ages), traced)


def _kafka(topic: KafkaTopic) -> Outlet:
    try:
        from reconciler.observability.kafka import KafkaOutlet
    except ModuleNotFoundError as error:
        raise _missing("events.kafka", "kafka") from error
    return KafkaOutlet(topic)


def _tracing(endpoint: str) -> "Tracing":
    try:
        from reconciler.observability.tracing import exporting
    except ModuleNotFoundError as error:
        raise _missing("tracing", "otel") from error
    return exporting(endpoint, time.time_ns)


def _missing(setting: str, extra: str) -> InputError:
    return InputError(
        "ExtraMissing", f"{setting} needs an optional package", f"pip install 'moorage[{extra}]'"
    )


def _now() -> datetime:
    return datetime.now(UTC)

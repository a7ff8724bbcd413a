"""How log lines look: JSON off a terminal, readable on it, always on stderr.

Lines of libraries that use the standard library's logging look the same, from warnings on.
"""

import logging
import sys

import structlog

from reconciler.cli.text import plain

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def configure_logs() -> None:
    """Set up logging for this process."""
    terminal = sys.stderr.isatty()
    last: tuple[structlog.typing.Processor, ...] = (
        (_printable, structlog.dev.ConsoleRenderer())
        if terminal
        else (structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer())
    )
    structlog.configure(
        processors=[*_SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def quiet_logs() -> None:
    """Keep what a command works with, retries of a fetch among it, out of what it answers."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Text out of manifests with its terminal sequences written out; JSON does that by itself."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in event.items()}

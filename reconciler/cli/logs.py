"""How log lines look: JSON off a terminal, readable on it, always on stderr.

Lines of libraries that use the standard library's logging look the same, from warnings on.
"""

import logging
import sys

import structlog

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
        (structlog.dev.ConsoleRenderer(),)
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

"""Following the configuration file: a new valid one is handed on, a bad one is told and left aside.

The folder is watched, not the file: editors and mounted ConfigMaps replace files. What a running
controller cannot change (ports, folders, packages) is named, so that nobody waits for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import fields, replace
from pathlib import Path

import structlog
from watchfiles import Change, awatch

from reconciler.config import Config
from reconciler.config_file import load_config
from schemas.errors import InputError

log = structlog.get_logger(__name__)

INTERVAL = 10.0
"""Seconds between two looks where the file system tells nothing."""
DEBOUNCE_MS = 200
LIVE = ("applications", "servers", "webhook_secrets")
"""Settings that a running controller takes over."""


def restart_needed(before: Config, after: Config) -> tuple[str, ...]:
    """Settings that differ and wait for a restart, sorted."""
    names = (field.name for field in fields(Config) if field.name not in LIVE)
    return tuple(sorted(name for name in names if getattr(before, name) != getattr(after, name)))


def taken_over(before: Config, after: Config) -> Config:
    """``before`` with what a running controller can take over from ``after``."""
    return replace(before, **{name: getattr(after, name) for name in LIVE})


async def configurations(file: Path, running: Config) -> AsyncIterator[Config]:
    """Every configuration that ``file`` comes to hold and that differs from ``running`` in what can be
    taken over."""
    seen = _bytes(file)
    async for _ in _changes(file):
        data = _bytes(file)
        if data == seen:
            continue
        seen = data
        following = await asyncio.to_thread(_following, file, running)
        if following != running:
            running = following
            yield running


def _following(file: Path, running: Config) -> Config:
    """What to run by from now on; a file that cannot be read, or is wrong, changes nothing."""
    try:
        wanted = load_config(file)
    except InputError as error:
        log.warning("configuration not taken over", reason=error.reason, error=error.message)
        return running
    if waiting := restart_needed(running, wanted):
        log.warning("configuration needs a restart", settings=", ".join(waiting))
    return taken_over(running, wanted)


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


async def _changes(file: Path) -> AsyncIterator[None]:
    """Yields after changes of ``file``, and every :data:`INTERVAL` seconds."""

    def counts(_: Change, path: str) -> bool:
        # A mounted ConfigMap changes by way of its link ..data.
        return Path(path).name == file.name or Path(path).name.startswith("..")

    try:
        watching = awatch(
            file.parent,
            watch_filter=counts,
            debounce=DEBOUNCE_MS,
            step=DEBOUNCE_MS,
            recursive=False,
            rust_timeout=int(1000 * INTERVAL),
            yield_on_timeout=True,
        )
        async with aclosing(watching):
            async for _ in watching:
                yield
    except (OSError, RuntimeError):  # no inotify watches to spare
        while True:
            await asyncio.sleep(INTERVAL)
            yield

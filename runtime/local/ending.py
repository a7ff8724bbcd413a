"""Ending what a state folder's controllers have started, while none of them runs."""

import asyncio
from pathlib import Path

from runtime.local.limits import LocalLimits
from runtime.local.lock import StateLock
from runtime.local.processes import carriers, sweep
from runtime.local.record import FILE, Record


async def stop_all(folder: Path, limits: LocalLimits | None = None) -> int:
    """End every process of that state folder and say how many were to be ended; what is wanted stays on record.

    StopError ``StateLocked`` while a controller runs: it is the one to ask then.
    """
    if not (folder / FILE).exists():
        return 0
    lock = StateLock(folder)
    try:
        record = Record(folder)
        try:
            strays = await find_strays(record)
            await end_strays(record, strays, limits or LocalLimits())
            return len(strays)
        finally:
            record.close()
    finally:
        lock.release()


async def find_strays(record: Record, keep: frozenset[str] = frozenset()) -> frozenset[str]:
    """Spawn tokens of this record's folder that are not in ``keep``: on record, or found running."""
    running = await asyncio.to_thread(carriers, record.state)
    return frozenset({*running.values(), *record.processes.rows} - keep)


async def end_strays(record: Record, tokens: frozenset[str], limits: LocalLimits) -> None:
    """End every process that carries one of ``tokens`` and take them off the record."""
    await asyncio.gather(*(sweep(token, limits.end_grace) for token in tokens))
    for token in tokens:
        record.processes.drop(token)

"""What waits for an outlet: bounded, so that one that does not keep up costs notices and nothing else."""

import asyncio
from collections import deque

from reconciler.observability.notices import Notice

LONGEST = 1_000
"""Notices that may wait for one outlet."""


class Backlog:
    """First come, first served; the oldest is dropped, and counted, where there are too many."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.dropped = 0
        self._waiting: deque[Notice] = deque()
        self._longest = longest
        self._came = asyncio.Event()

    def put(self, notice: Notice) -> None:
        """Have it wait. Never blocks."""
        if len(self._waiting) >= self._longest:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(notice)
        self._came.set()

    async def get(self) -> Notice:
        """The oldest, once there is one. For one taker."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()

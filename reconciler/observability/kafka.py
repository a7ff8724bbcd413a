"""Notices as records of a Kafka topic. Optional: needs the extra ``kafka``.

A broker that is away costs nothing but notices: the newest wait, the oldest are dropped and counted.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiokafka  # type: ignore[import-untyped]  # it says nothing of its types
import aiokafka.errors  # type: ignore[import-untyped]  # as above
import structlog

from reconciler.observability.backlog import Backlog
from reconciler.observability.moment import Sent
from reconciler.observability.notices import Notice
from reconciler.observability.settings import KafkaTopic
from schemas.codec import encode

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Retry:
    """Seconds between two tries, at first and at most, and seconds for one."""

    wait: float = 1.0
    most: float = 30.0
    timeout: float = 5.0


class KafkaOutlet:
    """Sends every notice to ``topic``."""

    def __init__(self, topic: KafkaTopic, retry: Retry = Retry()) -> None:
        self._topic = topic
        self._retry = retry
        self._backlog = Backlog()
        self._counts: Counter[str] = Counter()

    def tell(self, notice: Notice) -> None:
        """Take it."""
        self._backlog.put(notice)

    def sent(self) -> tuple[Sent, ...]:
        """By result."""
        counts = {**self._counts, "Dropped": self._backlog.dropped}
        return tuple(Sent("kafka", *each) for each in sorted(counts.items()))

    async def run(self) -> None:
        """Send one after the other, until cancelled; each as often as it takes until a broker has it."""
        wait, notice = self._retry.wait, None
        while True:
            try:
                async with self._producer() as send:
                    while True:
                        notice = notice or await self._backlog.get()
                        await send(notice)
                        self._counts["Sent"] += 1
                        wait, notice = self._retry.wait, None
            except (aiokafka.errors.KafkaError, TimeoutError) as error:
                self._counts["Failed"] += 1
                if wait == self._retry.wait:
                    log.warning("no broker takes events", topic=self._topic.name, error=type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(2 * wait, self._retry.most)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[Callable[[Notice], Awaitable[None]]]:
        limit = self._retry.timeout
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._topic.bootstrap,
            client_id="moorage",
            acks="all",
            request_timeout_ms=int(limit * 1000),
        )

        async def send(notice: Notice) -> None:
            key, value = record(notice)
            async with asyncio.timeout(limit):
                await producer.send_and_wait(self._topic.name, value, key=key)

        try:
            async with asyncio.timeout(limit):
                await producer.start()
            yield send
        finally:
            await _end(producer, limit)


async def _end(producer: Any, limit: float) -> None:
    """Stop a producer; what it could not send, the next one does.

    ``stop`` alone waits for ever where a topic went away with its broker, so its parts are ended then.
    """
    try:
        async with asyncio.timeout(limit):
            await producer.stop()
    except TimeoutError:
        await producer._sender.close()  # noqa: SLF001 (no public way)
        producer._message_accumulator.fail_all(aiokafka.errors.KafkaError("given up"))  # noqa: SLF001 (as above)
        await producer.client.close()


def record(notice: Notice) -> tuple[bytes, bytes]:
    """Key and value of the record: the application, and the notice as JSON with sorted keys."""
    return notice.application.encode(), json.dumps(encode(notice), sort_keys=True).encode()

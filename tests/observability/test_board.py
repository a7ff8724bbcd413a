"""The board: from signals to the log, the feed and the outlets."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from reconciler.observability.backlog import Backlog
from reconciler.observability.board import Board
from reconciler.observability.feed import Feed
from reconciler.observability.moment import Sent
from reconciler.observability.notices import Notice
from tests.observability.stories import NOON, after, plan, record, status


@dataclass
class Kept:
    """An outlet that keeps what it is told, and fails to send ``defects`` times."""

    notices: list[Notice] = field(default_factory=list)
    defects: int = 0
    running: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def run(self) -> None:
        if self.defects:
            self.defects -= 1
            raise RuntimeError("a defect")
        self.running.set()
        await asyncio.Event().wait()

    def sent(self) -> tuple[Sent, ...]:
        return (Sent("kept", "Sent", len(self.notices)),)


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def board(kept: Kept, *ages: float) -> tuple[Board, Clock]:
    clock = Clock()
    return Board(clock, [kept], ages), clock


def notice(number: int, application: str = "shop") -> Notice:
    return Notice("SyncFailed", application, after(number), "LoadFailed", str(number))


def test_a_sync_reaches_the_outlets_in_order():
    """Started, ended, and what people see then."""
    kept = Kept()
    told, _ = board(kept)
    told.sync_started("shop", plan(), "Ada")
    told.sync_ended(record("shop", "Failed"), 1.0)
    told.status_changed(None, status(health="Degraded"))
    assert [each.kind for each in kept.notices] == ["SyncStarted", "SyncFailed", "HealthDegraded"]
    assert [each.notice for each in told.feed.since(0)] == kept.notices
    assert told.sent() == (Sent("kept", "Sent", 3),)


def test_each_notice_is_a_line_in_the_log():
    """With its fields apart; what is wrong is a warning."""
    told, _ = board(Kept())
    with capture_logs() as lines:
        told.sync_ended(record("shop", "Succeeded"), 1.0)
        told.sync_ended(record("shop", "Failed", ("load a", "LoadFailed: no")), 1.0)
    assert [(line["log_level"], line["kind"], line["reason"]) for line in lines] == [
        ("info", "SyncSucceeded", "NewRevision"),
        ("warning", "SyncFailed", "LoadFailed"),
    ]
    assert {line["event"] for line in lines} == {"event"}


def test_time_alone_makes_a_drift_old():
    """Nothing else happens."""
    kept = Kept()
    told, clock = board(kept, 60)
    told.status_changed(None, status(sync="OutOfSync", mover="Git"))
    for seconds in (59, 60, 61):
        clock.now = after(seconds)
        told.look_at_drifts(frozenset({"shop"}))
    assert [(each.kind, each.at) for each in kept.notices] == [
        ("BecameOutOfSync", NOON),
        ("DriftOld", after(60)),
    ]


def test_who_is_followed_no_more_does_not_grow_old():
    """And is news when it comes back."""
    kept = Kept()
    told, clock = board(kept, 60)
    told.status_changed(None, status(sync="OutOfSync", mover="Git"))
    told.look_at_drifts(frozenset())
    clock.now = after(60)
    told.look_at_drifts(frozenset({"shop"}))
    told.status_changed(None, status(sync="OutOfSync", mover="Git", since=60))
    assert [each.kind for each in kept.notices] == ["BecameOutOfSync", "BecameOutOfSync"]


def test_a_defect_of_an_outlet_ends_nothing():
    """It is told in the log and the outlet is started again."""

    async def story():
        kept = Kept(defects=2)
        told, _ = board(kept)
        running = asyncio.create_task(told.run(frozenset, pause=0.01))
        async with asyncio.timeout(60):
            await kept.running.wait()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with capture_logs() as lines:
        asyncio.run(story())
    assert [line["event"] for line in lines] == ["an outlet failed"] * 2


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_the_feed_has_the_newest_after_an_id(kept, count, seen):
    """Ids go up by one; only the newest are kept."""
    feed = Feed(kept)
    for number in range(1, count + 1):
        feed.add(notice(number))
    ids = [entry.id for entry in feed.since(seen)]
    assert ids == [number for number in range(1, count + 1) if number > seen and number > count - kept]
    assert feed.last == count


def test_the_feed_of_one_application_leaves_out_the_others():
    """Ids stay those of the whole."""
    feed = Feed()
    for number in range(1, 5):
        feed.add(notice(number, "shop" if number % 2 else "bank"))
    assert [entry.id for entry in feed.since(0, "bank")] == [2, 4]


@given(st.integers(1, 10), st.integers(0, 30))
def test_a_backlog_drops_the_oldest(longest, count):
    """And counts them; what is left comes in order."""

    async def left() -> list[str]:
        backlog = Backlog(longest)
        for number in range(count):
            backlog.put(notice(number))
        assert backlog.dropped == max(0, count - longest)
        return [(await backlog.get()).message for _ in range(min(count, longest))]

    assert asyncio.run(left()) == [str(number) for number in range(max(0, count - longest), count)]


def test_a_taker_waits_for_what_comes():
    """An empty backlog answers once something is put."""

    async def story() -> str:
        backlog = Backlog()
        asyncio.get_running_loop().call_soon(backlog.put, notice(7))
        return (await backlog.get()).message

    assert asyncio.run(story()) == "7"

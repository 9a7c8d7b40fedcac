"""Inbox: each event is stored once and handled once, independent of other events."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing.collection.collector import CollectorEvent
from billing.collection.inbox import process_pending_events, store_event
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.outbox import PermanentFailure, RetryLater
from infra.database.database import Database, DatabaseUnavailable
from tests.support.billing.making import sql
from tests.support.stories.story import Calendar


class Handler:
    """Records handled events and raises the configured fault of an event."""

    def __init__(self) -> None:
        self.events: list[CollectorEvent] = []
        self.faults: dict[str, Callable[[], Exception]] = {}

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    async def __call__(self, event: CollectorEvent) -> str:
        self.events.append(event)
        await asyncio.sleep(0)
        if event.id in self.faults:
            raise self.faults[event.id]()
        return "done"


class Box:
    """An inbox and its clock."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Calendar()
        self.handler = Handler()

    async def keep(self, *ids: str, kind: str = "invoice.paid", **said: Any) -> None:
        for event_id in ids:
            payload = {"id": event_id, "data": {"object": {"id": "in_1", **said}}}
            async with self.database.transaction() as session:
                await store_event(
                    session, self.clock, CollectorEvent("stripe", event_id, kind, payload)
                )
            self.clock.pass_(seconds=1)

    async def handle(self) -> int:
        return await process_pending_events(self.database, self.clock, self.handler)

    async def row(self, event_id: str) -> Any:
        query = "select outcome, handled_at, attempts, due_at from inbox where id = :id"
        (row,) = await sql(self.database, query, id=event_id)
        return row


@pytest.fixture
def box(database: Database) -> Box:
    return Box(database)


async def test_repeated_event_is_stored_and_handled_once(box: Box) -> None:
    await box.keep("evt_1", "evt_1")
    assert await box.handle() == 1
    await box.keep("evt_1")
    assert await box.handle() == 0
    row = await box.row("evt_1")
    assert (row.outcome, row.attempts) == ("done", 1)
    (event,) = box.handler.events
    assert (event.collector, event.kind, event.payload["id"]) == (
        "stripe",
        "invoice.paid",
        "evt_1",
    )


async def test_events_are_handled_in_order_of_arrival(box: Box) -> None:
    await box.keep("evt_3", "evt_1", "evt_2")
    assert await box.handle() == 3
    assert box.handler.ids == ["evt_3", "evt_1", "evt_2"]


async def test_event_of_object_without_id_is_handled(box: Box) -> None:
    payload = {"data": {"object": {"object": "balance"}}}
    event = CollectorEvent("stripe", "evt_1", "balance.available", payload)
    async with box.database.transaction() as session:
        await store_event(session, box.clock, event)
    await box.handle()
    assert box.handler.events == [event]


@pytest.mark.parametrize("fault", [lambda: RetryLater("down"), DatabaseUnavailable])
async def test_all_events_wait_while_stripe_is_unavailable(
    box: Box, fault: Callable[[], Exception]
) -> None:
    """Processing stops at the first failure; the failed event is retried last."""
    await box.keep("evt_1", "evt_2")
    box.handler.faults["evt_1"] = fault
    assert await box.handle() == 0
    assert box.handler.ids == ["evt_1"]
    row = await box.row("evt_1")
    assert (row.handled_at, row.due_at) == (None, box.clock.now() + timedelta(seconds=10))
    assert await box.handle() == 1
    box.handler.faults.clear()
    box.clock.pass_(seconds=10)
    assert await box.handle() == 1
    assert box.handler.ids == ["evt_1", "evt_2", "evt_1"]


async def test_retry_delay_doubles_up_to_one_hour(box: Box) -> None:
    await box.keep("evt_1")
    box.handler.faults["evt_1"] = lambda: RetryLater("down")
    waits: list[float] = []
    for _ in range(11):
        await box.handle()
        waits.append(((await box.row("evt_1")).due_at - box.clock.now()).total_seconds())
        box.clock.pass_(seconds=waits[-1])
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@pytest.mark.parametrize(
    "fault",
    [lambda: PermanentFailure("no such invoice"), lambda: InvalidInvoiceState("it is a draft")],
)
async def test_rejected_event_is_not_retried(box: Box, fault: Callable[[], Exception]) -> None:
    await box.keep("evt_1", "evt_2")
    box.handler.faults["evt_1"] = fault
    assert await box.handle() == 2
    row = await box.row("evt_1")
    assert (row.outcome, row.handled_at) == (f"refused: {fault()}", box.clock.now())
    box.clock.pass_(days=1)
    assert await box.handle() == 0


async def test_failing_event_does_not_block_other_events(box: Box) -> None:
    await box.keep("evt_1", "evt_2")
    box.handler.faults["evt_1"] = lambda: KeyError("what was not said")
    await box.handle()
    assert box.handler.ids == ["evt_1", "evt_2"]
    row = await box.row("evt_1")
    assert (row.outcome, row.handled_at) == ("KeyError('what was not said')", None)
    box.handler.faults.clear()
    box.clock.pass_(seconds=10)
    assert await box.handle() == 1


async def test_event_of_cancelled_worker_is_handled_after_five_minutes(box: Box) -> None:
    """Another worker may handle the event after five minutes."""
    await box.keep("evt_1")

    async def ends(event: CollectorEvent) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await process_pending_events(box.database, box.clock, ends)
    assert await box.handle() == 0
    box.clock.pass_(minutes=5)
    assert await box.handle() == 1


async def test_concurrent_workers_handle_each_event_once(box: Box, database_url: str) -> None:
    await box.keep(*(f"evt_{number:02d}" for number in range(20)))
    machines = [Database(database_url, pool_size=2) for _ in range(2)]
    done = await asyncio.gather(
        *(process_pending_events(machine, box.clock, box.handler) for machine in machines)
    )
    for machine in machines:
        await machine.close()
    assert sum(done) == 20
    assert sorted(box.handler.ids) == [f"evt_{number:02d}" for number in range(20)]

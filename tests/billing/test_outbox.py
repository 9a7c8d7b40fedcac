"""The outbox: delivery once and in order, retries, and permanent failures."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.collection.stripe.client import StripeClient
from billing.outbox import (
    ClaimedItem,
    PermanentFailure,
    RetryLater,
    enqueue,
    process_due_items,
    retry_item,
)
from infra.database.database import Database, DatabaseUnavailable
from tests.support.billing.making import customer, sql
from tests.support.fakes.stripe.running import FakeStripe
from tests.support.stories.story import Calendar


class Receiver:
    """A handler that records items and raises configured errors by business key."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.attempts: list[int] = []
        self.answers: dict[str, Callable[[], Exception]] = {}

    async def __call__(self, item: ClaimedItem) -> None:
        self.keys.append(item.business_key)
        self.attempts.append(item.attempts)
        await asyncio.sleep(0)
        if item.business_key in self.answers:
            raise self.answers[item.business_key]()


@pytest.fixture
def clock() -> Calendar:
    return Calendar()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def account_id(database: Database) -> UUID:
    return (await customer(database)).account_id


class Box:
    """An outbox of one account."""

    def __init__(self, database: Database, clock: Calendar, account_id: UUID) -> None:
        self.database = database
        self.clock = clock
        self._account_id = account_id

    async def put(self, key: str, subject: str = "", action: str = "tell", **said: Any) -> None:
        place = (self.clock, self._account_id, action, subject or key, key)
        async with self.database.transaction() as session:
            await enqueue(session, *place, said)

    async def deliver(self, receiver: Receiver) -> int:
        return await process_due_items(self.database, self.clock, {"tell": receiver})

    async def row(self, key: str) -> Any:
        rows = await sql(
            self.database,
            "select id, attempts, last_error, due_at, done_at, given_up_at, payload from outbox "
            "where business_key = :key",
            key=key,
        )
        (row,) = rows
        return row


@pytest.fixture
def box(database: Database, clock: Calendar, account_id: UUID) -> Box:
    return Box(database, clock, account_id)


class TestOutboxEnqueue:
    async def test_repeated_business_key_creates_no_second_item(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a", said="first")
        await box.put("a", said="second")
        assert (await box.row("a")).payload == {"said": "first"}
        assert await box.deliver(receiver) == 1
        await box.put("a", said="third")
        assert await box.deliver(receiver) == 0
        assert receiver.keys == ["a"]


class TestDeliveryOrder:
    async def test_items_of_a_subject_are_delivered_in_order(
        self, box: Box, receiver: Receiver
    ) -> None:
        for key in ("a", "b", "c", "d", "e"):
            await box.put(key, "subject")
        assert await box.deliver(receiver) == 5
        assert receiver.keys == ["a", "b", "c", "d", "e"]

    async def test_item_to_be_retried_blocks_only_its_own_subject(
        self, box: Box, receiver: Receiver
    ) -> None:
        for key, subject in (("a", "one"), ("b", "one"), ("c", "other")):
            await box.put(key, subject)
        receiver.answers["a"] = lambda: RetryLater("not now")
        assert await box.deliver(receiver) == 1
        assert sorted(receiver.keys) == ["a", "c"]
        receiver.answers.clear()
        box.clock.pass_(seconds=10)
        assert await box.deliver(receiver) == 2
        assert receiver.keys[2:] == ["a", "b"]

    async def test_permanently_failed_item_does_not_block_its_subject(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a", "one")
        await box.put("b", "one")
        receiver.answers["a"] = lambda: PermanentFailure("never")
        assert await box.deliver(receiver) == 1
        assert receiver.keys == ["a", "b"]
        row = await box.row("a")
        assert (row.last_error, row.given_up_at, row.done_at) == ("never", box.clock.now(), None)


class TestDeliveryRetries:
    async def test_retry_delay_doubles_up_to_one_hour(self, box: Box, receiver: Receiver) -> None:
        await box.put("a")
        receiver.answers["a"] = lambda: RetryLater("not now")
        waits: list[float] = []
        for _ in range(11):
            await box.deliver(receiver)
            row = await box.row("a")
            waits.append((row.due_at - box.clock.now()).total_seconds())
            assert row.last_error == "not now"
            box.clock.pass_(seconds=waits[-1] - 1)
            assert await box.deliver(receiver) == 0
            box.clock.pass_(seconds=1)
        assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        assert receiver.attempts == list(range(1, 12))
        receiver.answers.clear()
        assert await box.deliver(receiver) == 1
        assert (await box.row("a")).last_error is None

    async def test_item_fails_permanently_after_three_days(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a")
        receiver.answers["a"] = lambda: RetryLater("not now")
        box.clock.pass_(days=3)
        await box.deliver(receiver)
        assert (await box.row("a")).given_up_at is None
        box.clock.pass_(hours=1)
        await box.deliver(receiver)
        assert (await box.row("a")).given_up_at == box.clock.now()
        box.clock.pass_(days=30)
        assert await box.deliver(receiver) == 0
        assert len(receiver.keys) == 2

    async def test_handler_exception_does_not_block_other_items(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a")
        await box.put("b")
        receiver.answers["a"] = lambda: KeyError("what was not said")
        assert await box.deliver(receiver) == 1
        row = await box.row("a")
        assert (row.last_error, row.given_up_at) == ("'what was not said'", None)
        assert row.due_at == box.clock.now() + timedelta(seconds=10)

    async def test_error_without_message_is_recorded_by_its_type(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a")
        receiver.answers["a"] = TimeoutError
        await box.deliver(receiver)
        assert (await box.row("a")).last_error == "TimeoutError"


class TestManualRetry:
    async def test_failed_item_is_delivered_again_with_the_next_attempt_number(
        self, box: Box, database: Database, receiver: Receiver
    ) -> None:
        await box.put("a")
        receiver.answers["a"] = lambda: PermanentFailure("never")
        await box.deliver(receiver)
        receiver.answers.clear()
        box.clock.pass_(days=10)
        async with database.transaction() as session:
            await retry_item(session, box.clock, (await box.row("a")).id)
        assert await box.deliver(receiver) == 1
        # It is no first attempt: the handler looks for what the others did.
        assert receiver.attempts == [1, 2]

    async def test_retried_item_has_three_more_days(
        self, box: Box, database: Database, receiver: Receiver
    ) -> None:
        await box.put("a")
        box.clock.pass_(days=4)
        receiver.answers["a"] = lambda: RetryLater("not now")
        await box.deliver(receiver)
        assert (await box.row("a")).given_up_at is not None
        async with database.transaction() as session:
            await retry_item(session, box.clock, (await box.row("a")).id)
        box.clock.pass_(days=2)
        await box.deliver(receiver)
        assert (await box.row("a")).given_up_at is None

    async def test_completed_item_is_not_delivered_again(
        self, box: Box, database: Database, receiver: Receiver
    ) -> None:
        await box.put("a")
        await box.deliver(receiver)
        async with database.transaction() as session:
            await retry_item(session, box.clock, (await box.row("a")).id)
        assert await box.deliver(receiver) == 0

    async def test_retried_item_waits_for_a_later_one_that_is_handled_now(
        self, box: Box, database: Database, receiver: Receiver
    ) -> None:
        await box.put("a", "subject")
        await box.put("b", "subject")
        receiver.answers["a"] = lambda: PermanentFailure("never")
        started: list[str] = []

        async def retry_first(item: ClaimedItem) -> None:
            started.append(item.business_key)
            if item.business_key == "b":
                async with database.transaction() as session:
                    await retry_item(session, box.clock, (await box.row("a")).id)
                assert await box.deliver(receiver) == 0
            else:
                await receiver(item)

        await process_due_items(database, box.clock, {"tell": retry_first})
        assert started == ["a", "b"]
        receiver.answers.clear()
        box.clock.pass_(minutes=5)
        assert await box.deliver(receiver) == 1
        assert receiver.keys == ["a", "a"]


class TestUnhandledActions:
    async def test_items_without_handler_are_left_unchanged(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a", action="unknown here")
        await box.put("b")
        before = await box.row("a")
        assert await box.deliver(receiver) == 1
        assert await box.row("a") == before
        assert receiver.keys == ["b"]

    async def test_items_without_handler_block_their_subject(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a", "one", action="unknown here")
        await box.put("b", "one")
        assert await box.deliver(receiver) == 0


class TestConcurrentDelivery:
    async def test_concurrent_processes_deliver_each_item_once_and_in_order(
        self, box: Box, database_url: str, receiver: Receiver
    ) -> None:
        for number in range(40):
            await box.put(f"{number:02d}", f"subject {number % 4}")
        machines = [Database(database_url, pool_size=4) for _ in range(3)]
        done = await asyncio.gather(
            *(process_due_items(machine, box.clock, {"tell": receiver}) for machine in machines)
        )
        for machine in machines:
            await machine.close()
        # One that found all subjects taken may have gone before they were free.
        assert sum(done) + await box.deliver(receiver) == 40
        assert sorted(receiver.keys) == [f"{number:02d}" for number in range(40)]
        for subject in range(4):
            of_it = [key for key in receiver.keys if int(key) % 4 == subject]
            assert of_it == sorted(of_it)

    async def test_unavailable_database_raises_database_unavailable(
        self, receiver: Receiver
    ) -> None:
        nowhere = Database("postgresql://127.0.0.1:1/nothing")
        with pytest.raises(DatabaseUnavailable):
            await process_due_items(nowhere, Calendar(), {"tell": receiver})
        await nowhere.close()


class TestDeliveryAfterCrash:
    async def test_crash_after_the_stripe_call_creates_one_customer(
        self, box: Box, database: Database, fake: FakeStripe
    ) -> None:
        """The process ends after Stripe created the customer and before the item is marked done.
        The item is repeated after its lease with the same key, and Stripe has one customer."""
        payments, attempts = StripeClient(fake.key, fake.url), []

        async def make(item: ClaimedItem) -> None:
            await payments.create_customer(item.business_key, "0" * 32, "Acme", "")
            attempts.append(item.attempts)
            if item.attempts == 1:
                raise asyncio.CancelledError

        await box.put("a")
        with pytest.raises(asyncio.CancelledError):
            await process_due_items(database, box.clock, {"tell": make})
        assert (await box.row("a")).done_at is None
        assert await process_due_items(database, box.clock, {"tell": make}) == 0
        box.clock.pass_(minutes=5)
        assert await process_due_items(database, box.clock, {"tell": make}) == 1
        assert attempts == [1, 2]
        assert len(fake.objects("customer")) == 1
        assert fake.executed("POST /v1/customers") == 1
        await payments.close()

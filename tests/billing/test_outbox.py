"""The outbox: what is done once, in which order, again when, and no more when."""

import asyncio
from collections.abc import AsyncIterator, Callable
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
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.stories.story import Calendar


class Receiver:
    """The other side: what arrived, and what it answers, by item."""

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


class TestPutting:
    async def test_the_same_key_again_changes_nothing(self, box: Box, receiver: Receiver) -> None:
        await box.put("a", said="first")
        await box.put("a", said="second")
        assert (await box.row("a")).payload == {"said": "first"}
        assert await box.deliver(receiver) == 1
        await box.put("a", said="third")
        assert await box.deliver(receiver) == 0
        assert receiver.keys == ["a"]


class TestOrder:
    async def test_items_of_a_subject_are_done_one_after_another(
        self, box: Box, receiver: Receiver
    ) -> None:
        for key in ("a", "b", "c", "d", "e"):
            await box.put(key, "subject")
        assert await box.deliver(receiver) == 5
        assert receiver.keys == ["a", "b", "c", "d", "e"]

    async def test_one_that_waits_holds_up_its_subject_and_no_other(
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

    async def test_one_that_is_given_up_does_not(self, box: Box, receiver: Receiver) -> None:
        await box.put("a", "one")
        await box.put("b", "one")
        receiver.answers["a"] = lambda: PermanentFailure("never")
        assert await box.deliver(receiver) == 1
        assert receiver.keys == ["a", "b"]
        row = await box.row("a")
        assert (row.last_error, row.given_up_at, row.done_at) == ("never", box.clock.now(), None)


class TestTryingAgain:
    async def test_waits_get_longer_up_to_an_hour(self, box: Box, receiver: Receiver) -> None:
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

    async def test_it_is_given_up_after_three_days(self, box: Box, receiver: Receiver) -> None:
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

    async def test_a_handler_that_breaks_holds_up_nobody(
        self, box: Box, receiver: Receiver
    ) -> None:
        await box.put("a")
        await box.put("b")
        receiver.answers["a"] = lambda: KeyError("what was not said")
        assert await box.deliver(receiver) == 1
        row = await box.row("a")
        assert (row.last_error, row.given_up_at) == ("'what was not said'", None)
        assert row.due_at == box.clock.now() + timedelta(seconds=10)

    async def test_an_error_without_words_is_named(self, box: Box, receiver: Receiver) -> None:
        await box.put("a")
        receiver.answers["a"] = TimeoutError
        await box.deliver(receiver)
        assert (await box.row("a")).last_error == "TimeoutError"


class TestAnOperator:
    async def test_has_it_tried_once_more(
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

    async def test_has_three_more_days(
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

    async def test_cannot_have_it_done_twice(
        self, box: Box, database: Database, receiver: Receiver
    ) -> None:
        await box.put("a")
        await box.deliver(receiver)
        async with database.transaction() as session:
            await retry_item(session, box.clock, (await box.row("a")).id)
        assert await box.deliver(receiver) == 0


class TestActions:
    async def test_those_of_others_are_left_as_they_are(self, box: Box, receiver: Receiver) -> None:
        await box.put("a", action="unknown here")
        await box.put("b")
        before = await box.row("a")
        assert await box.deliver(receiver) == 1
        assert await box.row("a") == before
        assert receiver.keys == ["b"]

    async def test_they_hold_up_their_subject(self, box: Box, receiver: Receiver) -> None:
        await box.put("a", "one", action="unknown here")
        await box.put("b", "one")
        assert await box.deliver(receiver) == 0


class TestSeveralDeliverers:
    async def test_each_item_is_done_once_and_in_order(
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

    async def test_without_a_database_it_is_said(self, receiver: Receiver) -> None:
        nowhere = Database("postgresql://127.0.0.1:1/nothing")
        with pytest.raises(DatabaseUnavailable):
            await process_due_items(nowhere, Calendar(), {"tell": receiver})
        await nowhere.close()


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeStripe]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_fake_stripe() as running:
        yield running


class TestACrash:
    async def test_between_the_call_and_its_note(
        self, box: Box, database: Database, fake: FakeStripe
    ) -> None:
        """The process ends when Stripe has made the customer and we have not noted it: the item
        is done again after its lease, under the same key, and there is one customer."""
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

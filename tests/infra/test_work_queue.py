"""Work queues on PostgreSQL: claims, repeated claims after lost leases or owners, giving up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import DateTime, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from infra.database.database import Database
from infra.work_queue import LeasedQueue, OwnedQueue, RetryPolicy

NOW = datetime(2026, 10, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)


class Tables(DeclarativeBase):
    """Metadata of the tables of these tests."""


class Item(Tables):
    __tablename__ = "work_queue_test_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=NOW)
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    owner: Mapped[UUID | None]
    error: Mapped[str | None]
    done: Mapped[bool] = mapped_column(default=False)


class LostOwner(Tables):
    __tablename__ = "work_queue_test_lost_owner"

    id: Mapped[UUID] = mapped_column(primary_key=True)


LEASED = LeasedQueue(
    table=Item,
    id=Item.id,
    attempts=Item.attempts,
    pending=Item.done.is_(False),
    order=(Item.due_at, Item.id),
    retry=RetryPolicy(timedelta(seconds=10), timedelta(minutes=1), max_attempts=3),
    due_at=Item.due_at,
    lease=LEASE,
)
OWNED = OwnedQueue(
    table=Item,
    id=Item.id,
    attempts=Item.attempts,
    pending=Item.done.is_(False),
    order=(Item.id,),
    retry=RetryPolicy(),
    owner=Item.owner,
    lost_owners=select(LostOwner.id),
    retry_at=Item.retry_at,
)


@pytest.fixture
async def queue(working: Database) -> AsyncIterator[Database]:
    """A database with the empty tables of these tests."""
    async with working.transaction() as session:
        await (await session.connection()).run_sync(Tables.metadata.create_all)
    yield working
    async with working.transaction() as session:
        await (await session.connection()).run_sync(Tables.metadata.drop_all)


async def add(database: Database, *rows: dict[str, Any]) -> None:
    async with database.transaction() as session:
        session.add_all([Item(**row) for row in rows])


async def read(database: Database, item_id: int) -> Item:
    async with database.transaction() as session:
        return await session.get_one(Item, item_id)


async def claim(database: Database, now: datetime = NOW) -> Item | None:
    async with database.transaction() as session:
        return await LEASED.claim(session, now)


async def claim_owned(database: Database, owner: UUID, now: datetime = NOW) -> Item | None:
    async with database.transaction() as session:
        return await OWNED.claim(session, now, owner)


class TestRetryPolicy:
    def test_delay_doubles_up_to_its_maximum(self) -> None:
        policy = RetryPolicy(timedelta(seconds=10), timedelta(hours=1))
        delays = [policy.delay(attempts).total_seconds() for attempts in range(1, 12)]
        assert delays == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        assert policy.delay(100_000) == timedelta(hours=1)

    def test_policy_without_delays_retries_at_once(self) -> None:
        assert RetryPolicy(max_attempts=3).delay(2) == timedelta(0)

    def test_policy_gives_up_after_the_last_attempt(self) -> None:
        policy = RetryPolicy(max_attempts=3)
        assert [policy.gives_up_after(attempts) for attempts in (1, 2, 3, 4)] == [
            False,
            False,
            True,
            True,
        ]
        assert [policy.is_exceeded_by(attempts) for attempts in (2, 3, 4)] == [False, False, True]

    def test_policy_gives_up_above_the_maximum_age(self) -> None:
        policy = RetryPolicy(max_age=timedelta(days=3))
        assert not policy.gives_up_after(1_000, timedelta(days=3))
        assert policy.gives_up_after(1, timedelta(days=3, seconds=1))

    def test_policy_without_limits_never_gives_up(self) -> None:
        policy = RetryPolicy()
        assert not policy.gives_up_after(1_000, timedelta(days=1_000))
        assert not policy.is_exceeded_by(1_000)


class TestLeasedQueue:
    async def test_due_rows_are_claimed_in_order_and_attempts_counted(
        self, queue: Database
    ) -> None:
        later, earlier = NOW, NOW - timedelta(seconds=1)
        await add(
            queue,
            {"id": 1, "due_at": later},
            {"id": 2, "due_at": later},
            {"id": 3, "due_at": earlier},
            {"id": 4, "due_at": NOW + timedelta(seconds=1)},
            {"id": 5, "due_at": earlier, "done": True},
        )
        claimed = [await claim(queue) for _ in range(4)]
        assert [item and item.id for item in claimed] == [3, 1, 2, None]
        row = await read(queue, 3)
        assert (row.attempts, row.due_at) == (1, NOW + LEASE)

    async def test_condition_restricts_the_claimed_rows(self, queue: Database) -> None:
        await add(queue, {"id": 1, "subject": "a"}, {"id": 2, "subject": "b"})
        async with queue.transaction() as session:
            item = await LEASED.claim(session, NOW, Item.subject == "b")
        assert item is not None
        assert item.id == 2

    async def test_row_that_another_transaction_claims_is_skipped(self, queue: Database) -> None:
        await add(queue, {"id": 1}, {"id": 2})
        async with queue.transaction() as session:
            first = await LEASED.claim(session, NOW)
            async with asyncio.timeout(5):
                second, third = await claim(queue), await claim(queue)
        assert [item and item.id for item in (first, second, third)] == [1, 2, None]

    async def test_concurrent_claimers_get_different_rows(self, queue: Database) -> None:
        await add(queue, *({"id": number} for number in range(60)))

        async def claim_all() -> list[int]:
            claimed = []
            while (item := await claim(queue)) is not None:
                claimed.append(item.id)
            return claimed

        claimed = await asyncio.gather(*(claim_all() for _ in range(6)))
        assert sorted(chain.from_iterable(claimed)) == list(range(60))
        assert {(await read(queue, number)).attempts for number in (0, 30, 59)} == {1}

    async def test_claim_that_is_rolled_back_changes_nothing(self, queue: Database) -> None:
        await add(queue, {"id": 1})

        async def claim_and_stop() -> None:
            async with queue.transaction() as session:
                await LEASED.claim(session, NOW)
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await claim_and_stop()
        row = await read(queue, 1)
        assert (row.attempts, row.due_at) == (0, NOW)

    async def test_row_is_claimed_again_when_its_lease_has_expired(self, queue: Database) -> None:
        await add(queue, {"id": 1})
        assert await claim(queue) is not None
        assert await claim(queue, NOW + LEASE - timedelta(seconds=1)) is None
        again = await claim(queue, NOW + LEASE)
        assert again is not None
        assert again.attempts == 2

    async def test_failed_attempt_is_repeated_after_a_delay(self, queue: Database) -> None:
        await add(queue, {"id": 1})
        now, delays = NOW, []
        for attempts in (1, 2, 3, 4, 5):
            item = await claim(queue, now)
            assert item is not None
            assert item.attempts == attempts
            async with queue.transaction() as session:
                await LEASED.record_failure(session, now, item.id, item.attempts, error="no answer")
            row = await read(queue, 1)
            delays.append((row.due_at - now).total_seconds())
            assert row.error == "no answer"
            assert await claim(queue, row.due_at - timedelta(seconds=1)) is None
            now = row.due_at
        assert delays == [10, 20, 40, 60, 60]

    async def test_row_that_is_given_up_is_not_claimed_again(self, queue: Database) -> None:
        await add(queue, {"id": 1, "attempts": 2})
        item = await claim(queue)
        assert item is not None
        assert LEASED.retry.gives_up_after(item.attempts)
        async with queue.transaction() as session:
            await LEASED.finish(session, item.id, done=True, error="gave up")
        assert await claim(queue, NOW + timedelta(days=1)) is None
        assert (await read(queue, 1)).error == "gave up"


class TestOwnedQueue:
    async def test_claim_sets_owner_attempt_and_values(self, queue: Database) -> None:
        await add(queue, {"id": 2}, {"id": 1}, {"id": 0, "done": True})
        owner = uuid4()
        async with queue.transaction() as session:
            item = await OWNED.claim(session, NOW, owner, Item.id < 2, subject="running")
        assert item is not None
        assert (item.id, item.owner, item.attempts, item.subject) == (1, owner, 1, "running")

    async def test_row_of_a_living_owner_is_not_claimed(self, queue: Database) -> None:
        await add(queue, {"id": 1})
        assert await claim_owned(queue, uuid4()) is not None
        assert await claim_owned(queue, uuid4(), NOW + timedelta(days=30)) is None

    async def test_row_of_a_lost_owner_is_claimed_again(self, queue: Database) -> None:
        lost, other = uuid4(), uuid4()
        await add(queue, {"id": 1})
        await claim_owned(queue, lost)
        async with queue.transaction() as session:
            await session.execute(insert(LostOwner).values(id=lost))
        item = await claim_owned(queue, other)
        assert item is not None
        assert (item.owner, item.attempts) == (other, 2)

    async def test_owner_claims_a_row_again_that_it_did_not_release(self, queue: Database) -> None:
        owner = uuid4()
        await add(queue, {"id": 1})
        await claim_owned(queue, owner)
        item = await claim_owned(queue, owner)
        assert item is not None
        assert item.attempts == 2

    async def test_released_row_is_claimed_when_its_delay_has_passed(self, queue: Database) -> None:
        later = NOW + timedelta(seconds=2)
        await add(queue, {"id": 1, "retry_at": later})
        assert await claim_owned(queue, uuid4()) is None
        assert await claim_owned(queue, uuid4(), later) is not None

    async def test_released_row_is_claimed_at_once_without_delays(self, queue: Database) -> None:
        await add(queue, {"id": 1, "retry_at": NOW + timedelta(seconds=2)})
        async with queue.transaction() as session:
            assert await replace(OWNED, retry_at=None).claim(session, NOW, uuid4()) is not None

    async def test_concurrent_claimers_get_different_rows(self, queue: Database) -> None:
        await add(queue, *({"id": number} for number in range(8)))
        claimed = await asyncio.gather(*(claim_owned(queue, uuid4()) for _ in range(8)))
        assert sorted(item.id for item in claimed if item is not None) == list(range(8))

    async def test_lock_finds_the_row_only_for_its_owner_while_pending(
        self, queue: Database
    ) -> None:
        owner = uuid4()
        await add(queue, {"id": 1})
        await claim_owned(queue, owner)
        async with queue.transaction() as session:
            assert await OWNED.lock_claimed(session, 1, uuid4()) is None
            assert await OWNED.lock_claimed(session, 1, owner, Item.subject == "other") is None
            row = await OWNED.lock_claimed(session, 1, owner)
            assert row is not None
            row.done = True
        async with queue.transaction() as session:
            assert await OWNED.lock_claimed(session, 1, owner) is None

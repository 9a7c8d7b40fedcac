"""Kept answers: one call has an Idempotency-Key, others are told what became of it."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import ORMExecuteState

from billing.metering.idempotency_keys import IdempotencyClaim, claim_key, store_response
from billing.metering.process_reaper import delete_expired_rows, end_process
from billing.metering.usage_log import SettledCall, StoredResponse, write_usage_batch
from billing.tables import KeptAnswer
from infra import ids
from infra.database.database import Database, driver_url
from infra.database.direct import DirectConnection
from tests.support.billing.making import CLOCK, Customer, customer, process, record, sql

EXPIRE = "update kept_answer set expires_at = now() - interval '1 second'"


def claim(of: Customer, process_id: UUID, key: str = "k") -> IdempotencyClaim:
    return IdempotencyClaim(of.account_id, key, b"hash", ids.new_id(), process_id)


async def take(database: Database, made: IdempotencyClaim) -> KeptAnswer | None:
    async with database.transaction() as session:
        return await claim_key(session, made)


async def answer(
    connection: DirectConnection, of: Customer, made: IdempotencyClaim, kept: StoredResponse
) -> None:
    row = record(of, request_id=made.request_id)
    assert await write_usage_batch(
        connection, made.process_id, [], [SettledCall(row, response=kept)]
    )


class Lost(Exception):
    """A transaction comes to nothing."""


async def until_one_waits(connection: DirectConnection) -> None:
    """Return when a statement waits for another transaction's lock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    while await connection.statement(waiting, {}) == [(0,)]:  # noqa: ASYNC110  # no event tells
        await asyncio.sleep(0.01)


class TestTake:
    async def test_the_first_has_it_and_others_see_that_it_runs(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        assert await take(database, first) is None
        holder = await take(database, claim(of, mine))
        assert holder is not None
        assert (holder.request_id, holder.status, holder.body) == (first.request_id, None, None)

    async def test_of_many_at_once_one_has_it(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        found = await asyncio.gather(*(take(database, claim(of, mine)) for _ in range(8)))
        assert found.count(None) == 1
        assert len({holder.request_id for holder in found if holder is not None}) == 1

    async def test_another_account_has_keys_of_its_own(self, database: Database) -> None:
        of, other = await customer(database), await customer(database, name="B")
        mine = await process(database)
        assert await take(database, claim(of, mine)) is None
        assert await take(database, claim(other, mine)) is None

    async def test_gives_the_answer(self, database: Database, connection: DirectConnection) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(200, "text/plain", b"\x00\xff"))
        holder = await take(database, claim(of, mine))
        assert holder is not None
        told = (holder.status, holder.content_type, holder.body, holder.request_hash)
        assert told == (200, "text/plain", b"\x00\xff", b"hash")

    async def test_an_answer_too_large_to_keep_is_told_as_such(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(200, "text/plain"))
        holder = await take(database, claim(of, mine))
        assert holder is not None
        assert (holder.status, holder.body) == (200, None)

    async def test_is_free_again_after_a_day(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(200, "text/plain", b"x"))
        kept = "select expires_at > now() + interval '23 hours' from kept_answer"
        assert await sql(database, kept) == [(True,)]
        await sql(database, EXPIRE)
        assert await take(database, claim(of, mine)) is None

    async def test_a_call_that_runs_keeps_it_for_as_long_as_it_runs(
        self, database: Database
    ) -> None:
        of, mine = await customer(database), await process(database)
        await take(database, claim(of, mine))
        await sql(database, EXPIRE)
        assert await take(database, claim(of, mine)) is not None

    async def test_waits_for_one_that_comes_to_nothing(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        waiting: list[asyncio.Task[KeptAnswer | None]] = []

        async def come_to_nothing() -> None:
            async with database.transaction() as session:
                assert await claim_key(session, claim(of, mine)) is None
                waiting.append(asyncio.create_task(take(database, claim(of, mine))))
                await until_one_waits(connection)
                raise Lost

        with pytest.raises(Lost):
            await come_to_nothing()
        assert await waiting[0] is None

    async def test_can_be_had_where_it_is_let_go_between_two_questions(
        self, database: Database, database_url: str
    ) -> None:
        """The insert finds it taken; when the holder is looked up, there is none any more."""
        of, mine = await customer(database), await process(database)
        assert await take(database, claim(of, mine)) is None
        other = create_engine(driver_url(database_url))

        asked: list[bool] = []

        def let_go(state: ORMExecuteState) -> None:
            if state.is_select and any(asked):
                with other.begin() as connection:
                    connection.execute(text("delete from kept_answer"))
            asked.append(state.is_insert)

        late = claim(of, mine)
        async with database.transaction() as session:
            event.listen(session.sync_session, "do_orm_execute", let_go)
            assert await claim_key(session, late) is None
        other.dispose()
        holders = "select request_id from kept_answer"
        assert await sql(database, holders) == [(late.request_id,)]

    async def test_many_take_it_and_let_it_go(self, database_url: str) -> None:
        database = Database(database_url, pool_size=4)
        of, mine = await customer(database), await process(database)
        holders: list[UUID] = []

        async def take_and_free() -> None:
            for _ in range(10):
                made = claim(of, mine)
                if await take(database, made) is None:
                    holders.append(made.request_id)
                    kept = await sql(database, "select request_id from kept_answer")
                    assert (holders, kept) == ([made.request_id], [(made.request_id,)])
                    holders.clear()
                    async with database.transaction() as session:
                        await session.execute(text("delete from kept_answer"))

        await asyncio.gather(*(take_and_free() for _ in range(4)))
        assert await take(database, claim(of, mine)) is None
        await database.close()


class TestChange:
    async def test_its_answer_is_kept_with_its_key(self, database: Database) -> None:
        """A change of the account's own takes the key and keeps the answer in one transaction."""
        of, mine = await customer(database), await process(database)
        first, other = claim(of, mine), claim(of, mine, "other")
        await take(database, other)
        async with database.transaction() as session:
            assert await claim_key(session, first) is None
            await store_response(session, first, b'{"id": "key_1"}')
        holder = await take(database, claim(of, mine))
        assert holder is not None
        assert (holder.request_id, holder.status) == (first.request_id, 200)
        assert (holder.content_type, holder.body) == ("application/json", b'{"id": "key_1"}')
        untouched = await take(database, claim(of, mine, "other"))
        assert untouched is not None
        assert (untouched.status, untouched.body) == (None, None)


class TestFree:
    async def test_a_call_that_came_to_nothing_frees_it_with_its_row(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(None))
        assert await take(database, claim(of, mine)) is None


class TestOver:
    async def test_what_is_expired_is_forgotten(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        old, young = claim(of, mine, "old"), claim(of, mine, "young")
        await take(database, old)
        await answer(connection, of, old, StoredResponse(200, "text/plain", b"x"))
        await sql(database, EXPIRE)
        await take(database, young)
        async with database.transaction() as session:
            await delete_expired_rows(session)
        assert await sql(database, "select idempotency_key from kept_answer") == [("young",)]

    async def test_the_running_calls_of_a_lost_process_let_go(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine, other = await customer(database), await process(database), await process(database)
        ended, running = claim(of, mine, "ended"), claim(of, mine, "running")
        await take(database, ended)
        await answer(connection, of, ended, StoredResponse(200, "text/plain", b"x"))
        await take(database, running)
        await take(database, replace(claim(of, other), idempotency_key="other"))
        async with database.transaction() as session:
            await end_process(session, mine, CLOCK.now())
        kept = "select idempotency_key from kept_answer order by 1"
        assert await sql(database, kept) == [("ended",), ("other",)]

"""Idempotency keys: claims, stored responses, release and expiry."""

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
    """Raised to roll back a transaction."""


async def until_one_waits(connection: DirectConnection) -> None:
    """Return when a statement waits for another transaction's lock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    while await connection.statement(waiting, {}) == [(0,)]:  # noqa: ASYNC110  # no event tells
        await asyncio.sleep(0.01)


class TestIdempotencyClaim:
    async def test_second_claim_returns_the_running_request(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        assert await take(database, first) is None
        holder = await take(database, claim(of, mine))
        assert holder is not None
        assert (holder.request_id, holder.status, holder.body) == (first.request_id, None, None)

    async def test_concurrent_claims_of_one_key_have_one_winner(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        found = await asyncio.gather(*(take(database, claim(of, mine)) for _ in range(8)))
        assert found.count(None) == 1
        assert len({holder.request_id for holder in found if holder is not None}) == 1

    async def test_same_key_in_another_account_is_independent(self, database: Database) -> None:
        of, other = await customer(database), await customer(database, name="B")
        mine = await process(database)
        assert await take(database, claim(of, mine)) is None
        assert await take(database, claim(other, mine)) is None

    async def test_claim_of_a_completed_request_returns_its_stored_response(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(200, "text/plain", b"\x00\xff"))
        holder = await take(database, claim(of, mine))
        assert holder is not None
        told = (holder.status, holder.content_type, holder.body, holder.request_hash)
        assert told == (200, "text/plain", b"\x00\xff", b"hash")

    async def test_response_over_size_limit_is_returned_without_body(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(200, "text/plain"))
        holder = await take(database, claim(of, mine))
        assert holder is not None
        assert (holder.status, holder.body) == (200, None)

    async def test_key_can_be_claimed_again_after_one_day(
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

    async def test_expired_claim_of_a_running_call_still_blocks(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        await take(database, claim(of, mine))
        await sql(database, EXPIRE)
        assert await take(database, claim(of, mine)) is not None

    async def test_claim_waits_for_concurrent_claim_and_succeeds_after_its_rollback(
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

    async def test_claim_succeeds_if_row_is_deleted_between_insert_and_lookup(
        self, database: Database, database_url: str
    ) -> None:
        """The insert conflicts with a row that is deleted before the lookup."""
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

    async def test_concurrent_claim_and_delete_loops_have_one_holder_at_a_time(
        self, database_url: str
    ) -> None:
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


class TestResponseStorage:
    async def test_response_is_stored_for_its_own_key_in_the_claiming_transaction(
        self, database: Database
    ) -> None:
        """A management request claims the key and stores its response in one transaction."""
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


class TestClaimRelease:
    async def test_call_without_response_status_releases_the_key(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        first = claim(of, mine)
        await take(database, first)
        await answer(connection, of, first, StoredResponse(None))
        assert await take(database, claim(of, mine)) is None


class TestClaimExpiry:
    async def test_expired_completed_claims_are_deleted(
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

    async def test_ended_process_releases_claims_of_its_running_calls(
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

"""Usage log: a batch of calls is written completely or not at all, and once."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from billing.metering.process_reaper import end_process
from billing.metering.usage_log import (
    SettledCall,
    StoredResponse,
    find_billed_calls,
    write_usage_batch,
)
from billing.tables import QuotaKind, Settlement
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    borrow,
    customer,
    differences,
    intent,
    process,
    record,
    settled,
    sql,
    with_key,
)


async def lent(database: Database, of: Customer, units: int = 500) -> UUID:
    """Create a process that leases `units` of the customer's credit and budget."""
    mine = await process(database)
    for payer in of.payers:
        await borrow(database, mine, payer, units)
    return mine


async def used(database: Database, of: Customer, mine: UUID) -> list[int]:
    """Used units of a process's leases: credit first, then the key's budget."""
    rows = await sql(
        database,
        "select l.used from quota_lease l join quota q on q.id = l.quota_id"
        " where l.process_id = :mine and (q.key_id is null or q.key_id = :key)"
        " order by q.kind desc",
        mine=mine,
        key=of.key_id,
    )
    return [row[0] for row in rows]


async def count(database: Database, table: str) -> int:
    rows = await sql(database, f"select count(*) from {table}")
    return int(rows[0][0])


class TestLeaseCharges:
    async def test_call_is_charged_to_account_credit_and_key_budget(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        assert await write_usage_batch(
            connection, mine, [], [settled(of, 100), settled(of, 20), settled(of, 0)]
        )
        assert await used(database, of, mine) == [120, 120]
        assert await count(database, "usage") == 3
        assert await differences(database) == ()

    async def test_calls_of_two_keys_share_credit_and_have_separate_budgets(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        other = await with_key(database, of.account_id)
        mine = await lent(database, of, 300)
        await borrow(database, mine, other.quota(QuotaKind.BUDGET), 300)
        await write_usage_batch(connection, mine, [], [settled(of, 100), settled(other, 20)])
        assert await used(database, of, mine) == [120, 100]
        assert await used(database, other, mine) == [120, 20]
        assert await differences(database) == ()

    async def test_repeated_batch_is_charged_once(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        group = [settled(of, 100), settled(of, 20)]
        assert await write_usage_batch(connection, mine, [], group)
        assert await write_usage_batch(connection, mine, [], [*group, settled(of, 3)])
        assert await used(database, of, mine) == [123, 123]
        assert await differences(database) == ()

    @pytest.mark.parametrize("leased", [120, 239, 240])
    async def test_repeated_batch_that_fits_into_the_lease_only_once_is_charged_once(
        self, database: Database, connection: DirectConnection, leased: int
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of, leased)
        group = [settled(of, 100), settled(of, 20)]
        assert await write_usage_batch(connection, mine, [], group)
        assert await write_usage_batch(connection, mine, [], group)
        assert await used(database, of, mine) == [120, 120]
        assert await differences(database) == ()

    async def test_calls_with_a_cost_are_found_as_billed(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        paid, free, unwritten = settled(of, 100), settled(of, 0), settled(of, 5)
        await write_usage_batch(connection, mine, [], [paid, free])
        asked = [call.record.request_id for call in (paid, free, unwritten)]
        assert await find_billed_calls(connection, asked) == {paid.record.request_id}

    @pytest.mark.parametrize("leased", [120, 500])
    async def test_call_that_is_twice_in_a_batch_is_charged_once(
        self, database: Database, connection: DirectConnection, leased: int
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of, leased)
        first = settled(of, 100)
        second = settled(of, 7, request_id=first.record.request_id)
        assert await write_usage_batch(connection, mine, [], [first, second, settled(of, 20)])
        assert await used(database, of, mine) == [120, 120]
        assert await differences(database) == ()

    async def test_concurrent_repeated_batch_is_charged_once(
        self, database: Database, database_url: str
    ) -> None:
        """A commit in progress when the connection was lost runs beside its repetition."""
        of = await customer(database)
        mine = await lent(database, of)
        both = [DirectConnection(database_url, 30.0) for _ in range(2)]
        for _ in range(10):
            group = [settled(of, 10)]
            await asyncio.gather(*(write_usage_batch(one, mine, [], group) for one in both))
        assert await used(database, of, mine) == [100, 100]
        assert await differences(database) == ()
        await asyncio.gather(*(one.close() for one in both))

    async def test_second_row_of_a_call_is_ignored(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        first = settled(of, 100)
        await write_usage_batch(connection, mine, [], [first])
        late = replace(first.record, settlement=Settlement.PLATFORM_FAULT, cost_nano=0)
        await write_usage_batch(connection, mine, [], [SettledCall(late)])
        assert await used(database, of, mine) == [100, 100]
        assert await sql(database, "select settlement, cost_nano from usage") == [("complete", 100)]

    async def test_batch_over_leased_units_is_rejected_as_a_whole(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        with pytest.raises(DBAPIError, match="within_what_was_borrowed"):
            await write_usage_batch(
                connection, mine, [intent(of)], [settled(of, 400), settled(of, 200)]
            )
        assert await used(database, of, mine) == [0, 0]
        assert await count(database, "usage") == await count(database, "intent") == 0


class TestCallIntents:
    async def test_intent_is_open_until_its_call_is_settled(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        sent = intent(of)
        await write_usage_batch(connection, mine, [sent, intent(of)], [])
        await write_usage_batch(connection, mine, [sent], [])
        assert await count(database, "intent") == 2
        row = record(of, request_id=sent.request_id)
        await write_usage_batch(connection, mine, [], [SettledCall(row, has_intent=True)])
        assert await count(database, "intent") == 1
        assert await differences(database) == ()

    async def test_intent_belongs_to_the_process_that_writes_it(
        self, database: Database, connection: DirectConnection
    ) -> None:
        """A process ended by mistake continues under a new id; new intents carry that id."""
        of, dead, anew = await customer(database), await process(database), await process(database)
        async with database.transaction() as session:
            await end_process(session, dead, CLOCK.now())
        sent = [intent(of)]
        assert not await write_usage_batch(connection, dead, sent, [])
        assert await write_usage_batch(connection, anew, sent, [])
        columns = "process_id, account_id, key_id, held_nano, streamed"
        assert await sql(database, f"select {columns} from intent") == [
            (anew, of.account_id, of.key_id, 5, True)
        ]
        assert await differences(database) == ()


class TestStoredResponse:
    async def test_response_is_stored_only_if_its_usage_row_is_written(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        request_id = ids.new_id()
        await sql(
            database,
            "insert into kept_answer values (:account, 'k', '', :request, :mine, null, null, null,"
            " now() + interval '1 day')",
            account=of.account_id,
            request=request_id,
            mine=mine,
        )
        row = record(of, request_id=request_id)
        kept = StoredResponse(201, "text/plain", "精密".encode())
        rejected = record(of, cost_nano=-1)
        with pytest.raises(DBAPIError):
            await write_usage_batch(
                connection, mine, [], [SettledCall(row, response=kept), SettledCall(rejected)]
            )
        answers = "select status, content_type, body from kept_answer"
        assert await sql(database, answers) == [(None, None, None)]
        await write_usage_batch(connection, mine, [], [SettledCall(row, response=kept)])
        assert await sql(database, answers) == [(201, "text/plain", "精密".encode())]


class TestEndedProcessWrites:
    async def test_ended_process_writes_no_usage_and_no_intents(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await lent(database, of)
        sent = intent(of)
        await write_usage_batch(connection, mine, [sent], [])
        async with database.transaction() as session:
            await end_process(session, mine, CLOCK.now())
        late = replace(settled(of, 100, request_id=sent.request_id), has_intent=True)
        assert not await write_usage_batch(connection, mine, [intent(of)], [late, settled(of, 50)])
        rows = await sql(database, "select request_id, settlement, cost_nano from usage")
        assert rows == [(sent.request_id, "unknown", 0)]
        assert await count(database, "intent") == 0
        assert await differences(database) == ()

    async def test_unregistered_process_writes_no_usage_and_no_intents(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        assert not await write_usage_batch(connection, ids.new_id(), [intent(of)], [settled(of, 0)])
        assert await count(database, "usage") == await count(database, "intent") == 0

    async def test_concurrent_write_and_process_end_settle_the_call_once(
        self, database: Database, connection: DirectConnection
    ) -> None:
        for turn in range(10):
            of = await customer(database, name=f"A{turn}")
            mine = await lent(database, of)
            sent = intent(of)
            await write_usage_batch(connection, mine, [sent], [])
            ending = replace(settled(of, 100, request_id=sent.request_id), has_intent=True)

            async def die(dying: UUID) -> None:
                async with database.transaction() as session:
                    await end_process(session, dying, CLOCK.now())

            _, written = await asyncio.gather(
                die(mine), write_usage_batch(connection, mine, [], [ending])
            )
            costs = "select cost_nano from usage where request_id = :id"
            rows = await sql(database, costs, id=sent.request_id)
            assert rows == [(100 if written else 0,)]
            assert await differences(database) == ()

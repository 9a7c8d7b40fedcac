"""Usage log: decision records are stored with their calls' usage rows, or not at all."""

from datetime import UTC, datetime
from uuid import UUID

from billing.metering.process_reaper import end_process
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import SettledCall, SignedDecision, write_usage_batch
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import CLOCK, customer, process, record, sql

_DOCUMENT = '{"subject":"Fräse 3 \\u0000","verdict":"yes"}'


def decision(of: UsageRecord, account_id: UUID) -> SignedDecision:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    return SignedDecision(
        ids.new_id(), account_id, of.request_id, "mill", "yes", _DOCUMENT, "c2ln", "key", now
    )


async def stored(database: Database) -> list[tuple[UUID, str]]:
    rows = await sql(database, "select request_id, document from decision_record")
    return [(row[0], row[1]) for row in rows]


async def test_record_is_stored_unchanged_with_its_call_and_once(
    database: Database, connection: DirectConnection
) -> None:
    of, mine = await customer(database), await process(database)
    row = record(of)
    call = SettledCall(row, decisions=(decision(row, of.account_id),))
    assert await write_usage_batch(connection, mine, [], [call, SettledCall(record(of))])
    assert await write_usage_batch(connection, mine, [], [call])  # as after a lost connection
    assert await stored(database) == [(row.request_id, _DOCUMENT)]


async def test_process_that_was_ended_stores_no_record(
    database: Database, connection: DirectConnection
) -> None:
    of, mine = await customer(database), await process(database)
    row = record(of)
    async with database.transaction() as session:
        await end_process(session, mine, CLOCK.now())
    call = SettledCall(row, decisions=(decision(row, of.account_id),))
    assert not await write_usage_batch(connection, mine, [], [call])
    assert await stored(database) == []

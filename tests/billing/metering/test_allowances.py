"""Allowances as quotas: one for each, changed under the lock, in the order in which calls take."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from billing.metering.allowances import (
    AllowanceKey,
    create_missing_allowances,
    find_allowance_quotas,
    remaining_units_by_quota,
    set_allowance_quotas,
)
from billing.metering.leases import LeaseChange
from billing.metering.quotas import QuotaRef, find_call_quotas, list_quota_states
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.rating.quantities import Quantities
from billing.tables import QuotaKind
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    borrow,
    customer,
    process,
    record,
    sql,
    wish,
)

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
VERSION, OTHER = ids.new_id(), ids.new_id()
ANY = AllowanceKey(SINCE, VERSION, "*", "output_tokens")
OWN = AllowanceKey(SINCE, VERSION, "a/b", "output_tokens")


async def opened(database: Database, of: Customer, left: dict[AllowanceKey, int]) -> None:
    async with database.transaction() as session:
        await create_missing_allowances(session, of.account_id, left)


async def put(
    database: Database, of: Customer, left: dict[AllowanceKey, int]
) -> dict[AllowanceKey, int]:
    async with database.transaction() as session:
        return await set_allowance_quotas(session, of.account_id, left, {})


async def found(database: Database, of: Customer) -> list[QuotaRef]:
    async with database.transaction() as session:
        return (await find_allowance_quotas(session, of.account_id, SINCE, [VERSION]))[VERSION]


class TestOf:
    async def test_a_models_own_come_first(self, database: Database) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7, OWN: 5})
        assert [(one.model, one.meter, one.amount) for one in await found(database, of)] == [
            ("a/b", "output_tokens", 5),
            ("*", "output_tokens", 7),
        ]

    async def test_others_are_not_among_them(self, database: Database) -> None:
        of, stranger = await customer(database), await customer(database, name="B")
        await opened(database, stranger, {ANY: 1})
        await opened(database, of, {AllowanceKey(SINCE, OTHER, "*", "rows"): 2})
        await opened(database, of, {AllowanceKey(CLOCK.now(), VERSION, "*", "rows"): 3})
        assert await found(database, of) == []

    async def test_limit_no_call(self, database: Database) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7})
        async with database.transaction() as session:
            over = await find_call_quotas(session, of.account_id, of.key_id, SINCE)
            listed = await list_quota_states(session, of.account_id)
        assert QuotaKind.ALLOWANCE not in {one.kind for one in over}
        (shown,) = [one for one in listed if one.kind is QuotaKind.ALLOWANCE]
        assert (shown.scope, shown.period_start, shown.amount) == ("*/output_tokens", SINCE, 7)


class TestOpen:
    async def test_what_is_there_stays_as_it_is(self, database: Database) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7})
        await opened(database, of, {ANY: 9, OWN: 5})
        assert [one.amount for one in await found(database, of)] == [5, 7]

    async def test_at_once_it_is_made_once(self, database: Database) -> None:
        of = await customer(database)
        await asyncio.gather(*(opened(database, of, {ANY: 7, OWN: 5}) for _ in range(2)))
        assert len(await found(database, of)) == 2


class TestPut:
    async def test_makes_and_changes(self, database: Database) -> None:
        of = await customer(database)
        assert await put(database, of, {ANY: 7}) == {}
        assert await put(database, of, {ANY: 9, OWN: 5}) == {}
        assert [one.amount for one in await found(database, of)] == [5, 9]
        recalls = "select amount, recalls from quota where kind = 'included_units' order by amount"
        assert await sql(database, recalls) == [(5, 0), (9, 1)]

    async def test_what_counted_calls_took_is_not_taken_again(self, database: Database) -> None:
        of = await customer(database)
        await put(database, of, {ANY: 10})
        (quota,) = await found(database, of)
        await sql(database, "update quota set used = 4 where id = :id", id=quota.id)
        async with database.transaction() as session:
            counted = {UUID(quota.id): 4}
            assert await set_allowance_quotas(session, of.account_id, {ANY: 6}, counted) == {}
        assert [one.amount for one in await found(database, of)] == [10]

    async def test_tells_what_others_have_beyond_it(self, database: Database) -> None:
        """4 are used and 3 lent, so of 5 two are given to calls that others have the units of."""
        of = await customer(database)
        await put(database, of, {ANY: 10, OWN: 10})
        await sql(database, "update quota set used = 4, leased = 3 where scope like '*/%'")
        assert await put(database, of, {ANY: 5, OWN: 5}) == {ANY: 2}

    async def test_what_was_read_before_the_lock_is_read_again(self, database: Database) -> None:
        of = await customer(database)
        await put(database, of, {ANY: 10})
        async with database.transaction() as session:
            await find_allowance_quotas(session, of.account_id, SINCE, [VERSION])
            await sql(database, "update quota set used = 9 where scope like '*/%'")
            assert await set_allowance_quotas(session, of.account_id, {ANY: 5}, {}) == {ANY: 4}


class TestUnitsLeft:
    async def test_counts_settled_calls_and_not_running_ones(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        await opened(database, of, {ANY: 100})
        (quota,) = await found(database, of)
        await borrow(database, mine, quota.id, 60)
        row = record(
            of,
            quantities=Quantities(output_tokens=20),
            plan_version_id=VERSION,
            covered={"output_tokens": {quota.id: 20}},
        )
        await write_usage_batch(
            connection, mine, [], [SettledCall(row, (QuotaCharge(quota.id, 20),))]
        )
        async with database.transaction() as session:
            assert await remaining_units_by_quota(session, of.account_id, [quota.id]) == {
                quota.id: 80
            }
            assert await remaining_units_by_quota(session, ids.new_id(), [quota.id]) == {}
        await wish(database, mine, {quota.id: LeaseChange(close=True)})
        await put(database, of, {ANY: 10})
        async with database.transaction() as session:
            assert await remaining_units_by_quota(session, of.account_id, [quota.id]) == {
                quota.id: 0
            }

"""Allowance quotas: creation, update under a lock, and the order in which calls use them."""

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


class TestAllowanceLookup:
    async def test_allowances_of_the_model_come_before_general_allowances(
        self, database: Database
    ) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7, OWN: 5})
        assert [(one.model, one.meter, one.amount) for one in await found(database, of)] == [
            ("a/b", "output_tokens", 5),
            ("*", "output_tokens", 7),
        ]

    async def test_other_account_plan_version_or_period_is_not_returned(
        self, database: Database
    ) -> None:
        of, stranger = await customer(database), await customer(database, name="B")
        await opened(database, stranger, {ANY: 1})
        await opened(database, of, {AllowanceKey(SINCE, OTHER, "*", "rows"): 2})
        await opened(database, of, {AllowanceKey(CLOCK.now(), VERSION, "*", "rows"): 3})
        assert await found(database, of) == []

    async def test_allowance_is_listed_but_does_not_limit_calls(self, database: Database) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7})
        async with database.transaction() as session:
            over = await find_call_quotas(session, of.account_id, of.key_id, SINCE)
            listed = await list_quota_states(session, of.account_id)
        assert QuotaKind.ALLOWANCE not in {one.kind for one in over}
        (shown,) = [one for one in listed if one.kind is QuotaKind.ALLOWANCE]
        assert (shown.scope, shown.period_start, shown.amount) == ("*/output_tokens", SINCE, 7)


class TestMissingAllowanceCreation:
    async def test_existing_allowance_keeps_its_amount(self, database: Database) -> None:
        of = await customer(database)
        await opened(database, of, {ANY: 7})
        await opened(database, of, {ANY: 9, OWN: 5})
        assert [one.amount for one in await found(database, of)] == [5, 7]

    async def test_concurrent_transactions_create_each_allowance_once(
        self, database: Database
    ) -> None:
        of = await customer(database)
        await asyncio.gather(*(opened(database, of, {ANY: 7, OWN: 5}) for _ in range(2)))
        assert len(await found(database, of)) == 2


class TestAllowanceUpdate:
    async def test_creates_missing_and_updates_existing_allowances(
        self, database: Database
    ) -> None:
        of = await customer(database)
        assert await put(database, of, {ANY: 7}) == {}
        assert await put(database, of, {ANY: 9, OWN: 5}) == {}
        assert [one.amount for one in await found(database, of)] == [5, 9]
        recalls = "select amount, recalls from quota where kind = 'included_units' order by amount"
        assert await sql(database, recalls) == [(5, 0), (9, 1)]

    async def test_units_of_already_counted_calls_are_not_deducted_twice(
        self, database: Database
    ) -> None:
        of = await customer(database)
        await put(database, of, {ANY: 10})
        (quota,) = await found(database, of)
        await sql(database, "update quota set used = 4 where id = :id", id=quota.id)
        async with database.transaction() as session:
            counted = {UUID(quota.id): 4}
            assert await set_allowance_quotas(session, of.account_id, {ANY: 6}, counted) == {}
        assert [one.amount for one in await found(database, of)] == [10]

    async def test_returns_units_used_or_leased_above_the_new_amount(
        self, database: Database
    ) -> None:
        """4 units are used and 3 leased: a new amount of 5 is exceeded by 2."""
        of = await customer(database)
        await put(database, of, {ANY: 10, OWN: 10})
        await sql(database, "update quota set used = 4, leased = 3 where scope like '*/%'")
        assert await put(database, of, {ANY: 5, OWN: 5}) == {ANY: 2}

    async def test_quota_is_read_again_after_the_lock(self, database: Database) -> None:
        of = await customer(database)
        await put(database, of, {ANY: 10})
        async with database.transaction() as session:
            await find_allowance_quotas(session, of.account_id, SINCE, [VERSION])
            await sql(database, "update quota set used = 9 where scope like '*/%'")
            assert await set_allowance_quotas(session, of.account_id, {ANY: 5}, {}) == {ANY: 4}


class TestRemainingAllowanceUnits:
    async def test_settled_calls_reduce_remaining_units_and_running_calls_do_not(
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

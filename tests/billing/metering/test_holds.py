"""Holds: exact in every money quota, charged by usage rows, moved to a new month, returned."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.metering.holds import (
    HeldUnits,
    HoldRefused,
    end_hold,
    move_hold,
    open_hold,
    read_hold,
    read_spent,
)
from billing.metering.key_epoch import count_processes_behind
from billing.metering.process_reaper import reap_expired_process
from billing.metering.quotas import QuotaRef, find_call_quotas, next_month_start, set_budget
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.tables import QuotaKind
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    customer,
    differences,
    process,
    record,
    sql,
)

CREDIT = 1_000
LIFETIME = timedelta(hours=1)


@pytest.fixture
async def payer(database: Database) -> Customer:
    return await customer(database)


async def quotas_of(database: Database, of: Customer) -> tuple[QuotaRef, ...]:
    async with database.transaction() as session:
        return await find_call_quotas(session, of.account_id, of.key_id, CLOCK.now())


async def opened(database: Database, of: Customer, units: int) -> UUID:
    hold_id = ids.new_id()
    quotas = await quotas_of(database, of)
    async with database.transaction() as session:
        await open_hold(session, hold_id, quotas, units, LIFETIME)
    return hold_id


async def held(database: Database, hold_id: UUID) -> list[HeldUnits]:
    async with database.transaction() as session:
        return list((await read_hold(session, hold_id)).values())


async def test_hold_takes_all_of_the_credit_and_not_one_unit_more(
    database: Database, payer: Customer
) -> None:
    with pytest.raises(HoldRefused) as raised:
        await opened(database, payer, CREDIT + 1)
    assert (raised.value.quota.kind, raised.value.can_wait) == (QuotaKind.CREDIT, False)
    assert await sql(database, "select 1 from gateway_process where pid = 0") == []
    hold_id = await opened(database, payer, CREDIT)
    assert await held(database, hold_id) == [HeldUnits(CREDIT, 0)] * 2
    with pytest.raises(HoldRefused) as raised:
        await opened(database, payer, 1)
    assert raised.value.can_wait
    assert await differences(database) == ()


async def test_budget_of_the_key_limits_a_hold(database: Database, payer: Customer) -> None:
    async with database.transaction() as session:
        await set_budget(session, CLOCK, payer.account_id, payer.key_id, 10)
    with pytest.raises(HoldRefused) as raised:
        await opened(database, payer, 11)
    assert raised.value.quota.kind is QuotaKind.BUDGET
    assert len(await held(database, await opened(database, payer, 10))) == 2


async def test_charges_of_usage_rows_go_to_the_hold_once(
    database: Database, payer: Customer, connection: DirectConnection
) -> None:
    hold_id, process_id = await opened(database, payer, 100), await process(database)
    call = record(payer, cost_nano=30)
    charges = tuple(QuotaCharge(quota_id, 30, hold_id) for quota_id in payer.payers)
    for _ in range(2):  # a commit whose result was lost is retried
        assert await write_usage_batch(connection, process_id, [], [SettledCall(call, charges)])
    assert await held(database, hold_id) == [HeldUnits(100, 30)] * 2
    async with database.transaction() as session:
        assert await read_spent(session, hold_id) == 30
        await end_hold(session, hold_id, CLOCK.now())
        await end_hold(session, hold_id, CLOCK.now())
        assert await read_spent(session, hold_id) is None
    kinds = "select used, leased from quota where kind in ('credit', 'budget')"
    assert await sql(database, kinds) == [(30, 0)] * 2
    assert await differences(database) == ()


async def test_rest_of_a_hold_moves_to_the_budget_of_a_new_month(
    database: Database, payer: Customer
) -> None:
    hold_id = await opened(database, payer, 100)
    month = next_month_start(CLOCK.now())
    async with database.transaction() as session:
        later = await find_call_quotas(session, payer.account_id, payer.key_id, month)
        moved = await move_hold(session, hold_id, later)
    assert moved.keys() == {quota.id for quota in later if quota.kind.money}
    assert list(moved.values()) == [HeldUnits(100, 0)] * 2
    budgets = "select leased from quota where kind = 'budget' order by period_start"
    assert await sql(database, budgets) == [(0,), (100,)]
    assert await differences(database) == ()


async def test_hold_of_the_current_quotas_stays_as_it_is(
    database: Database, payer: Customer
) -> None:
    hold_id = await opened(database, payer, 100)
    quotas = await quotas_of(database, payer)
    async with database.transaction() as session:
        kept = await move_hold(session, hold_id, quotas)
        await move_hold(session, hold_id, [])  # no quota applies to calls any more
        assert await read_hold(session, hold_id) == {}
    assert list(kept.values()) == [HeldUnits(100, 0)] * 2
    assert await differences(database) == ()


async def test_hold_that_nobody_ended_is_returned_after_its_lifetime(
    database: Database, payer: Customer
) -> None:
    await opened(database, payer, 100)
    await sql(database, "update gateway_process set expires_at = now() - interval '1 second'")
    async with database.transaction() as session:
        assert await reap_expired_process(session, CLOCK.now()) is not None
    assert await sql(database, "select sum(leased) from quota") == [(0,)]
    assert await differences(database) == ()


async def test_changes_of_keys_do_not_wait_for_holds(database: Database, payer: Customer) -> None:
    await opened(database, payer, 1)
    async with database.transaction() as session:
        assert await count_processes_behind(session, 10**9) == 0

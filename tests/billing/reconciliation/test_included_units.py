"""Checks of included units: each check reports exactly the fault planted for it."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from billing.metering.allowances import (
    AllowanceKey,
    create_missing_allowances,
    find_allowance_quotas,
)
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.rating.quantities import Quantities
from billing.reconciliation.included_units import CHECKS
from billing.subscriptions.usage_totals import aggregate_usage
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import CLOCK, borrow, customer, differences, process, record
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story

USED, TAKEN, TOTALS = CHECKS
# By what somebody did behind our back: what contradicts it.
FAULTS = {
    "a quota counts more": (
        "update quota set used = used + 1 where kind = 'included_units'",
        [(USED, 31, 30)],
    ),
    "a quota is lost": (
        "delete from quota where kind = 'included_units' and used = 0",
        [(USED, 0, 30), (TAKEN, 30, 0)],
    ),
    "a call took more than it consumed": (
        "update usage set output_tokens = 29",
        [(TAKEN, 30, 29)],
    ),
    "a call took what is of another model": (
        "update usage set model = 'other'",
        [(TAKEN, 30, 0)],
    ),
    "a call took what is of later": (
        "update quota set period_start = period_start + interval '9 years'"
        " where kind = 'included_units'",
        [(TAKEN, 30, 0)],
    ),
    "the totals count less": (
        "update usage_cover_total set units = units - 1",
        [(TOTALS, 29, 30)],
    ),
    "the totals forgot": ("delete from usage_cover_total", [(TOTALS, 0, 30)]),
}


async def _taken(story: Story, connection: DirectConnection) -> None:
    """Write and aggregate a call that uses 30 included units."""
    database = story.database
    of, mine = await customer(database), await process(database)
    version_id = (await story.plan(GROWTH)).id
    key = AllowanceKey(CLOCK.now(), version_id, "llm", "output_tokens")
    async with database.transaction() as session:
        await create_missing_allowances(session, of.account_id, {key: 100})
        place = (of.account_id, key.period_start, [version_id])
        (quota,) = (await find_allowance_quotas(session, *place))[version_id]
    await borrow(database, mine, quota.id, 60)
    row = replace(
        record(of, model="llm", plan_version_id=version_id),
        quantities=Quantities(output_tokens=30),
        covered={"output_tokens": {quota.id: 30}},
    )
    await write_usage_batch(connection, mine, [], [SettledCall(row, (QuotaCharge(quota.id, 30),))])
    async with database.transaction() as session:
        await aggregate_usage(session, CLOCK)


async def test_included_units_without_fault_have_no_difference(
    story: Story, connection: DirectConnection
) -> None:
    await _taken(story, connection)
    assert await differences(story.database) == ()


def test_every_included_unit_check_has_a_planted_fault() -> None:
    assert {check for _, found in FAULTS.values() for check, *_ in found} == set(CHECKS)


@pytest.mark.parametrize("fault", FAULTS)
async def test_planted_included_unit_fault_is_reported(
    story: Story, connection: DirectConnection, fault: str
) -> None:
    await _taken(story, connection)
    statement, expected = FAULTS[fault]
    await _plant(story.database, statement)
    found = [(one.check, one.recorded, one.expected) for one in await differences(story.database)]
    assert [one for one in found if one[0] in CHECKS] == expected


async def _plant(database: Database, statement: str) -> None:
    """Run the statement with triggers disabled, as an administrator's mistake could."""
    async with database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(statement))
